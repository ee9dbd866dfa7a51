package requirements

import (
	"errors"
	"fmt"
	"io"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strings"
)

const (
	maxSize  = 16 << 20 // of all files together, each as often as it is included
	maxDepth = 20       // files that include each other
)

// include reads a file in pip's format; constraint says that it was included by -c. stack are the
// files that include this one, for cycles.
func (r *reader) include(path string, from place, constraint bool, stack []string) {
	at, err := filepath.Abs(path)
	if err != nil {
		r.fail(from, "", "%s", err)
		return
	}
	switch {
	case slices.Contains(stack, at):
		r.fail(from, "", "includes %s, which includes this file", path)
		return
	case len(stack) >= maxDepth:
		r.fail(from, "", "includes %s: more than %d files that include each other", path, maxDepth)
		return
	}
	data, err := r.read(path)
	if err != nil {
		r.fail(from, "", "%s", err)
		return
	}
	text, line, err := decode(data)
	if err != nil {
		r.fail(place{path, line}, "", "%s", err)
		return
	}
	f := &file{reader: r, path: path, base: r.options.Project, constraint: constraint, stack: append(slices.Clone(stack), at)}
	for _, l := range logicalLines(text) {
		f.line(place{path, l.line}, l.text)
	}
}

// read reads one file; all of them together are limited.
func (r *reader) read(path string) ([]byte, error) {
	opened, err := os.Open(path)
	if err != nil {
		return nil, fmt.Errorf("cannot be read: %w", err)
	}
	defer opened.Close() //nolint:errcheck // only read
	if info, err := opened.Stat(); err != nil || !info.Mode().IsRegular() {
		return nil, fmt.Errorf("%s is not a regular file", path)
	}
	data, err := io.ReadAll(io.LimitReader(opened, int64(maxSize-r.size+1)))
	if err != nil {
		return nil, fmt.Errorf("cannot be read: %w", err)
	}
	if r.size += len(data); r.size > maxSize {
		return nil, fmt.Errorf("%s and what it is included with are larger than %d bytes; these are no requirements", path, maxSize)
	}
	return data, nil
}

// file is one file in pip's format while it is read.
type file struct {
	*reader
	path       string
	base       string // where relative paths of requirements start
	constraint bool
	stack      []string
}

// line reads one logical line.
func (f *file) line(p place, written string) {
	text, ok := f.expanded(p, written)
	if !ok {
		return
	}
	spec, rest := breakLine(text)
	options, err := parseOptions(rest)
	if err != nil {
		f.fail(p, written, "%s", withoutValues(err, written, text))
		return
	}
	e := entry{place: p, written: written, text: text}
	if spec == "" {
		f.optionLine(e, options)
		return
	}
	for _, o := range options {
		if kind, _ := optionKind(o.name); kind != forRequirement {
			f.fail(p, written, "has %s behind a requirement, where pip ignores it; give it a line of its own", o.name)
			return
		}
		e.hashes = e.hashes || o.name == "--hash"
		f.noticeOption(p, o.name)
	}
	f.requirement(e, spec, rest)
}

// withoutValues drops the text of an error that may repeat the value of a variable.
func withoutValues(err error, written, text string) error {
	if written != text {
		return errors.New("is not a line that pip can read, with the values of its variables")
	}
	return err
}

// optionLine reads a line without a requirement.
func (f *file) optionLine(e entry, options []given) {
	e.option = true
	for _, o := range options {
		kind, _ := optionKind(o.name)
		switch {
		case kind == forRequirement:
			f.fail(e.place, e.written, "has %s without a requirement before it; pip ignores that", o.name)
			return
		case kind == forInclude && len(options) > 1:
			f.fail(e.place, e.written, "has another option beside %s, which pip ignores; give each a line of its own", o.name)
			return
		case kind == forFile:
			if !f.checkOption(e, o) {
				return
			}
		}
	}
	switch o := options[0]; o.name {
	case "--requirement":
		f.includeNamed(e, o.value, false)
	case "--constraint":
		f.includeNamed(e, o.value, true)
	case "--editable":
		f.editable(e, o.value)
	default:
		f.requirements = append(f.requirements, e)
	}
}

// includeNamed reads the file of -r or -c. Its content must be known here: it is part of what is
// deployed.
func (f *file) includeNamed(e entry, name string, constraint bool) {
	path := name
	switch s := scheme(name); {
	case s == "http" || s == "https":
		f.fail(e.place, e.written, "includes a file of a web server, whose content can change between two hosts; download it and include that file")
		return
	case s == "file":
		var ok bool
		if path, ok = pathOfURL(name); !ok {
			f.fail(e.place, e.written, "is not the address of a file of this machine")
			return
		}
	case !filepath.IsAbs(name):
		path = filepath.Join(filepath.Dir(f.path), name)
	}
	f.include(path, e.place, constraint, f.stack)
}

// pathOfURL returns the path of a file: URL of this machine.
func pathOfURL(text string) (string, bool) {
	u, err := url.Parse(text)
	if err != nil || u.Opaque != "" || u.Host != "" && u.Host != "localhost" || !strings.HasPrefix(u.Path, "/") {
		return "", false
	}
	return u.Path, true
}

// checkOption refuses the options that mean something else on a host.
func (f *file) checkOption(e entry, o given) bool {
	f.noticeOption(e.place, o.name)
	switch o.name {
	case "--find-links":
		if s := scheme(o.value); s != "http" && s != "https" {
			f.fail(e.place, e.written, "names a directory of this machine, which hosts do not have; name it in install.wheels of the inventory")
			return false
		}
	case "--index-url", "--pypi-url", "--extra-index-url":
		if s := scheme(o.value); s != "http" && s != "https" {
			f.fail(e.place, e.written, "names an index that is no http:// or https:// address: hosts could not reach it")
			return false
		}
	}
	return true
}

// noticeOption says which versions of pip read an option that not all do.
func (r *reader) noticeOption(p place, name string) {
	versions, some := map[string]string{
		"--install-option": "before 23.1", "--global-option": "before 25.3",
		"--config-settings": "from 23.1 on", "--config-setting": "from 23.1 on",
		"--all-releases": "from 26.0 on", "--only-final": "from 26.0 on", "--no-require-hashes": "from 26.0 on",
		"--use-feature": "with that feature",
	}[name]
	if some {
		r.notice("%s: only pip %s reads %s", p, versions, name)
	}
}

// notice adds something the user should know, once.
func (r *reader) notice(format string, args ...any) {
	if text := fmt.Sprintf(format, args...); !slices.Contains(r.notices, text) {
		r.notices = append(r.notices, text)
	}
}
