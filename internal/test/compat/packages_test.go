package compat

import (
	"debug/buildinfo"
	"encoding/json"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/keep-it-simple/kis/internal/testenv/debhost"
)

// tag is of no release: what says it says the tag. (Go ignores tags from v2 on, unless the path of the
// module says so, too.)
const tag = "v0.98.7"

// TestReleaseIsInstalledFromItsDebianPackage builds a release as a tag of it is built, twice, and
// runs the demo from the Debian package on a Debian host.
func TestReleaseIsInstalledFromItsDebianPackage(t *testing.T) {
	t.Parallel()
	repository := newRepository(t)
	clone := newClone(t, repository, "umask 022")
	dist := filepath.Join(clone, "dist")

	t.Run("the program says its tag", func(t *testing.T) { programsSayTheirTag(t, dist) })
	t.Run("the Debian package", func(t *testing.T) {
		h := debhost.New(t, debhost.Bookworm, 1)[0]
		installDebian(t, h, filepath.Join(dist, "kis_0.98.7_"+runtime.GOARCH+".deb"))
	})
	t.Run("the RPM has the same files", func(t *testing.T) { sameFiles(t, dist) })
	t.Run("the archive is unpacked in a prefix", func(t *testing.T) {
		prefix := t.TempDir()
		sh(t, prefix, "tar -xzf "+dist+"/kis_0.98.7_linux_"+runtime.GOARCH+".tar.gz --strip-components=1")
		assert.Contains(t, sh(t, prefix, "bin/kis version"), "kis "+tag+" ")
		assert.FileExists(t, filepath.Join(prefix, "share/man/man1/kis-push.1.gz"))
		assert.FileExists(t, filepath.Join(prefix, "share/zsh/site-functions/_kis"))
	})
	t.Run("a source archive says its tag", func(t *testing.T) {
		dir := t.TempDir()
		sh(t, repository, "git archive "+tag+" | tar -x -C "+dir)
		assert.Contains(t, sh(t, dir, "make -s build && bin/kis version"), "kis "+tag+" ")
	})
	t.Run("a changed checkout says so", func(t *testing.T) {
		assert.Contains(t, sh(t, clone, "make -s build && bin/kis version"), "kis "+tag+" ")
		require.NoError(t, os.WriteFile(filepath.Join(clone, "cmd/kis/other.go"), []byte("package main\n"), 0o600))
		assert.Regexp(t, `kis v0\.98\.7\S*\+dirty `, sh(t, clone, "make -s build && bin/kis version"))
	})
	t.Run("another build has the same bytes", func(t *testing.T) {
		other := newClone(t, repository, "umask 077; export TZ=Asia/Tokyo LC_ALL=tr_TR.UTF-8 GOFLAGS=-ldflags=-X=main.archived=other")
		assert.Equal(t, read(t, filepath.Join(dist, "checksums.txt")), read(t, filepath.Join(other, "dist/checksums.txt")))
		assert.Len(t, strings.Split(strings.TrimSpace(read(t, filepath.Join(dist, "checksums.txt"))), "\n"), 12)
		sh(t, dist, "sha256sum --check --strict --quiet checksums.txt")
	})
}

// newRepository is a repository with one commit, the tested files, and a tag. They may come from
// an archive: a repository of their own is not needed.
func newRepository(t *testing.T) string {
	t.Helper()
	const root = "../../.."
	dir := t.TempDir()
	entries, err := os.ReadDir(root)
	require.NoError(t, err)
	for _, entry := range entries {
		switch from, to := filepath.Join(root, entry.Name()), filepath.Join(dir, entry.Name()); {
		case slices.Contains([]string{".git", "bin", "dist"}, entry.Name()):
		case entry.IsDir():
			require.NoError(t, os.CopyFS(to, os.DirFS(from)))
		default:
			require.NoError(t, os.WriteFile(to, []byte(read(t, from)), 0o644))
		}
	}
	sh(t, dir, `git init -q; git add .; export GIT_AUTHOR_DATE=2026-01-02T03:04:05Z GIT_COMMITTER_DATE=2026-01-02T03:04:05Z
		git -c user.name=kis -c user.email=kis@example.com commit -q -m "kis: release"; git tag `+tag)
	return dir
}

// newClone clones a repository and makes what a release consists of, in a shell that is prepared.
func newClone(t *testing.T, repository, prepare string) string {
	t.Helper()
	dir := filepath.Join(t.TempDir(), "kis")
	sh(t, repository, prepare+"; git clone -q . "+dir+" && make -C "+dir+" dist")
	return dir
}

// programsSayTheirTag reads the programs of all systems, and that their SBOM names what is in them.
func programsSayTheirTag(t *testing.T, dist string) {
	t.Helper()
	programs, err := filepath.Glob(filepath.Join(dist, "kis_*/bin/kis"))
	require.NoError(t, err)
	built := map[string]bool{}
	for _, program := range programs {
		info, err := buildinfo.ReadFile(program)
		require.NoError(t, err)
		assert.Equal(t, tag, info.Main.Version, program)
		settings := map[string]string{}
		for _, s := range info.Settings {
			settings[s.Key] = s.Value
		}
		assert.Equal(t, "false", settings["vcs.modified"], program)
		assert.Equal(t, "0", settings["CGO_ENABLED"], program)
		system := settings["GOOS"] + "_" + settings["GOARCH"]
		built[system] = true

		var bom struct {
			Components []struct{ Name, Version string }
		}
		require.NoError(t, json.Unmarshal([]byte(read(t, filepath.Join(dist, "kis_0.98.7_"+system+".cdx.json"))), &bom))
		named := map[string]string{}
		for _, c := range bom.Components {
			named[c.Name] = c.Version
		}
		require.NotEmpty(t, info.Deps)
		for _, module := range info.Deps {
			assert.Equal(t, module.Version, named[module.Path], "%s: %s", system, module.Path)
		}
		assert.Contains(t, named, "std")
	}
	assert.Equal(t, map[string]bool{"linux_amd64": true, "linux_arm64": true, "darwin_amd64": true, "darwin_arm64": true}, built)
}

// installDebian installs kis on a host, uses it there, and removes it.
func installDebian(t *testing.T, h *debhost.Host, deb string) {
	t.Helper()
	h.Write(t, "/root/kis.deb", read(t, deb), 0o600)
	h.Shell(t, "dpkg --install kis.deb")
	assert.Empty(t, h.Shell(t, "dpkg --verify kis"))
	assert.Contains(t, h.As(t, "kis version"), "kis "+tag+" ")
	assert.Contains(t, h.As(t, "zcat /usr/share/man/man1/kis-push.1.gz"), `.TH "KIS-PUSH" "1"`)
	assert.NotEmpty(t, h.As(t, "head /usr/share/doc/kis/copyright"))

	assert.Contains(t, h.As(t, "bash -c '. /usr/share/bash-completion/completions/kis && complete -p kis'"), "__start_kis kis")
	zsh, fish := filepath.Join(h.Root, "usr/share/zsh/vendor-completions"), filepath.Join(h.Root, "usr/share/fish/vendor_completions.d/kis.fish")
	assert.Equal(t, "_kis\n", sh(t, zsh, `zsh -f -c 'fpath=($PWD $fpath); autoload -U compinit; compinit -u -D; print $_comps[kis]'`))
	assert.Contains(t, sh(t, "/", "fish --no-config --command 'source "+fish+"; complete --command kis'"), "__kis_prepare_completions")

	out := h.As(t, "kis demo")
	assert.Contains(t, out, "$ kis rollback staging")
	assert.Contains(t, out, "The hosts are stopped and everything is removed.")

	h.Shell(t, "dpkg --remove kis")
	assert.Empty(t, h.Shell(t, "find /usr -name 'kis*' -o -name _kis"))
}

// sameFiles compares the contents of the packages: other systems have other directories.
func sameFiles(t *testing.T, dist string) {
	t.Helper()
	deb := sh(t, dist, "dpkg-deb --fsys-tarfile kis_0.98.7_amd64.deb | tar -t | grep -v '/$'")
	deb = strings.NewReplacer("./usr", "/usr", "/zsh/vendor-completions/", "/zsh/site-functions/", "/doc/kis/copyright", "/licenses/kis/LICENSE").Replace(deb)
	rpm := sh(t, dist, "rpm --query --package --list kis-0.98.7-1.x86_64.rpm")
	assert.ElementsMatch(t, strings.Fields(deb), strings.Fields(rpm))
	pages, err := fs.Glob(os.DirFS("../../../docs/man"), "*.1")
	require.NoError(t, err)
	assert.Equal(t, len(pages), strings.Count(rpm, "/usr/share/man/man1/"))
	assert.NotContains(t, sh(t, dist, "rpm --query --package --queryformat '%{BUILDHOST}' kis-0.98.7-1.x86_64.rpm"), hostname(t))
}

func hostname(t *testing.T) string {
	t.Helper()
	name, err := os.Hostname()
	require.NoError(t, err)
	return name
}

// sh runs a script here, and returns its output.
func sh(t *testing.T, dir, script string) string {
	t.Helper()
	command := exec.CommandContext(t.Context(), "/bin/sh", "-e", "-c", script)
	command.Dir = dir
	command.Stderr = new(strings.Builder)
	out, err := command.Output()
	require.NoError(t, err, "%s: %s\n%s", script, command.Stderr, out)
	return string(out)
}

func read(t *testing.T, path string) string {
	t.Helper()
	text, err := os.ReadFile(path)
	require.NoError(t, err)
	return string(text)
}
