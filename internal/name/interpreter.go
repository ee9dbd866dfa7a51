package name

import (
	"path"
	"regexp"
	"strings"
)

// Interpreter is the Python of a host: a command, which is looked up in PATH, or a clean absolute
// path.
type Interpreter struct{ path string }

var (
	commandPattern  = regexp.MustCompile(`^[A-Za-z0-9_][A-Za-z0-9._+-]*$`)
	absolutePattern = regexp.MustCompile(`^/[A-Za-z0-9._/+-]+$`)
)

// ParseInterpreter reads the name or path of an interpreter, such as "python3" or
// "/opt/python3.12/bin/python3".
func ParseInterpreter(text string) (Interpreter, error) {
	switch {
	case !strings.Contains(text, "/"):
		if !commandPattern.MatchString(text) {
			return Interpreter{}, &Error{text, "is not a command; write a name such as python3.12 or an absolute path"}
		}
	case !absolutePattern.MatchString(text) || path.Clean(text) != text:
		return Interpreter{}, &Error{text, "is neither a command nor a clean absolute path of A-Z a-z 0-9 . _ / + -"}
	}
	return Interpreter{path: text}, nil
}

// Python3 is the interpreter that a host has under its usual name.
func Python3() Interpreter { return Interpreter{path: "python3"} }

// String returns the name or path.
func (i Interpreter) String() string { return i.path }

// IsZero reports whether nothing is said about the interpreter.
func (i Interpreter) IsZero() bool { return i.path == "" }

// MarshalText is String, for JSON.
func (i Interpreter) MarshalText() ([]byte, error) { return []byte(i.path), nil }

// UnmarshalText reads what MarshalText wrote; the empty text is the zero value.
func (i *Interpreter) UnmarshalText(text []byte) error { return unmarshal(i, text, ParseInterpreter) }
