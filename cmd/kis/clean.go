package main

import (
	"fmt"
	"strings"
	"unicode/utf8"
)

// clean makes text from a host, a file or the network fit for a terminal: what could move the cursor, change colors, set the clipboard or
// reorder letters is shown as an escape instead of being obeyed.
func clean(text string) string {
	plain := true
	for _, r := range text {
		if r != '\n' && r != '\t' && !printable(r) {
			plain = false
			break
		}
	}
	if plain && utf8.ValidString(text) {
		return text
	}
	var b strings.Builder
	for i := 0; i < len(text); {
		r, size := utf8.DecodeRuneInString(text[i:])
		switch {
		case r == utf8.RuneError && size == 1:
			fmt.Fprintf(&b, `\x%02x`, text[i])
		case r == '\n' || r == '\t' || printable(r):
			b.WriteRune(r)
		case r < 0x100:
			fmt.Fprintf(&b, `\x%02x`, r)
		default:
			fmt.Fprintf(&b, `\u%04x`, r)
		}
		i += size
	}
	return b.String()
}

// printable excludes C0 and C1 controls, line and paragraph separators, bidirectional controls and invisible joiners.
func printable(r rune) bool {
	switch {
	case r < 0x20, r >= 0x7f && r < 0xa0, r == 0x2028, r == 0x2029, r == 0xfeff:
		return false
	case r >= 0x200b && r <= 0x200f, r >= 0x202a && r <= 0x202e, r >= 0x2060 && r <= 0x206f, r == 0x61c:
		return false
	}
	return true
}
