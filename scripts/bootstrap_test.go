package scripts_test

import (
	"bytes"
	"compress/zlib"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/keep-it-simple/kis/scripts"
)

// boot feeds input to a login shell that does something and then becomes s, which reads the
// bootstrap, with python as its first argument. It returns all output.
func (s shell) boot(t *testing.T, before, python, input string) (out string, status int) {
	t.Helper()
	c := exec.Command("bash", append([]string{"-c", before + "\n" + `exec "$@"`, "login"}, append(append([]string{}, s.argv...), "-s", "--", python)...)...)
	c.Dir = t.TempDir()
	c.Env = []string{"PATH=" + os.Getenv("PATH"), "HOME=" + c.Dir, "LC_ALL=C.UTF-8"}
	c.Stdin = strings.NewReader(input)
	text, err := c.CombinedOutput()
	if _, exited := errors.AsType[*exec.ExitError](err); !exited {
		require.NoError(t, err)
	}
	left, err := os.ReadDir(c.Dir)
	require.NoError(t, err)
	require.Empty(t, left, "nothing is written to the disk")
	return string(text), c.ProcessState.ExitCode()
}

// loaded is what each order to the loader contains besides the agent's main.
func loaded() [][2]string {
	modules := [][2]string{{"kisagent", ""}}
	for _, m := range scripts.Modules() {
		if m.Name == "kisagent.compiled" {
			modules = append(modules, [2]string{m.Name, m.Source})
		}
	}
	return modules
}

// order is an order to the loader with a main of its own.
func order(t *testing.T, code string) string {
	t.Helper()
	modules := append(loaded(), [2]string{"kisagent.main", code})
	return encoded(t, map[string]any{"modules": modules, "root": "", "word": "whole"}) + "\n"
}

// packedOrder is the same in compressed parts.
func packedOrder(t *testing.T, code string) string {
	t.Helper()
	first := compressed(t, encoded(t, map[string]any{"modules": loaded(), "root": "", "word": "whole"}))
	modules := compressed(t, encoded(t, [][2]string{{"kisagent.main", code}}))
	return fmt.Sprintf("{\"packed\":[%d,%d]}\n%s%s", len(first), len(modules), first, modules)
}

func encoded(t *testing.T, v any) string {
	t.Helper()
	text, err := json.Marshal(v)
	require.NoError(t, err)
	return string(text)
}

func compressed(t *testing.T, text string) string {
	t.Helper()
	var packed bytes.Buffer
	w := zlib.NewWriter(&packed)
	_, err := io.WriteString(w, text)
	require.NoError(t, err)
	require.NoError(t, w.Close())
	return packed.String()
}

const tell = `
import sys
def main(order):
    sys.stdout.write("main has %s, utf8=%d\n" % (order["word"], sys.flags.utf8_mode))
`

// session starts the loader under a shell and sends the order only when the loader is ready, as the
// controller does.
func (s shell) session(t *testing.T, before, python, order string) string {
	t.Helper()
	c := exec.Command("bash", append([]string{"-c", before + "\n" + `exec "$@"`, "login"}, append(append([]string{}, s.argv...), "-s", "--", python)...)...)
	in, err := c.StdinPipe()
	require.NoError(t, err)
	out, err := c.StdoutPipe()
	require.NoError(t, err)
	c.Stderr = io.Discard
	require.NoError(t, c.Start())
	timer := time.AfterFunc(20*time.Second, func() { _ = c.Process.Kill() })
	defer timer.Stop()
	_, err = io.WriteString(in, scripts.Bootstrap())
	require.NoError(t, err)
	var text bytes.Buffer
	one := make([]byte, 1)
	for !strings.Contains(text.String(), "KIS1 READY 3.") || one[0] != '\n' {
		_, err := out.Read(one)
		require.NoError(t, err, "%s", text.String())
		text.Write(one)
	}
	_, err = io.WriteString(in, order)
	require.NoError(t, err)
	rest, err := io.ReadAll(out)
	require.NoError(t, err)
	require.NoError(t, c.Wait())
	return text.String() + string(rest)
}

func TestBootstrapBecomesTheLoader(t *testing.T) {
	t.Parallel()
	for name, before := range map[string]string{
		"silent":                  "",
		"prints":                  "echo welcome; printf 'to web1'",
		"reads a line":            "read -r line",
		"has an empty PATH":       "PATH=/nowhere; set -- $(/usr/bin/env PATH=/bin:/usr/bin sh -c 'command -v '$1) \"${@:2}\"",
		"has a python of its own": "export PYTHONSTARTUP=/nowhere PYTHONPATH=/nowhere PYTHONUTF8=0",
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			eachShell(t, func(t *testing.T, s shell) {
				for _, order := range []string{order(t, tell), packedOrder(t, tell)} {
					text := s.session(t, before, "python3", order)
					assert.Regexp(t, `(?m)^KIS1 READY 3\.\d+ zlib$`, text)
					assert.Contains(t, text, "main has whole, utf8=1\n")
				}
			})
		})
	}
}

// TestBootstrapWorksWithoutZlib, and says that it cannot decompress.
func TestBootstrapWorksWithoutZlib(t *testing.T) {
	t.Parallel()
	without := filepath.Join(t.TempDir(), "python3")
	require.NoError(t, os.WriteFile(without, []byte("#!/bin/sh\nfor code; do :; done\nexec "+python+` -X utf8 -I -S -c "import sys; sys.modules['zlib'] = None
$code"`+"\n"), 0o755))
	eachShell(t, func(t *testing.T, s shell) {
		text := s.session(t, "", without, order(t, tell))
		assert.Regexp(t, `(?m)^KIS1 READY 3\.\d+$`, text)
		assert.Contains(t, text, "main has whole, utf8=1\n")
	})
}

func TestBootstrapSaysThatThereIsNoPython(t *testing.T) {
	t.Parallel()
	eachShell(t, func(t *testing.T, s shell) {
		for _, name := range []string{"no-such-python", "/nowhere/python3", "/etc/passwd"} {
			text, status := s.boot(t, "printf noise", name, scripts.Bootstrap())
			assert.Equal(t, "noise\nKIS1 NOPYTHON "+name+"\n", text)
			assert.Equal(t, 1, status)
		}
	})
}

func TestTruncatedBootstrapIsNeverReady(t *testing.T) {
	t.Parallel()
	lines := strings.SplitAfter(strings.TrimSuffix(scripts.Bootstrap(), "\n"), "\n")
	eachShell(t, func(t *testing.T, s shell) {
		for i := range lines {
			text, _ := s.boot(t, "", "python3", strings.Join(lines[:i], ""))
			require.NotContains(t, text, "READY", "%d lines", i)
		}
	})
}

// A login script may consume the first line: the rest works without it.
func TestBootstrapWorksWithoutItsFirstLine(t *testing.T) {
	t.Parallel()
	_, rest, _ := strings.Cut(scripts.Bootstrap(), "\n")
	eachShell(t, func(t *testing.T, s shell) {
		text, _ := s.boot(t, "", "python3", rest)
		require.Contains(t, text, "KIS1 READY 3.")
	})
}

// TestModulesAreSentWithAllThatTheyImport: a module may be imported late, when a host is asked for
// something rare.
func TestModulesAreSentWithAllThatTheyImport(t *testing.T) {
	t.Parallel()
	sent := map[string]bool{}
	for _, m := range scripts.Modules() {
		sent[m.Name] = true
	}
	one, many := regexp.MustCompile(`from (kisagent\.\w+) import`), regexp.MustCompile(`from kisagent import ([\w, ]+)`)
	for _, m := range scripts.Modules() {
		for _, found := range one.FindAllStringSubmatch(m.Source, -1) {
			assert.True(t, sent[found[1]], "%s imports %s", m.Name, found[1])
		}
		for _, found := range many.FindAllStringSubmatch(m.Source, -1) {
			for name := range strings.SplitSeq(found[1], ", ") {
				name, _, _ = strings.Cut(name, " as ")
				assert.True(t, sent["kisagent."+name], "%s imports %s", m.Name, name)
			}
		}
	}
	files, err := filepath.Glob("kisagent/*.py")
	require.NoError(t, err)
	require.Len(t, scripts.Modules(), len(files), "a module that nobody sends")
}
