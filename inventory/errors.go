package inventory

import (
	"fmt"
	"regexp"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/keep-it-simple/kis/internal/safetext"
)

// maxErrors limits the errors that are collected: no user reads the hundred-and-first, and a
// hostile file could have a million.
const maxErrors = 100

// excerptWidth is how much of a source line an error shows.
const excerptWidth = 120

// Error is one thing that is wrong with an inventory, and where. All its texts are safe to print:
// control characters and invisible ones are escaped, and what may be a password in a URL is
// replaced by stars.
type Error struct {
	File    string // as given to Load or Parse
	Line    int    // from 1
	Column  int    // from 1, in characters
	Path    string // the key, such as stages.production.hosts; "" for the file as a whole
	Message string // the problem and its remedy
	Source  string // the line of the file, shortened when it is very long; "" when the file has no such line

	caret int // characters of Source before the place
}

// Error returns the lines as one text.
func (e *Error) Error() string { return strings.Join(e.Lines(), "\n") }

// Lines returns `file:line:column: path: message`, and below it the source line and a caret under
// the place.
func (e *Error) Lines() []string {
	path := e.Path
	if path != "" {
		path += ": "
	}
	lines := []string{fmt.Sprintf("%s:%d:%d: %s%s", safetext.Line(e.File), e.Line, e.Column, path, e.Message)}
	if e.Source != "" {
		lines = append(lines, "  "+e.Source, "  "+strings.Repeat(" ", e.caret)+"^")
	}
	return lines
}

// Errors are all errors of one inventory, in the order of the file, at most 100.
type Errors []*Error

// Error returns the lines as one text.
func (e Errors) Error() string { return strings.Join(e.Lines(), "\n") }

// Lines returns all the errors, each from a new line.
func (e Errors) Lines() []string {
	var lines []string
	for _, one := range e {
		lines = append(lines, one.Lines()...)
	}
	if len(e) >= maxErrors {
		lines = append(lines, fmt.Sprintf("stopped after %d errors", maxErrors))
	}
	return lines
}

// excerpt returns what to show of a masked line, and how many characters of that stand before the
// column.
func excerpt(line []rune, column int) (source string, caret int) {
	at := min(max(column-1, 0), len(line))
	start, end, before, after := 0, len(line), "", ""
	if len(line) > excerptWidth {
		start = min(max(at-excerptWidth/2, 0), len(line)-excerptWidth)
		end = start + excerptWidth
	}
	if start > 0 {
		before = "…"
	}
	if end < len(line) {
		after = "…"
	}
	shown := safetext.Line(before + string(line[start:at]))
	return safetext.Line(before+string(line[start:end])) + after, utf8.RuneCountInString(shown)
}

var (
	// credentials matches what may stand between the colon of `scheme:` or `user:` and the @ before
	// a host.
	credentials = regexp.MustCompile(`:\S*@`)
	// indexURL matches the keys whose whole value is a secret: tokens also come in a query.
	indexURL = regexp.MustCompile(`index_url.*`)
	// keyPattern matches a line that begins with a key, not with an item of a list.
	keyPattern = regexp.MustCompile(`^[ \t{]*["']?[A-Za-z_][A-Za-z0-9_]*["']?[ \t]*:(?:\s|$)`)
)

// mask replaces what may be a password. It keeps the number of characters, because a caret
// points into the text.
func mask(text string) string {
	return credentials.ReplaceAllStringFunc(text, func(s string) string {
		return ":" + strings.Repeat("*", utf8.RuneCountInString(s)-2) + "@"
	})
}

// maskLine is mask for a source line; it also masks the whole value of index_url and
// extra_index_urls, and what follows on its line.
func maskLine(src []byte, number int) string {
	line := mask(lineAt(src, number))
	if continuesIndexURL(src, number) {
		return stars(line)
	}
	return indexURL.ReplaceAllStringFunc(line, func(s string) string {
		const key = "index_url"
		return key + stars(s[len(key):])
	})
}

// stars keeps spaces and colons of a text.
func stars(text string) string {
	return strings.Map(func(r rune) rune {
		if unicode.IsSpace(r) || r == ':' {
			return r
		}
		return '*'
	}, text)
}

// maxList is more than the lines of a list of indexes.
const maxList = 100

// continuesIndexURL reports whether a line without a key belongs to index_url or extra_index_urls
// above it.
func continuesIndexURL(src []byte, number int) bool {
	for at := number; at > 0 && at > number-maxList; at-- {
		line := lineAt(src, at)
		if indexURL.MatchString(line) {
			return at < number
		}
		if keyPattern.MatchString(line) {
			return false
		}
	}
	return false
}

// quote returns a value of the file for a message: escaped, masked and shortened.
func quote(value string) string {
	value = mask(value) // before it is shortened: the @ after a password may be cut off
	if text := []rune(value); len(text) > 60 {
		value = string(text[:60]) + "…"
	}
	return fmt.Sprintf("%q", value)
}
