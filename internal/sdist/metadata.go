package sdist

import (
	"cmp"
	"errors"
	"fmt"
	"regexp"
	"strings"

	"github.com/keep-it-simple/kis/internal/name"
)

// punctuation is what tools spell differently in the top-level directory's name.
var punctuation = regexp.MustCompile(`[-_.+!]+`)

// longestSpecifier is far above any Requires-Python.
const longestSpecifier = 1000

// metadata is the part of PKG-INFO that kis uses.
type metadata struct {
	name, version string
	pkg           name.Package
	python        string // Requires-Python, or ""
}

// Fields reads the header fields of PKG-INFO, METADATA or WHEEL: as in e-mail, up to the first empty
// line. Keys are in lower case, the values of each in order, with the line breaks of continuation
// lines. Like Python's e-mail parser, it treats a line that is no field as the beginning of the body,
// so that an old PKG-INFO with a broken description gives the name that pip would read.
func Fields(data []byte) map[string][]string {
	fields := map[string][]string{}
	last := ""
	text := strings.ReplaceAll(strings.ReplaceAll(string(data), "\r\n", "\n"), "\r", "\n") // the line ends of Python's parser
	for line := range strings.SplitSeq(text, "\n") {
		if line == "" {
			break
		}
		if line[0] == ' ' || line[0] == '\t' {
			if n := len(fields[last]); n > 0 {
				fields[last][n-1] += "\n" + line
			}
			continue
		}
		key, value, ok := strings.Cut(line, ":")
		if !ok || strings.ContainsFunc(key, notInField) {
			break
		}
		last = strings.ToLower(key)
		fields[last] = append(fields[last], strings.TrimSpace(value))
	}
	return fields
}

// notInField holds for what no name of a field has (RFC 5322, section 2.2).
func notInField(r rune) bool { return r <= ' ' || r > '~' }

// parseMetadata reads PKG-INFO (core metadata specification).
func parseMetadata(data []byte) (metadata, error) {
	fields := Fields(data)
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
	// pip decides which of several fields it takes, and what it makes of one that no specifier
	// fills.
	if python := fields["requires-python"]; len(python) == 1 && len(python[0]) <= longestSpecifier {
		m.python = python[0]
	}
	return m, nil
}

func one(fields map[string][]string, key string) (string, error) {
	values := fields[strings.ToLower(key)]
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

// agrees compares the top-level directory with name and version. Tools before PEP 625 kept the
// name's spelling in it, later ones normalize it, and they differ in the punctuation of a local
// version. Some normalize the version there (PEP 440), and not in PKG-INFO. None of that makes it
// another project.
func (m metadata) agrees(top string) error {
	fold := func(s string) string { return lower(punctuation.ReplaceAllString(s, "_")) }
	version, found := strings.CutPrefix(fold(top), fold(m.name+"-"))
	if found && alike(version) == alike(fold(m.version)) {
		return nil
	}
	return errors.New("is not the directory of " + m.name + " " + m.version + ", the name and version in its PKG-INFO")
}

// versionWords are the numbers and words of a version, and what else it has.
var versionWords = regexp.MustCompile(`[0-9]+|[a-z]+|[^0-9a-z_]+`)

// alike returns the same text for all spellings of a version that PEP 440 takes for equal, and for some others:
// without separators, leading zeros, the prefix v and the word post, which a hyphen can replace, and with the
// number that a word has without one.
func alike(version string) string {
	short := map[string]string{"alpha": "a", "beta": "b", "c": "rc", "pre": "rc", "preview": "rc", "rev": "", "r": "", "post": ""}
	words := versionWords.FindAllString(strings.TrimPrefix(version, "v"), -1)
	var alike []string
	for i, word := range words {
		isNumber := word[0] >= '0' && word[0] <= '9'
		if isNumber {
			word = cmp.Or(strings.TrimLeft(word, "0"), "0")
		} else if known, some := short[word]; some {
			word = known
		}
		if word != "" {
			alike = append(alike, word)
		}
		if last := i == len(words)-1; !isNumber && (last || words[i+1][0] < '0' || words[i+1][0] > '9') {
			alike = append(alike, "0")
		}
	}
	return strings.Join(alike, " ")
}
