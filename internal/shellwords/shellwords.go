// Package shellwords splits a text into words as sh and Python's shlex do.
package shellwords

import (
	"errors"
	"fmt"
	"strings"
)

// Shlex is Rules.Escapable of Python's shlex in POSIX mode.
const Shlex = `"\`

// Rules are what differs between those whose words are split.
type Rules struct {
	// Escapable are the characters that a backslash protects within double quotes; before others it stays.
	Escapable string
	// Comments says that a # outside of quotes begins a comment, even within a word.
	Comments bool
	// Refuse returns an error for a character that would mean more than itself. It is not asked about
	// what a backslash or single quotes protect. quote is '"' within double quotes, else 0; begun says
	// that the character is not the first of a word. A nil function accepts all.
	Refuse func(c, quote rune, begun bool) error
}

// ErrBackslash is the error of a text that ends with a backslash, behind which nothing stands.
var ErrBackslash = errors.New("a backslash at the end")

// Split splits a text at white space that neither quotes nor a backslash protect. The error is
// ErrBackslash, that of a quote that is not closed, or what Refuse returned.
func Split(text string, r Rules) ([]string, error) {
	var words []string
	var word strings.Builder
	begun, quote := false, rune(0) // a word has begun, perhaps with empty quotes
	end := func() {
		if begun {
			words = append(words, word.String())
		}
		word.Reset()
		begun = false
	}
	chars := []rune(text)
	for i := 0; i < len(chars); i++ {
		c := chars[i]
		if r.Refuse != nil && c != '\\' && quote != '\'' {
			if err := r.Refuse(c, quote, begun); err != nil {
				return nil, err
			}
		}
		switch {
		case c == '\\' && quote != '\'':
			if i++; i == len(chars) {
				return nil, ErrBackslash
			}
			if quote == '"' && !strings.ContainsRune(r.Escapable, chars[i]) {
				word.WriteRune('\\')
			}
			word.WriteRune(chars[i])
			begun = true
		case quote != 0 && c == quote:
			quote = 0
		case quote != 0:
			word.WriteRune(c)
		case c == '\'' || c == '"':
			begun, quote = true, c
		case c == '#' && r.Comments:
			for i+1 < len(chars) && chars[i+1] != '\n' {
				i++
			}
		case strings.ContainsRune(" \t\r\n", c):
			end()
		default:
			word.WriteRune(c)
			begun = true
		}
	}
	if quote != 0 {
		return nil, fmt.Errorf("the quote %c is not closed", quote)
	}
	end()
	return words, nil
}
