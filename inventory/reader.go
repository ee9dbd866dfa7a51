package inventory

import (
	"bytes"
	"fmt"
	"slices"
	"strings"
	"unicode/utf8"
)

const (
	// maxMarks bounds the number of values: out of 1 MiB of nothing but commas the YAML library would make a gigabyte.
	// An inventory of some thousand hosts stays below.
	maxMarks = 50_000
	// maxNames is how many stages, and how many groups, a file may have.
	maxNames = 1000
	// maxExpanded is the same for the names that ranges and groups stand for and the variables that they spread.
	maxExpanded = 200_000
)

// reader collects what is wrong while the values are read. One file has one reader.
type reader struct {
	file         string
	src          []byte
	sections     map[string][]string
	errs         Errors
	checkHostKey func(string) error
	expanded     int            // names and variables made so far
	shown        map[int][]rune // source lines as errors show them
}

func newReader(file string, src []byte) *reader {
	return &reader{
		file: file, src: src,
		sections: sections(), checkHostKey: anyText, shown: map[int][]rune{},
	}
}

// failAt notes an error.
func (r *reader) failAt(line, col int, path, message string) {
	if r.full() {
		return
	}
	e := &Error{File: r.file, Line: line, Column: col, Path: path, Message: message}
	text, ok := r.shown[line]
	if !ok {
		text = printable(lineAt(r.src, line))
		r.shown[line] = text
	}
	e.Source, e.caret = excerpt(text, col)
	r.errs = append(r.errs, e)
}

// full tells that there are more errors than anybody reads.
func (r *reader) full() bool { return len(r.errs) >= maxErrors }

// sorted returns the errors in the order of the file; nil when there is none.
func (r *reader) sorted() error {
	if len(r.errs) == 0 {
		return nil
	}
	slices.SortStableFunc(r.errs, func(a, b *Error) int {
		if a.Line != b.Line {
			return a.Line - b.Line
		}
		return a.Column - b.Column
	})
	return r.errs
}

// spend counts names and variables that the file makes, and fails at the place where they become too many. From then
// on it refuses all, so that what follows costs nothing.
func (r *reader) spend(f field, n int) bool {
	before := r.expanded
	r.expanded += n
	if r.expanded <= maxExpanded {
		return true
	}
	if before <= maxExpanded {
		f.fail("the ranges, groups and variables of this inventory stand for more than %d values; split it", maxExpanded)
	}
	r.expanded = maxExpanded + 1
	return false
}

// checkSize refuses what is far larger than any inventory, before anything is made of it.
func (r *reader) checkSize() {
	marks := 0
	for _, mark := range []string{"\n", ",", ":", "?", "[", "{"} {
		marks += bytes.Count(r.src, []byte(mark))
	}
	switch {
	case len(r.src) > maxSize:
		r.src = nil // an error shows no line of it
		r.failAt(1, 1, "", fmt.Sprintf("larger than %d bytes; this is hardly an inventory", maxSize))
	case marks > maxMarks:
		r.failAt(1, 1, "", fmt.Sprintf("more than %d lines, commas, colons and brackets; this is hardly an inventory", maxMarks))
	}
}

// controls are characters that make a text look like what it is not: line breaks that only some programs know, and the
// marks that turn the direction of writing around.
const controls = "\u0085\u2028\u2029\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069\ufeff"

// checkText refuses bytes that are no text. It comes before YAML, which gives no place for them.
func (r *reader) checkText() {
	line, col := 1, 1
	for rest := r.src; len(rest) > 0; col++ {
		c, size := utf8.DecodeRune(rest)
		next := rest[size:]
		switch {
		case c == utf8.RuneError && size == 1:
			r.failAt(line, col, "", fmt.Sprintf("the byte 0x%02x is not UTF-8; save the file as UTF-8", rest[0]))
			return
		case c == '\n':
			line, col = line+1, 0
		case c == '\r' && bytes.HasPrefix(next, []byte("\n")) || c == '\t':
		case c < ' ', c >= 0x7f && c < 0xa0, strings.ContainsRune(controls, c):
			r.failAt(line, col, "", fmt.Sprintf("the invisible character U+%04X; remove it", c))
			return
		}
		rest = next
	}
}
