package pybuild

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"strings"
	"time"

	"github.com/keep-it-simple/kis/internal/sdist"
	"github.com/keep-it-simple/kis/internal/wheel"
)

// tree is an unpacked source distribution.
type tree struct {
	dir     string // absolute, without symbolic links
	archive *sdist.Archive
	files   map[string]unpackedFile // by path below dir
	dirs    map[string]bool         // by path below dir
}

// unpackedFile is a file as it was unpacked.
type unpackedFile struct {
	info   fs.FileInfo
	target string // of a symbolic link
}

// unpackedTime is the time of every unpacked file, so that one which is written later has another.
func unpackedTime() time.Time { return time.Date(2000, 1, 1, 0, 0, 0, 0, time.UTC) }

// unpack unpacks the archive, which sdist.Open has validated, into a new directory. The archive's
// top-level directory is left out.
func unpack(a *sdist.Archive, dir string) (*tree, error) {
	if err := os.Mkdir(dir, 0o700); err != nil {
		return nil, err
	}
	real, err := filepath.EvalSymlinks(dir) // as backends may name it
	if err != nil {
		return nil, err
	}
	root, err := os.OpenRoot(real)
	if err != nil {
		return nil, err
	}
	defer root.Close() //nolint:errcheck // nothing was written to the directory itself
	unzip, err := gzip.NewReader(a.Reader())
	if err != nil {
		return nil, err
	}
	t := &tree{dir: real, archive: a, files: map[string]unpackedFile{}, dirs: map[string]bool{}}
	members := tar.NewReader(unzip)
	for {
		header, err := members.Next()
		switch {
		case errors.Is(err, io.EOF):
			return t, nil
		case err != nil:
			return nil, err
		}
		_, below, _ := strings.Cut(path.Clean(header.Name), "/")
		if below == "" {
			continue
		}
		if err := t.place(root, below, header, members); err != nil {
			return nil, err
		}
	}
}

// place makes one member.
func (t *tree) place(root *os.Root, below string, header *tar.Header, content io.Reader) error {
	switch header.Typeflag {
	case tar.TypeDir:
		t.addDirs(below)
		return root.MkdirAll(below, 0o700)
	case tar.TypeReg, tar.TypeSymlink:
	default:
		return nil // a global header; sdist.Open accepts no other type
	}
	if _, twice := t.files[below]; twice { // with the same content, as sdist.Open has seen
		return nil
	}
	t.addDirs(path.Dir(below))
	if err := root.MkdirAll(path.Dir(below), 0o700); err != nil {
		return err
	}
	if header.Typeflag == tar.TypeSymlink {
		if err := root.Symlink(header.Linkname, below); err != nil {
			return err
		}
	} else if err := write(root, below, fs.FileMode(header.Mode), content); err != nil {
		return err
	}
	info, err := root.Lstat(below)
	t.files[below] = unpackedFile{info, header.Linkname}
	return err
}

func (t *tree) addDirs(dir string) {
	for ; dir != "."; dir = path.Dir(dir) {
		t.dirs[dir] = true
	}
}

func write(root *os.Root, below string, mode fs.FileMode, content io.Reader) (err error) {
	permissions := fs.FileMode(0o644)
	if mode&0o100 != 0 {
		permissions = 0o755
	}
	file, err := root.OpenFile(below, os.O_WRONLY|os.O_CREATE|os.O_EXCL, permissions)
	if err != nil {
		return err
	}
	_, err = io.Copy(file, content)
	if err = errors.Join(err, file.Close()); err != nil {
		return err
	}
	return root.Chtimes(below, unpackedTime(), unpackedTime())
}

// made lists the files and directories below the directory that are not those of the archive any
// more. Directories end with a slash.
func (t *tree) made() ([]string, error) {
	var made []string
	err := filepath.WalkDir(t.dir, func(file string, entry fs.DirEntry, err error) error {
		if err != nil || file == t.dir {
			return err
		}
		below, err := filepath.Rel(t.dir, file)
		if err != nil {
			return err
		}
		if entry.IsDir() {
			if !t.dirs[below] {
				made = append(made, below+"/")
			}
			return nil
		}
		info, err := entry.Info()
		if err != nil {
			return err
		}
		same, err := t.unchanged(below, info)
		if !same {
			made = append(made, below)
		}
		return err
	})
	return made, err
}

// unchanged compares a file with the archive's. One that was written again with the same content is
// unchanged: some backends write the version's file in every build.
func (t *tree) unchanged(below string, info fs.FileInfo) (bool, error) {
	before, found := t.files[below]
	switch {
	case !found || before.info.Mode().Type() != info.Mode().Type():
		return false, nil
	case info.Mode()&fs.ModeSymlink != 0:
		target, err := os.Readlink(filepath.Join(t.dir, below))
		return target == before.target, err
	case os.SameFile(before.info, info) && info.ModTime().Equal(before.info.ModTime()) && info.Size() == before.info.Size():
		return true, nil
	}
	file, err := os.Open(filepath.Join(t.dir, below))
	if err != nil {
		return false, err
	}
	defer file.Close() //nolint:errcheck // it was only read
	sum := sha256.New()
	if _, err := io.Copy(sum, file); err != nil {
		return false, err
	}
	line, _ := t.archive.Find(below)
	return strings.Contains(line, " "+hex.EncodeToString(sum.Sum(nil))+" "), nil
}

// generated lists what an editable build has made, without the slashes of directories. It fails
// where hosts would lack a file that the application may need. A version file such as that of
// setuptools_scm is no such file: the archive has it, from the build of the source distribution,
// which knew more.
func (t *tree) generated() ([]string, error) {
	made, err := t.made()
	if err != nil {
		return nil, err
	}
	var generated []string
	for _, file := range made {
		version, err := t.isVersionFile(file)
		switch {
		case err != nil:
			return nil, err
		case version:
			continue
		case !leftover(file):
			return nil, fmt.Errorf("%w: the editable build has written %s, which hosts would lack", wheel.ErrNotPure, sdist.Quoted(file))
		}
		generated = append(generated, strings.TrimSuffix(file, "/"))
	}
	return generated, nil
}

// isVersionFile reports whether a file is a Python file of the archive that states its version.
func (t *tree) isVersionFile(file string) (bool, error) {
	if _, found := t.files[file]; !found || path.Ext(file) != ".py" {
		return false, nil
	}
	text, err := os.ReadFile(filepath.Join(t.dir, file))
	return states(text, t.archive.Version), err
}

// states reports whether a Python text has the version as a string.
func states(text []byte, version string) bool {
	return bytes.Contains(text, []byte("'"+version+"'")) || bytes.Contains(text, []byte(`"`+version+`"`))
}

// leftover reports whether what a build has made is nothing that an installed application uses:
// what backends leave in the source, and directories, which count by their files.
func leftover(made string) bool {
	parts := strings.Split(made, "/")
	if parts[len(parts)-1] == "" {
		return true
	}
	for _, part := range parts[:len(parts)-1] {
		if strings.HasSuffix(part, ".egg-info") || part == "__pycache__" {
			return true
		}
	}
	return parts[0] == "build" || parts[0] == ".pdm-build"
}
