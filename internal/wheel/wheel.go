// Package wheel reads the wheel that a build backend has made (binary distribution format), and
// writes it again in a form that every host can install: only members that stay inside, a RECORD
// that is true, fixed times and modes, so that the same build gives the same bytes.
//
// It accepts pure wheels only. Where a wheel depends on the machine that built it, the error wraps
// ErrNotPure.
package wheel

import (
	"archive/zip"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"os"
	"path"
	"path/filepath"
	"strings"

	"github.com/keep-it-simple/kis/internal/sdist"
)

// ErrNotPure is wrapped by errors about wheels that are valid where they were built, and may not be
// valid on another machine: one with compiled code, or an editable wheel that cannot be relocated.
var ErrNotPure = errors.New("the wheel is not pure Python")

// Archive is a pure wheel. Its fields are never changed once it is handed out. Its file has no name
// any more: Close frees it.
type Archive struct {
	// Name is the file name, such as projecta-0.4-py3-none-any.whl. It consists of letters, digits
	// and "._+!-".
	Name string
	// Project and Version are those of METADATA, as it writes them.
	Project, Version string
	// RequiresDist are the fields Requires-Dist of METADATA, in order: what the environment needs.
	RequiresDist []string
	// SHA256 is the digest of the file, in lower-case hexadecimal.
	SHA256 string
	// Size is the size of the file in bytes.
	Size int64

	file   *os.File
	source *Source // of an editable wheel
}

// Source describes the directory that an editable wheel was built in.
type Source struct {
	// Dir is its absolute path without symbolic links. It consists of plain characters: see At.
	Dir string
	// Temporary is the part of Dir that no file may contain by chance and that no host has, such as
	// the base name of the build's temporary directory.
	Temporary string
	// Made are the files and directories below Dir that the build has made, which other machines
	// lack. The wheel must not refer to them.
	Made []string
}

// Read validates the wheel of a build, and writes it to a temporary file. The wheel of a PEP 660
// build is given with its source, nil otherwise.
func Read(file string, source *Source) (*Archive, error) {
	a, err := read(file, source, defaultLimits())
	if err != nil {
		return nil, fmt.Errorf("%s: %w", sdist.Quoted(filepath.Base(file)), err)
	}
	return a, nil
}

func read(file string, source *Source, lim limits) (*Archive, error) {
	in, err := zip.OpenReader(file)
	if err != nil {
		return nil, err
	}
	defer in.Close() //nolint:errcheck // it was only read
	c, err := newContents(filepath.Base(file), in.File, lim)
	if err != nil {
		return nil, err
	}
	a := &Archive{Name: c.name, Project: c.metadata.project, Version: c.metadata.version, RequiresDist: c.metadata.requires, source: source}
	var edit change
	if source != nil {
		if c.unpacked > lim.editing {
			return nil, fmt.Errorf("%w: it is editable and unpacks to more than %d MiB", ErrNotPure, lim.editing>>20)
		}
		edit = source.relocatable
	}
	if err := a.write(func(to io.Writer) error { return c.write(to, edit) }); err != nil {
		return nil, err
	}
	return a, nil
}

// Open returns a new reader over the whole file. Any number of them may be used at the same time.
// All fail once the Archive is closed.
func (a *Archive) Open() (io.ReadCloser, error) {
	return io.NopCloser(io.NewSectionReader(a.file, 0, a.Size)), nil
}

// Close frees the file. It is called once, after the last reader is done.
func (a *Archive) Close() error { return a.file.Close() }

// Editable reports whether the wheel refers to the directory of its source, so that a host needs
// At.
func (a *Archive) Editable() bool { return a.source != nil }

// write makes the archive's file.
func (a *Archive) write(content func(io.Writer) error) (err error) {
	if a.file, err = os.CreateTemp("", "kis-wheel-*.whl"); err != nil {
		return err
	}
	defer func() {
		if err != nil {
			err = errors.Join(err, a.file.Close())
		}
	}()
	// Without a name, no killed process leaves the file behind.
	if err := os.Remove(a.file.Name()); err != nil {
		return err
	}
	sum := sha256.New()
	if err := content(io.MultiWriter(a.file, sum)); err != nil {
		return err
	}
	a.SHA256 = hex.EncodeToString(sum.Sum(nil))
	a.Size, err = a.file.Seek(0, io.SeekCurrent)
	return err
}

// At returns an editable wheel for a package whose source is at dir on a host, an absolute path. The
// caller closes it as well. It refers to dir, and depends on nothing but the build's input and dir.
// Any other wheel is the same everywhere, and has no At.
//
// A path is data of Python files and of .pth files, and written there as it is: dir must consist of
// letters, digits and "/._-+!@~".
func (a *Archive) At(dir string) (*Archive, error) {
	if !needsNoEscape(dir) || !path.IsAbs(dir) {
		return nil, fmt.Errorf("%w: an editable wheel cannot refer to %s: use letters, digits and ._-+!@~ in root", ErrNotPure, sdist.Quoted(dir))
	}
	moved := *a
	moved.source = nil
	if err := moved.write(func(to io.Writer) error { return a.relocate(to, dir) }); err != nil {
		return nil, err
	}
	return &moved, nil
}

// relocate writes the wheel with dir in place of the source's directory.
func (a *Archive) relocate(to io.Writer, dir string) error {
	in, err := zip.NewReader(a.file, a.Size)
	if err != nil {
		return err
	}
	c, err := newContents(a.Name, in.File, defaultLimits())
	if err != nil {
		return err
	}
	return c.write(to, func(data []byte) ([]byte, error) { return replacePath(data, a.source.Dir, dir), nil })
}

// needsNoEscape reports whether a path means itself in a Python string, in a .pth file and in a URL.
func needsNoEscape(path string) bool {
	const allowed = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789/._-+!@~"
	return path != "" && !strings.ContainsFunc(path, func(r rune) bool { return !strings.ContainsRune(allowed, r) })
}
