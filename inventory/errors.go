package inventory

import (
	"fmt"
	"regexp"
	"strings"
	"unicode"
	"unicode/utf8"
)

// maxErrors limits the errors that are collected: no user reads the hundred-and-first, and a
// hostile file could have a million.
const maxErrors = 100

// excerptWidth is how much of a source line an error shows.
const excerptWidth = 120

// Error is one error of an inventory, and its place. All its texts are safe to print: control
// characters are replaced, and what looks like a password in a URL is masked with stars.
type Error struct {
	File    string // as given to Load or Parse
	Line    int    // from 1
	Column  int    // from 1, in characters
	Path    string // the key, such as stages.production.hosts; "" for the file as a whole
	Message string // the problem and its remedy
	Source  string // the line of the file, shortened when it is very long; "" when the file has no such line

	caret int // characters of Source before the place
}

// Error returns `file:line:column: path: message`, and below it the source line with a caret under
// the place.
func (e *Error) Error() string {
	var b strings.Builder
	fmt.Fprintf(&b, "%s:%d:%d: ", e.File, e.Line, e.Column)
	if e.Path != "" {
		b.WriteString(e.Path + ": ")
	}
	b.WriteString(e.Message)
	if e.Source != "" {
		fmt.Fprintf(&b, "\n  %s\n  %s^", e.Source, strings.Repeat(" ", e.caret))
	}
	return b.String()
}

// Errors are all errors of one inventory, in the order of the file, at most 100. errors.As finds
// the first [*Error] in it.
type Errors []*Error

// Error returns all errors, each on a line of its own.
func (e Errors) Error() string {
	texts := make([]string, 0, len(e)+1)
	for _, one := range e {
		texts = append(texts, one.Error())
	}
	if len(e) >= maxErrors {
		texts = append(texts, fmt.Sprintf("stopped after %d errors", maxErrors))
	}
	return strings.Join(texts, "\n")
}

// Unwrap returns the single errors, for errors.Is and errors.As.
func (e Errors) Unwrap() []error {
	all := make([]error, len(e))
	for i, one := range e {
		all[i] = one
	}
	return all
}

// excerpt returns the part of a line to show, and the number of its characters before the column.
// The line comes from [printable].
func excerpt(line []rune, column int) (source string, caret int) {
	caret = min(max(column-1, 0), len(line))
	if len(line) <= excerptWidth {
		return string(line), caret
	}
	start := min(max(caret-excerptWidth/2, 0), len(line)-excerptWidth)
	end := start + excerptWidth
	source = string(line[start:end])
	if end < len(line) {
		source += "…"
	}
	if start > 0 {
		return "…" + source, caret - start + 1
	}
	return source, caret
}

// printable makes a source line safe to show. Every character keeps its column.
func printable(line string) []rune { return []rune(clean(maskLine(line))) }

// clean makes text safe for a terminal. It replaces each character by one, so that columns stay the
// same.
func clean(text string) string {
	return strings.Map(func(r rune) rune {
		switch {
		case r == '\t':
			return ' '
		case r == utf8.RuneError || !unicode.IsPrint(r):
			return '?'
		}
		return r
	}, text)
}

var (
	// credentials matches what may stand between the colon of `scheme:` or `user:` and the @ before
	// a host.
	credentials = regexp.MustCompile(`:\S*@`)
	// indexURL matches the one key whose whole value is a secret: tokens also come in a query.
	indexURL = regexp.MustCompile(`index_url.*`)
)

// mask replaces what looks like a password. It keeps the number of characters, because a caret
// points into the text.
func mask(text string) string {
	return credentials.ReplaceAllStringFunc(text, func(s string) string {
		return ":" + strings.Repeat("*", utf8.RuneCountInString(s)-2) + "@"
	})
}

// maskLine is mask for a source line; it also masks the whole value of index_url, and what follows
// on its line.
func maskLine(line string) string {
	return indexURL.ReplaceAllStringFunc(mask(line), func(s string) string {
		const key = "index_url"
		return key + strings.Map(func(r rune) rune {
			if unicode.IsSpace(r) || r == ':' {
				return r
			}
			return '*'
		}, s[len(key):])
	})
}

// quote returns a value of the file for a message: escaped, masked and shortened.
func quote(value string) string {
	value = mask(value) // before it is shortened: the @ after a password may be cut off
	if text := []rune(value); len(text) > 60 {
		value = string(text[:60]) + "…"
	}
	return fmt.Sprintf("%q", value)
}
