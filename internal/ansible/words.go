package ansible

import (
	"errors"
	"regexp"

	"github.com/keep-it-simple/kis/internal/shellwords"
)

// words splits a text as Python's shlex does in POSIX mode.
func words(text string, comments bool) ([]string, error) {
	all, err := shellwords.Split(text, shellwords.Rules{Escapable: shellwords.Shlex, Comments: comments})
	switch {
	case errors.Is(err, shellwords.ErrBackslash):
		err = errors.New("a backslash at the end of the line")
	case err != nil:
		err = errors.New("a quote is not closed")
	}
	return all, err
}

var (
	quotedLiteral = regexp.MustCompile(`^(?:'([^'\\]*)'|"([^"\\]*)")\s*(?:#.*)?$`)
	plainLiteral  = regexp.MustCompile(`^([+-]?(?:0|[1-9][0-9]*)|True|False|None)\s*(?:#.*)?$`)
	otherLiteral  = regexp.MustCompile(`^[bBrRuU]{0,2}(?:'.*'|".*"|\[.*\]|\(.*\)|\{[^{].*\}|\{\})\s*(?:#.*)?$`)
)

// literal reads a value of an INI file: Ansible takes what is a literal of Python for it, and
// anything else for text, also what looks like a comment after it.
func literal(at place, text string) value {
	v := value{place: at, text: text}
	if m := quotedLiteral.FindStringSubmatch(text); m != nil {
		v.text = m[1] + m[2]
	} else if m := plainLiteral.FindStringSubmatch(text); m != nil {
		if v.text = m[1]; v.text == "None" {
			v.text = ""
		}
	} else if otherLiteral.MatchString(text) {
		v.problem = "is not plain text"
	}
	return v
}
