// Package requirements reads what a Python project requires, as projects write it, and makes one
// requirements file of it that pip on a host can read: without another file, and with one meaning on
// every host.
//
// It reads pip's requirements format, as pip/_internal/req/req_file.py and the grammar of
// dependency specifiers define it, pylock.toml (PEP 751), and uv.lock through `uv export`. What the
// hosts could not do, or would do differently, is refused with file, line and remedy.
package requirements

import (
	"cmp"
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"
)

// LocalsVariable is the environment variable that pip on a host expands in [File.Text]: the
// directory with the files of [File.Locals], by their names.
const LocalsVariable = "KIS_LOCALS"

// Options say for which application the requirements are read.
type Options struct {
	// Project is the directory of the application. Relative paths of requirements start there, as
	// for pip in that directory. "" is the directory of the requirements file.
	Project string
	// Name is the name of the application; "" takes it from the project's pyproject.toml.
	Name string
	// Extras are the extras of the application to install. A lock file has their packages.
	Extras []string
	// Indexes are the addresses of the package indexes that hosts are told of; Wheels reports that they
	// are given all packages instead.
	Indexes []string
	Wheels  bool
	// Getenv returns a variable of this machine, or "" as os.Getenv does.
	Getenv func(name string) string
}

// File is what was read. Text and Constraints may contain passwords: print neither.
type File struct {
	Text        string   // complete requirements in pip's format, UTF-8; "" for none
	Constraints string   // the same for pip's option -c; "" for none
	Identity    string   // what determines the installed packages in both: no credentials, variables of index addresses unexpanded
	Hashed      bool     // every requirement has hashes, as pip's --require-hashes demands
	Options     []string // the lines of Text with options of pip, such as --index-url
	Locals      []Local  // files of this machine that Text refers to
	Extras      []string // of the application, as `.[extra]` asks for them: normalized, sorted
	Dropped     []string // places and lines that name the application itself, which kis installs
	Notices     []string // what the user should know

	// Of a lock file: the Python versions and the environments it was made for; "" and none for any.
	RequiresPython string
	Environments   []string
}

// Local is a wheel or source distribution of this machine. Text refers to it as
// file://${KIS_LOCALS}/Name#sha256=SHA256, which pip verifies.
type Local struct {
	Path   string
	Name   string // of the file
	SHA256 string
	Size   int64
}

// String describes the file without the addresses in it.
func (f *File) String() string {
	return fmt.Sprintf("requirements of %d bytes, constraints of %d bytes", len(f.Text), len(f.Constraints))
}

// GoString is [File.String]: %#v must not print passwords either.
func (f *File) GoString() string { return f.String() }

// Error is a line that kis refuses.
type Error struct {
	File   string // as given, or as the file that includes it names it
	Line   int    // from 1; 0 for the whole file
	Text   string // the line, shortened, without passwords and values of variables; "" if the reason says it all
	Reason string // the problem and its remedy
}

// Error returns `file:line: reason: text`.
func (e *Error) Error() string {
	place := e.File
	if e.Line > 0 {
		place = fmt.Sprintf("%s:%d", e.File, e.Line)
	}
	if e.Text == "" {
		return fmt.Sprintf("%s: %s", place, e.Reason)
	}
	return fmt.Sprintf("%s: %q %s", place, e.Text, e.Reason)
}

// Errors are all lines of a file, and of those that it includes, that kis refuses; at most 20.
type Errors []*Error

// Error returns the lines as one text.
func (e Errors) Error() string { return strings.Join(e.Lines(), "\n") }

// Lines returns each error as one line.
func (e Errors) Lines() []string {
	var lines []string
	for _, one := range e {
		lines = append(lines, one.Error())
	}
	return lines
}

// Read reads a file of requirements, whose name decides the format: uv.lock, pylock.toml and
// pylock.NAME.toml, and pip's format otherwise. It reports all lines that are wrong, as
// [Errors].
func Read(ctx context.Context, path string, o Options) (*File, error) {
	if o.Getenv == nil {
		o.Getenv = os.Getenv
	}
	o.Project = cmp.Or(o.Project, filepath.Dir(path))
	o.Name = cmp.Or(o.Name, projectName(o.Project))
	r := newReader(o)
	switch base := filepath.Base(path); {
	case base == "uv.lock":
		r.uvLock(ctx, path)
	case isPylock(base):
		r.pylock(path)
	default:
		r.include(path, place{file: path}, false, nil)
	}
	return r.file()
}

// place is a line of a file.
type place struct {
	file string
	line int
}

func (p place) String() string { return fmt.Sprintf("%s:%d", p.file, p.line) }

// maxErrors limits what is reported at once.
const maxErrors = 20

// reader collects the lines of all files.
type reader struct {
	options      Options
	requirements []entry
	constraints  []entry
	locals       []Local
	extras       []string
	dropped      []string
	notices      []string
	errs         Errors
	size         int // bytes read so far

	requiresPython string
	environments   []string
}

// entry is one line of the result.
type entry struct {
	place   place
	written string // before variables were expanded
	text    string // as pip on a host reads it
	option  bool   // a line of options
	req     requirement
	hashes  bool // it has --hash
}

func newReader(o Options) *reader { return &reader{options: o} }

// fail adds an error about a line. shown is the line before its variables were expanded.
func (r *reader) fail(p place, shown, format string, args ...any) {
	if len(r.errs) < maxErrors {
		r.errs = append(r.errs, &Error{File: p.file, Line: p.line, Text: shorten(shown), Reason: fmt.Sprintf(format, args...)})
	}
}

// file puts the result together.
func (r *reader) file() (*File, error) {
	hashed := r.checkHashes()
	if len(r.errs) > 0 {
		return nil, r.errs
	}
	f := &File{
		Text: join(r.requirements), Constraints: join(r.constraints), Identity: r.identity(), Hashed: hashed,
		Locals: r.locals, Extras: normalized(r.extras), Dropped: r.fromProject(r.dropped), Notices: r.fromProject(r.notices),
		RequiresPython: r.requiresPython, Environments: r.environments,
	}
	for _, e := range r.requirements {
		if e.option {
			f.Options = append(f.Options, e.text)
		}
	}
	return f, nil
}

// fromProject shortens paths in the project for the user.
func (r *reader) fromProject(texts []string) []string {
	var all []string
	for _, text := range texts {
		all = append(all, strings.ReplaceAll(text, filepath.Clean(r.options.Project)+string(filepath.Separator), ""))
	}
	return all
}

// join makes a file of the lines. pip before 25.1 reads a file in the encoding of the locale unless
// the file names its own (PEP 263).
func join(entries []entry) string {
	var b strings.Builder
	for _, e := range entries {
		b.WriteString(e.text + "\n")
	}
	text := b.String()
	if strings.ContainsFunc(text, func(c rune) bool { return c > '~' }) {
		return "# -*- coding: utf-8 -*-\n" + text
	}
	return text
}

// identity is what determines the packages that pip installs. Passwords change without changing
// them, so that it has the variables of URLs by name and no credentials.
func (r *reader) identity() string {
	var b strings.Builder
	for _, e := range r.requirements {
		b.WriteString(r.anonymous(e) + "\n")
	}
	for _, e := range r.constraints {
		b.WriteString("-c " + r.anonymous(e) + "\n")
	}
	if r.requiresPython != "" || len(r.environments) > 0 {
		fmt.Fprintf(&b, "# %q %q\n", r.requiresPython, r.environments)
	}
	return b.String()
}

func (r *reader) anonymous(e entry) string {
	if e.written == "" { // made by kis, without variables
		return withoutCredentials(e.text)
	}
	words := strings.FieldsFunc(e.written, isSpace)
	for i, word := range words {
		if expanded := r.expand(word); !strings.Contains(expanded, "://") {
			words[i] = expanded
		} else {
			words[i] = withoutCredentials(word)
		}
	}
	return strings.Join(words, " ")
}
