package sdist

import (
	"errors"
	"fmt"
	"regexp"
	"strings"

	"github.com/keep-it-simple/kis/internal/name"
)

// marks are what the tools write differently into the top-level folder's name.
var marks = regexp.MustCompile(`[-_.+!]+`)

// metadata is what PKG-INFO says about the project.
type metadata struct {
	name, version string
	pkg           name.Package
	python        string // Requires-Python, or ""
}

// parseMetadata reads PKG-INFO (core metadata specification): header fields as
// in e-mail up to the first empty line. As Python's e-mail parser does, it takes
// a line that is no field for the beginning of the body, so that an old PKG-INFO
// with a broken description gives the name that pip would read.
func parseMetadata(data []byte) (metadata, error) {
	fields := map[string][]string{}
	last := ""
	for line := range strings.SplitSeq(newlines.Replace(string(data)), "\n") {
		if line == "" {
			break
		}
		if line[0] == ' ' || line[0] == '\t' { // a value goes on: never valid in a name or version
			if n := len(fields[last]); n > 0 {
				fields[last][n-1] += "\n" + line
			}
			continue
		}
		key, value, ok := strings.Cut(line, ":")
		if !ok || strings.ContainsFunc(key, notInField) {
			break
		}
		last = lower(key)
		fields[last] = append(fields[last], strings.TrimSpace(value))
	}
	project, err := one(fields, "Name")
	if err != nil {
		return metadata{}, err
	}
	version, err := one(fields, "Version")
	if err != nil {
		return metadata{}, err
	}
	m := metadata{name: project, version: version}
	if m.pkg, err = name.PackageOf(project, version); err != nil {
		return metadata{}, fmt.Errorf("gives %w", err)
	}
	if python := fields["requires-python"]; len(python) == 1 { // of several pip takes one or another
		m.python = python[0]
	}
	return m, nil
}

// newlines are the line ends that Python's parser knows.
var newlines = strings.NewReplacer("\r\n", "\n", "\r", "\n")

// notInField holds for what no name of a field has (RFC 5322, section 2.2).
func notInField(r rune) bool { return r <= ' ' || r > '~' }

func one(fields map[string][]string, key string) (string, error) {
	values := fields[lower(key)]
	if len(values) != 1 {
		return "", fmt.Errorf("has %d fields %q instead of one", len(values), key)
	}
	return values[0], nil
}

// lower is strings.ToLower for ASCII only: U+212A would become k, and U+0130 i.
func lower(text string) string {
	return strings.Map(func(r rune) rune {
		if 'A' <= r && r <= 'Z' {
			return r + 'a' - 'A'
		}
		return r
	}, text)
}

// agrees compares the top-level folder with name and version. Tools before PEP
// 625 kept the name's spelling in it, later ones normalise it, and they differ
// in the marks of a local version; none of that makes it another project.
func (m metadata) agrees(top string) error {
	fold := func(s string) string { return lower(marks.ReplaceAllString(s, "_")) }
	if fold(top) == fold(m.name+"-"+m.version) {
		return nil
	}
	return errors.New("is not the folder of " + m.name + " " + m.version + ", the name and version in its PKG-INFO")
}
