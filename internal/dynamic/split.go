package dynamic

import (
	"errors"
	"fmt"
	"strings"
)

// needsShell are characters with a meaning for a shell, unless they are quoted.
const needsShell = "|&;<>()$`*?["

// splitter splits a text into words.
type splitter struct {
	words []string
	word  strings.Builder
	some  bool // a word has begun, perhaps an empty one in quotes
	quote rune
}

// split splits a text into words by the rules of sh: white space between them, '…' and "…", and a
// backslash before one character.
func split(text string) ([]string, error) {
	var s splitter
	escaped := false
	for _, r := range text {
		switch {
		case escaped:
			s.escaped(r)
			escaped = false
		case r == '\\' && s.quote != '\'':
			escaped = true
		case s.quote != 0:
			if s.quote == '"' && strings.ContainsRune("$`", r) {
				return nil, shellError(r)
			}
			s.quoted(r)
		default:
			if err := s.plain(r); err != nil {
				return nil, err
			}
		}
	}
	switch {
	case escaped:
		return nil, errors.New("a backslash at the end")
	case s.quote != 0:
		return nil, fmt.Errorf("the quote %c is not closed", s.quote)
	}
	s.end()
	switch {
	case len(s.words) == 0 || s.words[0] == "":
		return nil, errors.New("names no program")
	case strings.ContainsRune(s.words[0], '='):
		return nil, errors.New("begins with a variable; write env NAME=value COMMAND")
	}
	return s.words, nil
}

func shellError(r rune) error {
	return fmt.Errorf("%q has a meaning for a shell, and kis uses none here; put it in single quotes, or write a script", r)
}

func (s *splitter) escaped(r rune) {
	if s.quote == '"' && !strings.ContainsRune("\"\\$`", r) {
		s.word.WriteRune('\\')
	}
	s.word.WriteRune(r)
	s.some = true
}

func (s *splitter) quoted(r rune) {
	if r == s.quote {
		s.quote = 0
		return
	}
	s.word.WriteRune(r)
}

func (s *splitter) plain(r rune) error {
	switch {
	case r == ' ' || r == '\t' || r == '\n':
		s.end()
	case r == '\'' || r == '"':
		s.quote, s.some = r, true
	case strings.ContainsRune(needsShell, r), !s.some && (r == '~' || r == '#' || r == '!'):
		return shellError(r)
	default:
		s.word.WriteRune(r)
		s.some = true
	}
	return nil
}

func (s *splitter) end() {
	if s.some {
		s.words = append(s.words, s.word.String())
	}
	s.word.Reset()
	s.some = false
}
