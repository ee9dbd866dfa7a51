// Package name has the types of the names that kis puts into paths, command lines and messages of
// its protocol: packages, stages, runs, users, interpreters, and what identifies a host. Each is
// parsed once, where it enters kis, and is valid from then on.
//
// No name begins with a hyphen or holds white space, and none means anything else to a path or a
// shell than itself. The patterns list their characters: a pattern that ignores case would also
// accept U+017F and U+212A, which fold to s and k.
//
// The agent on a host checks packages, stages and runs once more (scripts/kisagent/store.py); a
// test compares both.
package name

import (
	"encoding"
	"strconv"
)

// Error says that a text is not the name it was parsed as.
type Error struct {
	Text   string // what was parsed: any bytes
	Reason string // what follows the text in a sentence, such as "is not a stage name; use …"
}

// Error quotes the text, shortened to what fits in a line.
func (e *Error) Error() string { return quote(e.Text) + " " + e.Reason }

// longestQuote is how much of a text an error shows.
const longestQuote = 60

// quote escapes everything that is not printable ASCII, so that a letter which resembles a valid
// one is visible.
func quote(text string) string {
	if len(text) > longestQuote {
		return strconv.QuoteToASCII(text[:longestQuote]) + "…"
	}
	return strconv.QuoteToASCII(text)
}

// unmarshal is UnmarshalText of every type of this package: the empty text is the zero value.
func unmarshal[T any](to *T, text []byte, parse func(string) (T, error)) error {
	var parsed T
	if len(text) > 0 {
		var err error
		if parsed, err = parse(string(text)); err != nil {
			return err
		}
	}
	*to = parsed
	return nil
}

// The types are JSON texts.
var (
	_ encoding.TextMarshaler   = Package{}
	_ encoding.TextUnmarshaler = (*Package)(nil)
	_ encoding.TextMarshaler   = Stage{}
	_ encoding.TextUnmarshaler = (*Stage)(nil)
	_ encoding.TextMarshaler   = Run{}
	_ encoding.TextUnmarshaler = (*Run)(nil)
	_ encoding.TextMarshaler   = User{}
	_ encoding.TextUnmarshaler = (*User)(nil)
	_ encoding.TextMarshaler   = Interpreter{}
	_ encoding.TextUnmarshaler = (*Interpreter)(nil)
)
