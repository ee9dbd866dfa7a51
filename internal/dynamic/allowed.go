package dynamic

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
)

// Allowed is the directory that remembers the commands that the user has allowed: a file for each,
// named by the digest of the command's text and directory. Beside it is what Remember keeps.
type Allowed string

// Has reports whether the user has allowed the command before.
func (a Allowed) Has(c Command) (bool, error) {
	_, err := os.Stat(a.path(c))
	if errors.Is(err, fs.ErrNotExist) {
		return false, nil
	}
	return err == nil, err
}

// Add remembers the command. The file says what was allowed; only its name counts.
func (a Allowed) Add(c Command) error {
	if err := os.MkdirAll(string(a), 0o700); err != nil {
		return err
	}
	return os.WriteFile(a.path(c), []byte(c.dir+"\n"+c.text+"\n"), 0o600)
}

func (a Allowed) path(c Command) string { return filepath.Join(string(a), c.digest()) }
