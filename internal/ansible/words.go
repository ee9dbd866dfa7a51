package ansible

import (
	"errors"
	"regexp"
	"strings"
)

// words splits a line as Python's shlex does in POSIX mode with comments, which Ansible uses for
// the hosts of INI files. A # begins a comment even within a word, unless it is in quotes.
func words(line string) ([]string, error) {
	var all []string
	var word strings.Builder
	inWord := false
	quote := rune(0)
	runes := []rune(line)
	for i := 0; i < len(runes); i++ {
		r := runes[i]
		switch {
		case r == '\\' && quote != '\'':
			if i++; i == len(runes) {
				return nil, errors.New("a backslash at the end of the line")
			}
			if quote == '"' && runes[i] != '"' && runes[i] != '\\' {
				word.WriteRune('\\')
			}
			word.WriteRune(runes[i])
			inWord = true
		case quote != 0 && r == quote:
			quote = 0
		case quote != 0:
			word.WriteRune(r)
		case r == '\'' || r == '"':
			quote, inWord = r, true
		case r == '#':
			i = len(runes)
		case r == ' ' || r == '\t' || r == '\r':
			if inWord {
				all = append(all, word.String())
			}
			word.Reset()
			inWord = false
		default:
			word.WriteRune(r)
			inWord = true
		}
	}
	if quote != 0 {
		return nil, errors.New("a quote is not closed")
	}
	if inWord {
		all = append(all, word.String())
	}
	return all, nil
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
