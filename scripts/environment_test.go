package scripts_test

import (
	"archive/zip"
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/keep-it-simple/kis/internal/testenv/agenttest"
	"github.com/keep-it-simple/kis/scripts"
)

// wheelhouse is a directory with one wheel, of dep 1.0, and a requirements file that pins it, by
// this digest or its own.
func wheelhouse(t *testing.T, digest string) (directory, requirements string) {
	t.Helper()
	var out bytes.Buffer
	zipped := zip.NewWriter(&out)
	for name, text := range map[string]string{
		"dep.py":                     "",
		"dep-1.0.dist-info/METADATA": "Metadata-Version: 2.1\nName: dep\nVersion: 1.0\n",
		"dep-1.0.dist-info/WHEEL":    "Wheel-Version: 1.0\nGenerator: x\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
		"dep-1.0.dist-info/RECORD":   "dep.py,,\ndep-1.0.dist-info/METADATA,,\ndep-1.0.dist-info/WHEEL,,\ndep-1.0.dist-info/RECORD,,\n",
	} {
		w, err := zipped.Create(name)
		require.NoError(t, err)
		_, err = w.Write([]byte(text))
		require.NoError(t, err)
	}
	require.NoError(t, zipped.Close())
	directory = t.TempDir()
	require.NoError(t, os.WriteFile(filepath.Join(directory, "dep-1.0-py3-none-any.whl"), out.Bytes(), 0o600))
	if digest == "" {
		sum := sha256.Sum256(out.Bytes())
		digest = hex.EncodeToString(sum[:])
	}
	requirements = filepath.Join(t.TempDir(), "requirements.txt")
	require.NoError(t, os.WriteFile(requirements, []byte("dep==1.0 --hash=sha256:"+digest+"\n"), 0o600))
	return directory, requirements
}

// installed makes the environment of a package with pip, by the step.
func installed(t *testing.T, s shell, top, pip string, arguments ...string) {
	t.Helper()
	runs(t, python, "-I", "-m", "venv", "--without-pip", filepath.Join(top, ".venv"))
	r := s.pip(t, filepath.Join(top, ".venv/bin/python"), pip, append(append([]string{"install"}, arguments...), "--editable", top)...)
	requireFinished(t, r, "pip")
}

// pip runs the step of that name.
func (s shell) pip(t *testing.T, python, pip string, arguments ...string) result {
	t.Helper()
	return s.step(t, "pip", append([]string{python, pip, "pip did not do it", ""}, arguments...)...)
}

// runs is what a program of the environment says.
func runs(t *testing.T, name string, arguments ...string) string {
	t.Helper()
	c := exec.Command(name, arguments...)
	c.Dir = "/"
	out, err := c.CombinedOutput()
	require.NoError(t, err, "%s", out)
	return string(out)
}

func TestEnvironmentIsVerified(t *testing.T) {
	t.Parallel()
	pip := agenttest.Pip(t, python)
	eachShell(t, func(t *testing.T, s shell) {
		if s.name == "busybox" || !thorough && s.name != "only busybox" {
			return // the same shell as "only busybox", which differs most from the hosts' usual one; this takes seconds
		}
		top := project(t, map[string]string{"REQUIRES": "dep"})
		wheels, requirements := wheelhouse(t, "")
		installed(t, s, top, pip, "--no-index", "--find-links", wheels)
		requireFinished(t, s.pip(t, filepath.Join(top, ".venv/bin/python"), pip, "install", "--no-index", "--find-links", wheels, "--require-hashes", "-r", requirements), "pip")
		require.Equal(t, "tiny 1.0\n", runs(t, filepath.Join(top, ".venv/bin/tiny")))
		where := runs(t, filepath.Join(top, ".venv/bin/python"), "-c", "import tiny, dep; print(tiny.__file__)")
		require.Equal(t, filepath.Join(top, "tiny/__init__.py")+"\n", where, "runs from its package")
		before := runs(t, "find", top, "-printf", "%p %m %s %T@\n")
		r := s.step(t, "verify", top, pip, "tiny", scripts.Steps()["imports"])
		requireFinished(t, r, "verify")
		require.Equal(t, "tiny", r.records["imported"])
		require.Equal(t, before, runs(t, "find", top, "-printf", "%p %m %s %T@\n"), "a verification writes nothing")

		tell := map[string]string{
			"prints without newline": `import sys, atexit; sys.stdout.write("hello"); atexit.register(sys.stderr.write, "bye")`,
			"prints records":         `print("imported\tnonsense")`,
		}
		for name, text := range tell {
			code(t, top, text+"\nmain = print")
			r := s.step(t, "verify", top, "", "tiny", scripts.Steps()["imports"])
			requireFinished(t, r, "verify")
			require.Equal(t, "tiny", r.records["imported"], name)
		}
	})
}

func TestPipFailsWithAReason(t *testing.T) {
	t.Parallel()
	pip := agenttest.Pip(t, python)
	wheels, wrong := wheelhouse(t, "00000000000000000000000000000000000000000000000000000000000000aa")
	broken := project(t, map[string]string{"backend/tiny_backend.py": "raise SystemExit('no compiler here')"})
	given := []string{"wheel", "--wheel-dir", t.TempDir(), "--no-index", "--find-links", wheels}
	eachShell(t, func(t *testing.T, s shell) {
		for name, test := range map[string]struct {
			arguments []string
			out       string
		}{
			"wrong hash":          {append(given, "--require-hashes", "-r", wrong), "DO NOT MATCH"},
			"not in the wheels":   {append(given, "no-such-distribution"), "no-such-distribution"},
			"build fails":         {append(given, broken), "no compiler here"},
			"package is not here": {append(given, broken+"/nowhere"), ""},
		} {
			if s.name != "dash" && name != "not in the wheels" {
				continue // what pip makes of it does not depend on the shell
			}
			r := s.pip(t, python, pip, test.arguments...)
			requireFailed(t, r, "pip did not do it")
			assert.NotContains(t, r.records, "hint", name)
			assert.Contains(t, r.out, test.out, name)
		}
		r := s.step(t, "pip", "/bin/false", pip, "reason", "do something", "wheel")
		requireFailed(t, r, "reason")
		assert.Equal(t, "do something", r.records["hint"])
	})
}

func TestVerifyFailsWithAReason(t *testing.T) {
	t.Parallel()
	pip := agenttest.Pip(t, python)
	lacking := project(t, map[string]string{"REQUIRES": "dep"})
	wheels, _ := wheelhouse(t, "")
	installed(t, shells(t)[0], lacking, pip, "--no-index", "--find-links", wheels)
	gone, err := filepath.Glob(filepath.Join(lacking, ".venv/lib/*/site-packages/dep*"))
	require.NoError(t, err)
	for _, path := range gone {
		require.NoError(t, os.RemoveAll(path))
	}
	imports := scripts.Steps()["imports"]
	eachShell(t, func(t *testing.T, s shell) {
		if !thorough && (s.name == "bash" || s.name == "busybox") {
			return // takes seconds
		}
		requireFailed(t, s.step(t, "verify", lacking, pip, "tiny", imports), "the environment is incomplete or inconsistent")
		requireFinished(t, s.step(t, "verify", lacking, "", "tiny", imports), "verify")
		requireFailed(t, s.step(t, "verify", lacking, "", "no-such-name", imports), "does not import")
		requireFailed(t, s.step(t, "verify", lacking, "", nasty, imports), "does not import")
		r := s.step(t, "verify", t.TempDir(), "", "tiny", imports)
		requireFailed(t, r, "python does not run")
		require.Contains(t, r.records["hint"], "upgraded")
	})
}

// forging is the code of a module that says whatever a step might say, to everybody it knows, and
// ends the interpreter.
const forging = `
import os
for line in ("imported\tx\n", "\nkis\timported\tx\n", "finished\tverify\n", "\nkis\tfinished\tverify\n"):
    for fd in (1, 2, 3):
        try:
            os.write(fd, line.encode())
        except OSError:
            pass
os._exit(0)`

func TestVerifyImportsTheApplication(t *testing.T) {
	t.Parallel()
	s, top, pip := shells(t)[0], project(t, nil), agenttest.Pip(t, python)
	installed(t, s, top, pip)
	for text, said := range map[string]string{
		"import no_such_module": "No module named 'no_such_module'",
		"def":                   "SyntaxError",
		"raise SystemExit(3)":   "",
		"1/0":                   "ZeroDivisionError",
	} {
		code(t, top, text)
		r := s.step(t, "verify", top, "", "tiny", scripts.Steps()["imports"])
		requireFailed(t, r, "does not import")
		require.Contains(t, r.out, said)
	}
	// Who ends the interpreter with status 0 has not been imported. The record is what counts, see
	// build.py.
	for _, text := range []string{"raise SystemExit(0)", forging} {
		code(t, top, text)
		require.NotContains(t, s.step(t, "verify", top, "", "tiny", scripts.Steps()["imports"]).records, "imported", text)
	}
}
