package deploy

import (
	"cmp"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/keep-it-simple/kis/internal/requirements"
	"github.com/keep-it-simple/kis/internal/safetext"
	"github.com/keep-it-simple/kis/inventory"
	"github.com/keep-it-simple/kis/remote"
)

// Recipe is how packages are built: the inventory's install settings, with the content of the files
// that they name, what packages share, and the commands that complete them. It is part of the
// identity of a package. Index addresses may contain passwords: print none of them.
type Recipe struct {
	remote.Recipe
	Shared  inventory.Shared    // linked into the package
	Prepare []inventory.Command // complete the package before it is sealed
	Digest  string              // of everything in it that can change the package
	Notices []string            // what the user should know
	files   []upload            // that hosts need to make wheels
	pinned  string              // the content of Requirements
	text    []byte              // see recipeText

	// What identifies Requirements and Constraints, as a sha256, and the indexes. Another password
	// installs the same packages.
	requirements string
	indexes      []string

	// Of a lock file: the Python versions (PEP 440) and the environments (markers, of which one is
	// true) that it was made for; "" and none for any.
	RequiresPython string
	Environments   []string
}

// Sources is where the files of a recipe are.
type Sources struct {
	Dir     string // relative paths of the install settings start here
	Project string // the directory of the application; "" is Dir, for an archive that is pushed
}

// NewRecipe reads the files that the install settings name. ctx ends the tools that read lock files.
func NewRecipe(ctx context.Context, install inventory.Install, shared inventory.Shared, prepare []inventory.Command, from Sources) (Recipe, error) {
	r := Recipe{
		Recipe: remote.Recipe{
			Mode: remote.Mode(install.Mode), Installer: remote.Installer(install.Installer), Extras: slices.Sorted(slices.Values(install.Extras)),
			IndexURL: install.IndexURL, ExtraIndexURLs: install.ExtraIndexURLs,
		},
		Shared: shared, Prepare: prepare, indexes: install.IndexIdentity(),
	}
	if install.Requirements != "" {
		options := requirements.Options{
			Project: cmp.Or(from.Project, from.Dir), Extras: r.Extras, Wheels: install.Wheels != "", Indexes: append([]string{install.IndexURL}, install.ExtraIndexURLs...),
		}
		if err := r.addRequirements(ctx, absolute(from.Dir, install.Requirements), options); err != nil {
			return Recipe{}, fmt.Errorf("install.requirements: %w", err)
		}
	}
	if install.Wheels != "" {
		if err := r.addWheels(absolute(from.Dir, install.Wheels)); err != nil {
			return Recipe{}, fmt.Errorf("install.wheels: %w", err)
		}
	}
	return r, r.seal()
}

// asksIndex reports whether hosts get the requirements from a package index by https.
func (r *Recipe) asksIndex() bool {
	return r.Requirements != "" && len(r.Wheels) == 0 && !strings.HasPrefix(r.IndexURL, "http://")
}

func absolute(dir, path string) string {
	if filepath.IsAbs(path) {
		return path
	}
	return filepath.Join(dir, path)
}

// addRequirements reads the requirements and makes of them what pip on a host gets: one file of
// requirements, and one of constraints if there are any.
func (r *Recipe) addRequirements(ctx context.Context, path string, o requirements.Options) error {
	read, err := requirements.Read(ctx, path, o)
	if err != nil {
		return err
	}
	r.Hashed, r.RequiresPython, r.Environments = read.Hashed, read.RequiresPython, read.Environments
	r.Extras = slices.Compact(slices.Sorted(slices.Values(append(read.Extras, r.Extras...))))
	r.requirements, r.Notices = sha256Text(read.Identity), read.Notices
	r.Requirements, r.pinned = r.addText(read.Text), read.Text
	if read.Constraints != "" {
		r.Constraints = r.addText(read.Constraints)
	}
	for _, local := range read.Locals {
		r.files = append(r.files, onDisk(local))
		r.Locals = append(r.Locals, remote.Wheel{Name: local.Name, SHA256: local.SHA256})
	}
	if len(read.Dropped) > 0 {
		r.Notices = append(r.Notices, "left out of the requirements, because kis installs the application: "+strings.Join(read.Dropped, ", "))
	}
	return nil
}

// addText adds a file with this content, and returns its digest.
func (r *Recipe) addText(text string) string {
	u := inMemory(sha256Text(text), []byte(text))
	r.files = append(r.files, u)
	return u.sha256
}

func sha256Text[T string | []byte](text T) string {
	sum := sha256.Sum256([]byte(text))
	return hex.EncodeToString(sum[:])
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
		local, err := requirements.HashFile(filepath.Join(dir, name))
		if err != nil {
			return err
		}
		r.files = append(r.files, onDisk(local))
		r.Wheels = append(r.Wheels, remote.Wheel{Name: name, SHA256: local.SHA256})
	}
	if len(r.Wheels) == 0 {
		return fmt.Errorf("%s holds no wheels; fill it: pip download -d %s -r requirements.txt", dir, safetext.Word(dir))
	}
	return nil
}
