package scripts_test

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/keep-it-simple/kis/scripts"
)

// nasty is a name that every unquoted expansion would make something else of.
const nasty = "a  b;$(touch pwned)`touch pwned`'\"*?[x]\\ &|<>#~!{1,2}\n-é"

// tarball is an archive of members that another user owns and all can write.
func tarball(t *testing.T, members map[string]string) []byte {
	t.Helper()
	var out bytes.Buffer
	zipped := gzip.NewWriter(&out)
	tarred := tar.NewWriter(zipped)
	for name, text := range members {
		require.NoError(t, tarred.WriteHeader(&tar.Header{Name: name, Mode: 0o6777, Uid: 12345, Gid: 12345, Uname: "x", Gname: "y", Size: int64(len(text))}))
		_, err := tarred.Write([]byte(text))
		require.NoError(t, err)
	}
	require.NoError(t, errors.Join(tarred.Close(), zipped.Close()))
	return out.Bytes()
}

func TestUnpackExtractsTheArchive(t *testing.T) {
	t.Parallel()
	eachShell(t, func(t *testing.T, s shell) {
		directory := filepath.Join(t.TempDir(), nasty)
		require.NoError(t, os.Mkdir(directory, 0o755))
		archive := filepath.Join(directory, "x y.tar.gz")
		require.NoError(t, os.WriteFile(archive, tarball(t, map[string]string{"app-1/PKG-INFO": "x", "app-1/a b/c": "y"}), 0o600))
		requireFinished(t, s.step(t, "unpack", archive, directory), "unpack")
		text, err := os.ReadFile(filepath.Join(directory, "app-1/a b/c"))
		require.NoError(t, err)
		assert.Equal(t, "y", string(text))
		info, err := os.Stat(filepath.Join(directory, "app-1/PKG-INFO"))
		require.NoError(t, err)
		assert.Zero(t, info.Mode().Perm()&0o022, "%v: not writable by others", info.Mode())
		assert.Equal(t, uint32(os.Geteuid()), info.Sys().(*syscall.Stat_t).Uid, "the archive's owner does not count")
	})
}

func TestUnpackFailsWhereTarDoes(t *testing.T) {
	t.Parallel()
	good := tarball(t, map[string]string{"app-1/PKG-INFO": strings.Repeat("x", 100_000)})
	eachShell(t, func(t *testing.T, s shell) {
		directory := t.TempDir()
		for name, data := range map[string][]byte{"no archive": []byte("hello"), "empty": nil, "cut short": good[:len(good)-30]} {
			archive := filepath.Join(t.TempDir(), "x.tar.gz")
			require.NoError(t, os.WriteFile(archive, data, 0o600))
			requireFailed(t, s.step(t, "unpack", archive, directory), "tar could not unpack")
			_ = name
		}
		requireFailed(t, s.step(t, "unpack", "/nowhere.tar.gz", directory), "tar could not unpack")
	})
}

func TestCommandRunsInThePackageWithItsEnvironment(t *testing.T) {
	t.Parallel()
	eachShell(t, func(t *testing.T, s shell) {
		top := filepath.Join(t.TempDir(), nasty)
		bin := filepath.Join(top, ".venv/bin")
		require.NoError(t, os.MkdirAll(bin, 0o755))
		require.NoError(t, os.WriteFile(filepath.Join(bin, "mine"), []byte("#!/bin/sh\necho \"mine $*\"\n"), 0o755))
		r := s.step(t, "command", top, `mine "a  b" '$HOME'; pwd; printf '%s\n' "$VIRTUAL_ENV" "$KIS_STAGE"; umask; cat; exit 7`)
		assert.Equal(t, 7, r.status)
		assert.Equal(t, "mine a  b $HOME\n"+top+"\n"+top+"/.venv\nstaging\n0022\n", r.out)
		require.NoFileExists(t, filepath.Join(top, "pwned"))
	})
}

func TestCommandPassesTheExitStatusOn(t *testing.T) {
	t.Parallel()
	eachShell(t, func(t *testing.T, s shell) {
		top := t.TempDir()
		for text, status := range map[string]int{"true": 0, "false": 1, "exit 3": 3, "no-such-command": 127, "kill -9 $$": -1, "false; true": 0, "true | false": 1} {
			assert.Equal(t, status, s.step(t, "command", top, text).status, text)
		}
		assert.NotZero(t, s.step(t, "command", filepath.Join(top, "nowhere"), "true").status)
	})
}

// A step's text may arrive cut short. Whatever is left of it does nothing and does not claim to
// have finished.
func TestTruncatedStepsDoNothing(t *testing.T) {
	t.Parallel()
	archive := tarball(t, map[string]string{"app-1/PKG-INFO": "x"})
	eachShell(t, func(t *testing.T, s shell) {
		directory, source := t.TempDir(), filepath.Join(t.TempDir(), "x.tar.gz")
		require.NoError(t, os.WriteFile(source, archive, 0o600))
		for name, text := range scripts.Steps() {
			if name == "imports" || name == "terminal" || name == "pipsettings" {
				continue // no program of the shell
			}
			arguments := []string{directory, "touch " + directory + "/pwned", directory, "", "", "", ""}
			if name == "unpack" {
				arguments = []string{source, directory}
			}
			lines := strings.SplitAfter(text, "\n")
			for i := range len(lines) - 1 {
				cut := strings.Join(lines[:i], "")
				r := s.text(t, cut, arguments...)
				require.NotContains(t, r.records, "finished", "%s, %d lines", name, i)
			}
			last := strings.TrimSuffix(text, "main \"$@\"\n")
			require.NotEqual(t, text, last, "%s ends with the call of main", name)
			for i := range len("main \"$@\"") {
				r := s.text(t, last+"main \"$@\""[:i], arguments...)
				require.NotContains(t, r.records, "finished", "%s, %d bytes of the last line", name, i)
			}
		}
		left, err := os.ReadDir(directory)
		require.NoError(t, err)
		for _, entry := range left {
			require.Equal(t, "nothing", entry.Name())
		}
	})
}

// The kernel kills what needs too much memory. Only the status of the shell shows that.
func TestProgramThatIsKilledIsSaidToBe(t *testing.T) {
	t.Parallel()
	eachShell(t, func(t *testing.T, s shell) {
		for signal, said := range map[string]string{"KILL": "was killed by signal 9 (out of memory?)", "SEGV": "was killed by signal 11"} {
			dying := filepath.Join(t.TempDir(), "python")
			require.NoError(t, os.WriteFile(dying, []byte("#!/bin/sh\nkill -"+signal+" $$\n"), 0o755))
			requireFailed(t, s.pip(t, dying, "/pip"), "pip did not do it: pip "+said)

			top := t.TempDir()
			require.NoError(t, os.MkdirAll(filepath.Join(top, ".venv/bin"), 0o755))
			require.NoError(t, os.Symlink(dying, filepath.Join(top, ".venv/bin/python")))
			requireFailed(t, s.step(t, "verify", top, "", "tiny", ""), "python does not run: python "+said)
		}
		dying := filepath.Join(t.TempDir(), "python")
		require.NoError(t, os.WriteFile(dying, []byte("#!/bin/sh\nexit 255\n"), 0o755))
		require.Equal(t, "pip did not do it", s.pip(t, dying, "/pip").records["failed"], "255 is no signal")
	})
}
