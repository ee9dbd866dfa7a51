// Package safetext is the one definition of what a terminal may be shown. Text from a host, a file,
// the network or the environment may hold control sequences, line ends that forge a line of kis,
// and invisible characters. It is shown with all of those spelled out.
//
// The spelling is Go's: \n, \t, \x1b, \u200b, \U000e0041, and \xff for a byte that is not UTF-8. A
// backslash is not doubled, so that safe text stays as it is however often it is made safe. A host
// can therefore print the four characters \x1b itself. It gains nothing: they do nothing to a
// terminal, and either way they are only what the host has sent. Programs read JSON, which is
// exact.
//
// There are no exceptions for the sake of looks: emoji lose their variation selectors and joiners,
// and so do the scripts that use joiners.
package safetext

import (
	"fmt"
	"strconv"
	"strings"
	"unicode"
	"unicode/utf16"
	"unicode/utf8"
)

// Line returns text as one line, or a part of one, in which every character is visible.
func Line(text string) string {
	var b strings.Builder
	var s scanner
	for i := 0; i < len(text); {
		r, size := utf8.DecodeRuneInString(text[i:])
		switch {
		case r == utf8.RuneError && size == 1:
			s = scanner{}
			fmt.Fprintf(&b, `\x%02x`, text[i])
		case s.shows(r):
			b.WriteRune(r)
		default:
			quoted := strconv.QuoteRuneToASCII(r)
			b.WriteString(quoted[1 : len(quoted)-1])
		}
		i += size
	}
	return b.String()
}

// tabWidth is what terminals do.
const tabWidth = 8

// Output is Line for one line of a program's output, where tabs are layout: they become blanks.
func Output(text string) string {
	var b strings.Builder
	for i, part := range strings.Split(text, "\t") {
		if i > 0 {
			b.WriteString(strings.Repeat(" ", tabWidth-utf8.RuneCountInString(b.String())%tabWidth))
		}
		b.WriteString(Line(part))
	}
	return b.String()
}

// JSON escapes (RFC 8259, section 7) what Line spells out, because users read JSON on terminals too;
// the RFC demands it below U+0020 only. All of it is inside of strings, so that the values stay what they
// are. The text is one line of valid JSON.
func JSON(text []byte) []byte {
	var out []byte
	var s scanner
	for _, r := range string(text) {
		if s.shows(r) {
			out = utf8.AppendRune(out, r)
			continue
		}
		for _, half := range utf16.Encode([]rune{r}) {
			out = fmt.Appendf(out, `\u%04x`, half)
		}
	}
	return out
}

// mostMarks is how many combining marks a letter may carry. More run into the lines above and
// below.
const mostMarks = 3

// scanner judges the characters of a text one after another. Its zero value is the beginning.
type scanner struct{ marks int } // that may follow

func (s *scanner) shows(r rune) bool {
	room := s.marks
	s.marks = 0
	switch {
	case !visible(r):
		return false
	case unicode.IsMark(r):
		s.marks = max(room-1, 0)
		return room > 0 // without a letter before it, it would change a character of kis
	case unicode.IsLetter(r) || unicode.IsNumber(r):
		s.marks = mostMarks
	}
	return true
}

// visible excludes controls, format characters such as those that turn the writing, private use,
// every blank but U+0020, and what Unicode says to ignore: fillers, selectors, joiners, tags.
func visible(r rune) bool {
	switch r {
	case 0x2800, 0x13441, 0x13442, 0x16fe4, 0x1d159: // letters and symbols that are blank
		return false
	}
	return unicode.IsPrint(r) && !unicode.In(r, unicode.Other_Default_Ignorable_Code_Point, unicode.Variation_Selector)
}
