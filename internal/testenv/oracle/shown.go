package oracle

import (
	"fmt"
	"unicode"
	"unicode/utf8"
)

// Shown reports whether a terminal shows a character as itself: it moves no cursor, turns no writing, and is not invisible. The numbers are
// those of DerivedCoreProperties.txt (Default_Ignorable_Code_Point) and of the characters that are blank by their names.
func Shown(r rune) bool {
	for _, span := range [][2]rune{
		{0xad, 0xad},
		{0x34f, 0x34f},
		{0x61c, 0x61c},
		{0x115f, 0x1160},
		{0x17b4, 0x17b5},
		{0x180b, 0x180f},
		{0x200b, 0x200f},
		{0x2028, 0x202e},
		{0x2060, 0x206f},
		{0x3164, 0x3164},
		{0xfe00, 0xfe0f},
		{0xfeff, 0xfeff},
		{0xffa0, 0xffa0},
		{0xfff0, 0xfff8},
		{0x1bca0, 0x1bca3},
		{0x1d173, 0x1d17a},
		{0xe0000, 0xe0fff},
		{0x2800, 0x2800},
		{0x13441, 0x13442},
		{0x16fe4, 0x16fe4},
		{0x1d159, 0x1d159},
	} {
		if r >= span[0] && r <= span[1] {
			return false
		}
	}
	return unicode.IsPrint(r) // no controls, nothing for private use, no blank but U+0020
}

// mostMarks is how many marks may stand on one letter: more of them run into the lines above and below.
const mostMarks = 3

// Hidden says what in a text could do something to a terminal, or is not to be seen on it; "" for nothing.
func Hidden(text string) string {
	marks := mostMarks // nothing to stand on
	for i, r := range text {
		_, size := utf8.DecodeRuneInString(text[i:])
		switch {
		case r == utf8.RuneError && size == 1:
			return fmt.Sprintf("the byte %#02x, which is no UTF-8", text[i])
		case r == '\n':
			marks = mostMarks
		case !Shown(r):
			return fmt.Sprintf("the character %U", r)
		case unicode.IsMark(r) && marks == mostMarks:
			return fmt.Sprintf("the mark %U, alone or one of many", r)
		case unicode.IsMark(r):
			marks++
		case unicode.IsLetter(r) || unicode.IsNumber(r):
			marks = 0
		default:
			marks = mostMarks
		}
	}
	return ""
}
