package inventory

import (
	"bytes"
	"cmp"
	"fmt"
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/keep-it-simple/kis/internal/safetext"
)

const (
	// maxMarks bounds the number of values: from 1 MiB of commas the YAML library would allocate a
	// gigabyte. An inventory of some thousand hosts stays below.
	maxMarks = 50_000
	// maxNames is the number of stages, and of groups, that a file may have.
	maxNames = 1000
	// maxHosts is the number of hosts that the ranges of a file may stand for.
	maxHosts = 10_000
	// maxExpanded is the number of names that ranges may stand for, repetitions counted.
	maxExpanded = 200_000
)

// reader collects the errors while the values are read. There is one reader for each file.
type reader struct {
	file         string
	src          []byte
	sections     map[string][]string
	errs         Errors
	checkHostKey func(string) error
	shown        map[int][]rune // source lines as errors show them
	stopped      error          // ends the reading: it is no error in the text
}

func newReader(file string, src []byte) *reader {
	return &reader{
		file: file, src: src,
		sections: sections(), checkHostKey: anyText, shown: map[int][]rune{},
	}
}

// failAt adds an error.
func (r *reader) failAt(line, col int, path, message string) {
	if r.full() {
		return
	}
	e := &Error{File: r.file, Line: line, Column: col, Path: safetext.Line(path), Message: safetext.Line(message)}
	text, ok := r.shown[line]
	if !ok {
		text = []rune(maskLine(r.src, line))
		r.shown[line] = text
	}
	e.Source, e.caret = excerpt(text, col)
	r.errs = append(r.errs, e)
}

// full reports whether the limit of errors is reached.
func (r *reader) full() bool { return len(r.errs) >= maxErrors }

// sorted returns the errors in the order of the file.
func (r *reader) sorted() Errors {
	slices.SortStableFunc(r.errs, func(a, b *Error) int { return cmp.Or(a.Line-b.Line, a.Column-b.Column) })
	return r.errs
}

// checkSize refuses what is far larger than any inventory, before it is parsed.
func (r *reader) checkSize() {
	marks := 0
	for _, mark := range []string{"\n", ",", ":", "?", "[", "{"} {
		marks += bytes.Count(r.src, []byte(mark))
	}
	switch {
	case len(r.src) > maxSize:
		r.src = nil // an error shows no line of it
		r.failAt(1, 1, "", fmt.Sprintf("larger than %d bytes; this is not an inventory", maxSize))
	case marks > maxMarks:
		r.failAt(1, 1, "", fmt.Sprintf("more than %d lines, commas, colons and brackets; this is not an inventory", maxMarks))
	}
}

// controls are characters that make a text look different from what it is: line breaks that only
// some programs recognize, and marks that change the direction of writing.
const controls = "\u0085\u2028\u2029\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069\ufeff"

// checkText refuses bytes that are not text, before YAML, whose errors give no place for them.
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
