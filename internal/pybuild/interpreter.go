package pybuild

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"regexp"
	"strings"
)

// interpreter is what a local Python reports about itself.
type interpreter struct {
	Executable string `json:"executable"`
	Version    string `json:"version"`
	Supported  bool   `json:"supported"`  // 3.8 or newer
	Build      bool   `json:"build"`      // `python -m build` works
	Setuptools bool   `json:"setuptools"` // a setup.py works
	Venv       bool   `json:"venv"`       // it can make environments with pip in them

	// SetuptoolsFile is the file of setuptools; "" where it does not work.
	SetuptoolsFile string `json:"setuptools_file"`
}

// probeScript answers everything in one start of the interpreter. It imports the modules: find_spec
// would take any directory named build on the path for a namespace package. setuptools, whose import
// takes longer than some builds, is imported unless the first argument says that it has worked (see
// rememberedPython.provenKey); where it works and the second argument calls it sufficient, nothing
// else is looked for. The current directory is removed from the path, because the project may have
// a build.py of its own. Debian has venv without ensurepip, and then neither venv nor build works.
const probeScript = `
import sys
sys.path = [entry for entry in sys.path if entry]
import importlib.util
import json

def has(name):
    try:
        __import__(name)
    except Exception:
        return False
    return True

def file(name):
    try:
        return importlib.util.find_spec(name).origin or ""
    except Exception:
        return ""

setuptools = file("setuptools")
version = "%d.%d.%d" % sys.version_info[:3]
if setuptools and "\n".join([sys.executable, version, setuptools]) != sys.argv[1] and not has("setuptools"):
    setuptools = ""
sufficient = setuptools and sys.argv[2] == "setuptools"
venv = not sufficient and has("venv") and has("ensurepip")
print()
print(json.dumps({
    "executable": sys.executable,
    "version": version,
    "supported": sys.version_info[:2] >= (3, 8),
    "build": not sufficient and has("build.__main__") and (venv or has("virtualenv")),
    "setuptools": setuptools != "",
    "setuptools_file": setuptools,
    "venv": venv,
}))
`

// identifyScript answers what names a private build environment: the interpreter starts without its
// site directories, and imports nothing.
const identifyScript = `
import sys
print()
print('{"executable": "%s", "version": "%d.%d.%d", "supported": %s}' % (
    (sys.executable.replace("\\", "\\\\").replace('"', '\\"'),) + sys.version_info[:3] + (str(sys.version_info[:2] >= (3, 8)).lower(),)))
`

// probe finds out what the interpreter has, by running it unless that is known. It runs in the project's
// directory, because a version manager such as pyenv chooses the interpreter by that; later commands use the
// interpreter's own path, so the choice is made once. Where setuptools works and is sufficient, the answer
// says nothing of what else there is.
func (b *builder) probe(ctx context.Context, python string, setuptoolsIsSufficient bool) (interpreter, error) {
	proven, sufficient := "", ""
	if setuptoolsIsSufficient {
		sufficient = "setuptools"
	}
	if p := b.recallInterpreter(python); p.unchanged() {
		if setuptoolsIsSufficient && p.Direct {
			return p.Interpreter, nil
		}
		proven = p.provenKey()
	}
	return b.ask(ctx, python, "-c", probeScript, proven, sufficient)
}

// identify is probe for Executable, Version and Supported alone, in a fifth of the time.
func (b *builder) identify(ctx context.Context, python string) (interpreter, error) {
	return b.ask(ctx, python, "-I", "-S", "-c", identifyScript)
}

func (b *builder) ask(ctx context.Context, python string, args ...string) (interpreter, error) {
	var out bytes.Buffer
	quiet := runner{env: b.run.env, log: &out, grace: b.run.grace}
	err := quiet.run(ctx, command{
		args: append([]string{python}, args...),
		name: python,
		dir:  b.dir,
		hint: "install python3, or put another one first on the PATH",
	})
	if err != nil {
		return interpreter{}, err
	}
	return parseProbe(out.Bytes(), python)
}

// versionPattern is that of probeScript. The version names the directory of a private environment,
// which is removed where it is not complete.
var versionPattern = regexp.MustCompile(`^[0-9]+\.[0-9]+\.[0-9]+$`)

// parseProbe reads the last line of the output: a start-up file of the interpreter may print
// before.
func parseProbe(out []byte, python string) (interpreter, error) {
	var found interpreter
	lines := bytes.Split(bytes.TrimSpace(out), []byte("\n"))
	if err := json.Unmarshal(lines[len(lines)-1], &found); err != nil {
		return interpreter{}, &Error{Command: python, Err: fmt.Errorf("its answer is not that of a Python interpreter: %w", err)}
	}
	if !versionPattern.MatchString(found.Version) || strings.Contains(found.Executable, "\x00") {
		return interpreter{}, &Error{Command: python, Err: errors.New("its answer is not that of a Python interpreter")}
	}
	if found.Executable == "" { // Python could not determine it
		found.Executable = python
	}
	if !found.Supported {
		return interpreter{}, &Error{
			Command: python, Hint: "put a newer python3 first on the PATH",
			Err: errors.New("is Python " + found.Version + ", kis needs 3.8 or newer"),
		}
	}
	return found, nil
}
