// Package sdist opens and validates a Python source distribution: a gzip-compressed tar archive
// with one top-level directory and a PKG-INFO in it (PEP 517, PEP 625, core metadata
// specification).
//
// An archive may come from a colleague's branch, and it is unpacked by the tar of every host, be it
// GNU tar or busybox tar. Open validates the archive: what it accepts contains directories, regular
// files and symbolic links that stay inside, and means the same to every tar.
//
// The package does not upload, unpack or install anything, and knows no hosts.
package sdist

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"iter"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"github.com/keep-it-simple/kis/internal/name"
)

// Archive is a validated source distribution, held open. Its fields are never changed once it is
// handed out. Close releases it.
type Archive struct {
	// Path is the local file, as it was given to Open. Package pybuild removes the file once it is
	// open, and leaves its name here.
	Path string
	// Name is the project's name as PKG-INFO writes it, a valid PEP 508 name.
	Name string
	// Version is the version as PKG-INFO writes it. It may hold "+" and "!".
	Version string
	// RequiresPython is the Requires-Python of PKG-INFO, such as ">=3.9", or "".
	RequiresPython string
	// Package is "{normalised name}-{version}", at most 200 bytes: the directory's name in the
	// package repository. It is the same whatever spelling the building tool gave to the file and
	// to the top-level directory.
	Package name.Package
	// Top is the archive's single top-level directory.
	Top string
	// SHA256 is the digest of the archive file, in lower-case hexadecimal.
	SHA256 string
	// Content is "sha256:<hex>" over what the archive unpacks to: paths, modes and bytes. Times,
	// owners, order and compression do not count, as a source distribution built twice from one
	// tree has another SHA256 but the same Content. The form is described at contentDigest.
	Content string
	// Size is the archive's size in bytes.
	Size int64
	// Unpacked is the sum of the sizes of all files in the archive, in bytes.
	Unpacked int64
	// Files counts the archive's members: files, links, and those directories that have an entry of
	// their own.
	Files int
	// Warnings are sentences for the user to see before the archive leaves this machine, for
	// instance that it seems to contain a private key.
	Warnings []string

	file  *os.File
	lines map[string]contentLine // by path
}

// Open reads the archive once from beginning to end, validates every member and computes both
// digests on the way. The file stays open, so that the caller uploads the file that was validated,
// even if another file has its name by then. (Open does not detect a writer that changes the open
// file in place: compare what was sent with SHA256.)
//
// An archive that cannot be read or accepted gives an *InvalidError.
func Open(path string) (*Archive, error) {
	return openLimited(path, defaultLimits())
}

func openLimited(path string, lim limits) (*Archive, error) {
	// Checked before opening, because opening a fifo would wait for its writer.
	info, err := os.Stat(path)
	if err != nil {
		return nil, unreadable(path, err)
	}
	switch {
	case info.IsDir():
		return nil, &InvalidError{File: filepath.Base(path), Reason: "is a directory: name the .tar.gz that was built from it"}
	case !info.Mode().IsRegular():
		return nil, &InvalidError{File: filepath.Base(path), Reason: "is not a regular file"}
	}
	file, err := os.Open(path)
	if err != nil {
		return nil, unreadable(path, err)
	}
	a, err := scan(file, info.Size(), lim)
	if err == nil {
		a.Size, err = file.Seek(0, io.SeekCurrent) // scan has read all of it
	}
	if err != nil {
		_ = file.Close() // it was only read
		if invalid, ok := errors.AsType[*InvalidError](err); ok {
			invalid.File = filepath.Base(path)
			return nil, invalid
		}
		return nil, unreadable(path, err)
	}
	a.Path, a.file = path, file
	return a, nil
}

// Reader returns a new reader over the whole archive, from its first byte. Any number of them may
// be used at the same time; none needs closing. All fail once the Archive is closed.
func (a *Archive) Reader() io.Reader {
	return io.NewSectionReader(a.file, 0, a.Size)
}

// Paths are the files and symbolic links of the archive, below Top, in no order.
func (a *Archive) Paths() iter.Seq[string] {
	return func(yield func(string) bool) {
		for path, line := range a.lines {
			if line.kind != directory && !yield(path) {
				return
			}
		}
	}
}

// Find returns the line of the content digest for a path below Top: see contentDigest.
func (a *Archive) Find(path string) (line string, found bool) {
	l, found := a.lines[path]
	return strings.TrimSuffix(l.String(), "\n"), found
}

// Close closes the file. It is called once, after the last Reader is done.
func (a *Archive) Close() error { return a.file.Close() }

// InvalidError says why an archive is not accepted. No host was contacted.
type InvalidError struct {
	// File is the archive's base name, or its whole path when it could not be read.
	File string
	// Member is the invalid member's name as the archive spells it, so it may contain any bytes;
	// empty if the archive as a whole is invalid.
	Member string
	// Reason is the problem, and the remedy if there is one.
	Reason string
	// Err is the cause, an *fs.PathError for instance, or nil.
	Err error
}

// Error prints file, member and reason in one line. A member's name is quoted when it is not plain
// ASCII without spaces, so that it cannot imitate other output.
func (e *InvalidError) Error() string {
	var b strings.Builder
	if e.File != "" {
		b.WriteString(Quoted(e.File) + ": ")
	}
	if e.Member != "" {
		b.WriteString(Quoted(e.Member) + ": ")
	}
	b.WriteString(e.Reason)
	return b.String()
}

// Unwrap returns the cause, if there is one.
func (e *InvalidError) Unwrap() error { return e.Err }

// refuse returns the error for one member. Open sets the file's name.
func refuse(member, format string, args ...any) *InvalidError {
	return &InvalidError{Member: member, Reason: fmt.Sprintf(format, args...)}
}

func unreadable(path string, err error) *InvalidError {
	reason := err
	if inPath, ok := errors.AsType[*fs.PathError](err); ok { // its own text would repeat the file's name
		reason = fmt.Errorf("%s: %w", inPath.Op, inPath.Err)
	}
	return &InvalidError{File: path, Reason: reason.Error(), Err: err}
}

// Quoted returns a name of the project or the archive for an error message: as it is where it is
// plain ASCII without spaces, otherwise quoted, and cut to 300 bytes.
func Quoted(name string) string {
	const longest = 300
	cut := ""
	if len(name) > longest {
		name, cut = name[:longest], "…"
	}
	quoted := strconv.QuoteToASCII(name)
	if quoted == `"`+name+`"` && !strings.Contains(name, " ") {
		return name + cut
	}
	return quoted + cut
}
