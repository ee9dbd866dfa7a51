package pybuild

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
)

// rememberedPython is an interpreter whose setuptools has built something, with what tells whether it still is
// the same. Starting an interpreter to ask takes as long as a tenth of a small push, and importing
// setuptools as long as half a build.
type rememberedPython struct {
	Interpreter interpreter `json:"interpreter"`
	// Direct is that the name which the user gave it is the interpreter's own program, or a link to it. It
	// may also be a script of a version manager, which chooses the interpreter by the directory.
	Direct bool `json:"direct"`
	// Stamps are of the program, of setuptools, and of what makes an environment of the program: their size and time.
	Stamps []string `json:"stamps"`
}

// unchanged reports whether the interpreter and its setuptools are the same as when they were remembered.
func (p rememberedPython) unchanged() bool {
	return p.Stamps != nil && slices.Equal(p.Stamps, stampsOf(p.Interpreter))
}

// provenKey is what probeScript compares: with this interpreter and this setuptools a build has succeeded.
func (p rememberedPython) provenKey() string {
	return strings.Join([]string{p.Interpreter.Executable, p.Interpreter.Version, p.Interpreter.SetuptoolsFile}, "\n")
}

// stampsOf are the stamps of an interpreter, nil where a file is missing.
func stampsOf(i interpreter) []string {
	bin := filepath.Dir(i.Executable)
	var stamps []string
	for n, path := range []string{i.Executable, i.SetuptoolsFile, filepath.Join(bin, "pyvenv.cfg"), filepath.Join(filepath.Dir(bin), "pyvenv.cfg")} {
		info, err := os.Stat(path)
		switch {
		case err == nil:
			stamps = append(stamps, fmt.Sprintf("%s %d %d", path, info.Size(), info.ModTime().UnixNano()))
		case n < 2:
			return nil
		default:
			stamps = append(stamps, "no "+path)
		}
	}
	return stamps
}

// recallInterpreter returns what is remembered of the interpreter that a name stands for; the zero
// value for nothing.
func (b *builder) recallInterpreter(python string) rememberedPython {
	var p rememberedPython
	file, err := b.interpreterMemory(python)
	if err != nil {
		return rememberedPython{}
	}
	data, err := os.ReadFile(file)
	if err != nil || json.Unmarshal(data, &p) != nil {
		return rememberedPython{}
	}
	return p
}

// rememberInterpreter remembers that a build with the setuptools of the interpreter has succeeded.
func (b *builder) rememberInterpreter(python string, found interpreter) {
	file, err := b.interpreterMemory(python)
	if err != nil {
		return
	}
	p := rememberedPython{Interpreter: found, Direct: b.isDirect(python, found), Stamps: stampsOf(found)}
	if data, err := json.Marshal(p); err == nil && p.Stamps != nil {
		replaceFile(file, data)
	}
}

// forgetInterpreter is for a build that has failed: the interpreter may not have what was remembered.
func (b *builder) forgetInterpreter(python string) {
	if file, err := b.interpreterMemory(python); err == nil {
		_ = os.Remove(file) // where there is none, nothing is remembered
	}
}

// isDirect reports whether the name of an interpreter leads to its own program.
func (b *builder) isDirect(python string, found interpreter) bool {
	path, err := b.lookPath(python)
	if err != nil {
		return false
	}
	named, err1 := os.Stat(path)
	program, err2 := os.Stat(found.Executable)
	return err1 == nil && err2 == nil && os.SameFile(named, program)
}

// interpreterMemory names the file with what is remembered of an interpreter. Its name is a digest of
// what makes the interpreter find modules: its path, which differs between environments (PEP 405)
// that link to one program, and the environment. Nothing is remembered where modules are found in different directories
// for different projects.
func (b *builder) interpreterMemory(python string) (string, error) {
	cache, err := b.cacheDir()
	if err != nil {
		return "", err
	}
	path, err := b.lookPath(python)
	if err != nil {
		return "", err
	}
	if path, err = filepath.Abs(path); err != nil {
		return "", err
	}
	sum := sha256.New()
	_, _ = fmt.Fprintf(sum, "setuptools of %q\n", path) // a hash never fails
	for _, entry := range slices.Sorted(slices.Values(b.run.env)) {
		if paths, some := strings.CutPrefix(entry, "PYTHONPATH="); some && slices.ContainsFunc(filepath.SplitList(paths), func(p string) bool { return !filepath.IsAbs(p) }) {
			return "", errors.New("PYTHONPATH is relative")
		}
		if strings.HasPrefix(entry, "PYTHON") || strings.HasPrefix(entry, "HOME=") {
			_, _ = fmt.Fprintf(sum, "%q\n", entry)
		}
	}
	return filepath.Join(cache, "requires", hex.EncodeToString(sum.Sum(nil)[:16])), nil
}
