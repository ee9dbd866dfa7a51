package pybuild

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/keep-it-simple/kis/internal/safetext"
	"github.com/keep-it-simple/kis/internal/wheel"
)

// memoryFile is the file that remembers the requirements of a build. Its name is a digest of everything
// that they usually depend on.
func (b *builder) memoryFile(base interpreter, h hook, more ...string) (string, error) {
	cache, err := b.cacheDir()
	if err != nil {
		return "", err
	}
	sum := sha256.New()
	for _, text := range slices.Concat(buildTools(), []string{h.kind, base.Executable, base.Version}, more) {
		_, _ = fmt.Fprintf(sum, "%q\n", text) // a hash never fails
	}
	for _, name := range []string{"pyproject.toml", "setup.py", "setup.cfg"} {
		data, err := os.ReadFile(filepath.Join(h.source, name))
		if err != nil && !errors.Is(err, fs.ErrNotExist) {
			return "", err
		}
		_, _ = fmt.Fprintf(sum, "%s %t %q\n", name, err == nil, data) // a hash never fails
	}
	return filepath.Join(cache, "requires", hex.EncodeToString(sum.Sum(nil)[:16])), nil
}

func recall(memoryFile string) (requires []string, ok bool) {
	data, err := os.ReadFile(memoryFile)
	if err != nil || json.Unmarshal(data, &requires) != nil {
		return nil, false
	}
	return requires, true
}

// remember keeps the requirements. A build that cannot asks again.
func remember(memoryFile string, requires []string) {
	if data, err := json.Marshal(requires); err == nil {
		replaceFile(memoryFile, data)
	}
}

// replaceFile replaces a file of the cache, which is complete without it.
func replaceFile(path string, data []byte) {
	if os.MkdirAll(filepath.Dir(path), 0o700) != nil {
		return
	}
	temporary, err := os.CreateTemp(filepath.Dir(path), ".new-*")
	if err != nil {
		return
	}
	_, err = temporary.Write(data)
	if err = errors.Join(err, temporary.Close()); err == nil {
		err = os.Rename(temporary.Name(), path)
	}
	if err != nil {
		_ = os.Remove(temporary.Name())
	}
}

// impure is the suffix of files that say why a project has no pure wheel. Compiling it here for
// each push, only to find that hosts have to, would take long.
const impure = ".impure"

// recallImpure returns the error of an earlier build of a project with the same files, for a week:
// it may have been an error of the backend.
func recallImpure(file string) error {
	info, err := os.Stat(file)
	if err != nil || time.Since(info.ModTime()) > renewAfter {
		return nil
	}
	text, err := os.ReadFile(file)
	if err != nil {
		return nil
	}
	why := strings.TrimPrefix(string(text), wheel.ErrNotPure.Error()+": ")
	return fmt.Errorf("%w, as an earlier build found: %s", wheel.ErrNotPure, safetext.Output(why))
}
