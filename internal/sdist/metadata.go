package sdist

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"regexp"
	"strings"
)

var (
	// validName is the pattern of PEP 508.
	validName = regexp.MustCompile(`^(?i:[A-Z0-9]|[A-Z0-9][A-Z0-9._-]*[A-Z0-9])$`)
	// validVersion matches every PEP 440 version in its canonical form, and nothing that begins or
	// ends with punctuation, because the version becomes part of a path.
	validVersion = regexp.MustCompile(`^[0-9A-Za-z]([0-9A-Za-z.+!_-]{0,98}[0-9A-Za-z])?$`)
	separators   = regexp.MustCompile(`[-_.]+`)
	// punctuation is what tools spell differently in the top-level directory's name.
	punctuation = regexp.MustCompile(`[-_.+!]+`)
)

// longestPackage leaves space in NAME_MAX for the names derived from a package's.
const longestPackage = 200

// longestSpecifier is far above any Requires-Python.
const longestSpecifier = 1000

// metadata is the part of PKG-INFO that kis uses.
type metadata struct {
	name, version string
	python        string // Requires-Python, or ""
}

// parseMetadata reads PKG-INFO (core metadata specification): header fields as in e-mail up to the
// first empty line. Like Python's e-mail parser, it treats a line that is no field as the beginning
// of the body, so that an old PKG-INFO with a broken description gives the name that pip would
// read.
func parseMetadata(data []byte) (metadata, error) {
	fields := map[string][]string{}
	last := ""
	lines := bufio.NewScanner(bytes.NewReader(data))
	lines.Buffer(nil, len(data)+1)
	for lines.Scan() {
		line := strings.TrimSuffix(lines.Text(), "\r")
		if line == "" {
			break
		}
		if line[0] == ' ' || line[0] == '\t' { // a continuation line: never valid in a name or version
			if n := len(fields[last]); n > 0 {
				fields[last][n-1] += "\n" + line
			}
			continue
		}
		key, value, ok := strings.Cut(line, ":")
		if !ok {
			break
		}
		last = strings.ToLower(key)
		fields[last] = append(fields[last], strings.TrimSpace(value))
	}
	if err := lines.Err(); err != nil {
		return metadata{}, err
	}
	name, err := one(fields, "Name")
	if err != nil {
		return metadata{}, err
	}
	version, err := one(fields, "Version")
	if err != nil {
		return metadata{}, err
	}
	m := metadata{name: name, version: version}
	// pip decides which of several fields it takes, and what it makes of one that no specifier
	// fills.
	if python := fields["requires-python"]; len(python) == 1 && len(python[0]) <= longestSpecifier {
		m.python = python[0]
	}
	return m, m.check()
}

func one(fields map[string][]string, key string) (string, error) {
	values := fields[strings.ToLower(key)]
	if len(values) != 1 {
		return "", fmt.Errorf("has %d fields %q instead of one", len(values), key)
	}
	return values[0], nil
}

func (m metadata) check() error {
	switch {
	case !validName.MatchString(m.name):
		return fmt.Errorf("gives the name %q, which is not a valid project name: letters, digits and, between them, '.', '_' and '-'", m.name)
	case !validVersion.MatchString(m.version) || strings.Contains(m.version, ".."):
		return fmt.Errorf("gives the version %q, which is not a canonical version (PEP 440)", m.version)
	case len(m.packageName()) > longestPackage:
		return fmt.Errorf("gives a name and version longer than %d bytes together", longestPackage)
	}
	return nil
}

// packageName normalises the name as PEP 625 does for file names. The version stays as it is
// written.
func (m metadata) packageName() string {
	return strings.ToLower(separators.ReplaceAllString(m.name, "_")) + "-" + m.version
}

// agrees compares the top-level directory with name and version. Tools before PEP 625 kept the
// name's spelling in it, later ones normalise it, and they differ in the punctuation of a local
// version; none of that makes it another project.
func (m metadata) agrees(top string) error {
	fold := func(s string) string { return strings.ToLower(punctuation.ReplaceAllString(s, "_")) }
	if fold(top) == fold(m.name+"-"+m.version) {
		return nil
	}
	return errors.New("is not the directory of " + m.name + " " + m.version + ", the name and version in its PKG-INFO")
}
