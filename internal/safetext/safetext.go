// Package safetext is the one definition of what a terminal may be shown.
package safetext

import "strings"

// Line returns text as one line that cannot control the terminal it is printed on.
func Line(text string) string {
	return strings.Map(func(r rune) rune {
		if r < 0x20 || r >= 0x7f && r < 0xa0 || r == 0x2028 || r == 0x2029 || r >= 0x202a && r <= 0x202e || r >= 0x2066 && r <= 0x2069 {
			return '.'
		}
		return r
	}, text)
}
