package deploy

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"regexp"
	"strings"

	"github.com/keep-it-simple/kis/inventory"
	"github.com/keep-it-simple/kis/remote"
)

// Recipe is how packages are built: the inventory's install settings, with the content of the files
// that they name, what packages share, and the commands that complete them. It is part of the
// identity of a package.
type Recipe struct {
	remote.Recipe
	Shared  inventory.Shared    // linked into the package
	Prepare []inventory.Command // complete the package before it is sealed
	Digest  string              // of everything in it that can change the package
	files   []file              // that hosts need
	text    []byte              // see recipeText
}

// file is a local file that hosts need, identified by its content.
type file struct {
	path   string
	sha256 string
	size   int64
}

// NewRecipe reads the files that the install settings name. Relative paths start at dir.
func NewRecipe(install inventory.Install, shared inventory.Shared, prepare []inventory.Command, dir string) (Recipe, error) {
	r := Recipe{Recipe: remote.Recipe{Mode: remote.Mode(install.Mode), IndexURL: install.IndexURL}, Shared: shared, Prepare: prepare}
	if install.Requirements != "" {
		if err := r.addRequirements(absolute(dir, install.Requirements)); err != nil {
			return Recipe{}, fmt.Errorf("install.requirements: %w", err)
		}
	}
	if install.Wheels != "" {
		if err := r.addWheels(absolute(dir, install.Wheels)); err != nil {
			return Recipe{}, fmt.Errorf("install.wheels: %w", err)
		}
	}
	return r, r.seal()
}

func absolute(dir, path string) string {
	if filepath.IsAbs(path) {
		return path
	}
	return filepath.Join(dir, path)
}

// nested finds the lines that make pip read another file or directory, which the host would not
// have. Line ends and space are those of Python's str.splitlines and str.strip.
var nested = regexp.MustCompile(`(?:\A\x{feff}?|[\n\r\v\f\x1c-\x1e\x{85}\x{2028}\x{2029}])[\s\v\x1c-\x1f\x{85}\pZ]*(-r|-c|-e|--requirement|--constraint|--editable|--find-links|-f|file:|\.{1,2}/)`)

// hashed finds the option that pip-tools, uv and pip themselves write for each requirement of a
// lock file.
var hashed = regexp.MustCompile(`(?m)(^|[ \t])--hash=sha(256|384|512):[0-9a-f]+`)

func (r *Recipe) addRequirements(path string) error {
	text, err := os.ReadFile(path)
	if err != nil {
		return err
	}
	if at := nested.FindSubmatchIndex(text); at != nil {
		line := 1 + strings.Count(string(text[:at[2]]), "\n")
		return fmt.Errorf("%s:%d: refers to another file, which hosts do not have; write one complete file (pip-compile, uv export --no-emit-project)", path, line)
	}
	r.Hashed = hashed.Match(text)
	f, err := r.add(path)
	r.Requirements = f.sha256
	return err
}

func (r *Recipe) addWheels(dir string) error {
	entries, err := os.ReadDir(dir)
	if err != nil {
		return err
	}
	for _, entry := range entries {
		name := entry.Name()
		if !strings.HasSuffix(name, ".whl") && !strings.HasSuffix(name, ".tar.gz") {
			continue
		}
		f, err := r.add(filepath.Join(dir, name))
		if err != nil {
			return err
		}
		r.Wheels = append(r.Wheels, remote.Wheel{Name: name, SHA256: f.sha256})
	}
	if len(r.Wheels) == 0 {
		return fmt.Errorf("%s holds no wheels; fill it: pip download -d %s -r requirements.txt", dir, dir)
	}
	return nil
}

func (r *Recipe) add(path string) (file, error) {
	f := file{path: path}
	opened, err := os.Open(path)
	if err != nil {
		return f, err
	}
	defer opened.Close() //nolint:errcheck // only read
	sum := sha256.New()
	if f.size, err = io.Copy(sum, opened); err != nil {
		return f, err
	}
	f.sha256 = hex.EncodeToString(sum.Sum(nil))
	r.files = append(r.files, f)
	return f, nil
}
