package dynamic

import (
	"errors"
	"fmt"
	"strings"

	"github.com/keep-it-simple/kis/internal/shellwords"
)

// split splits a text into words by the rules of sh: white space between them, '…' and "…", and a
// backslash before one character.
func split(text string) ([]string, error) {
	words, err := shellwords.Split(text, shellwords.Rules{Escapable: "\"\\$`", Refuse: refuseShell})
	switch {
	case err != nil:
		return nil, err
	case len(words) == 0 || words[0] == "":
		return nil, errors.New("names no program")
	case strings.ContainsRune(words[0], '='):
		return nil, errors.New("begins with a variable; write env NAME=value COMMAND")
	}
	return words, nil
}

// refuseShell refuses a character with a meaning for a shell.
func refuseShell(c, quote rune, begun bool) error {
	special := "|&;<>()$`*?["
	switch {
	case quote == '"':
		special = "$`"
	case !begun:
		special += "~#!"
	}
	if strings.ContainsRune(special, c) {
		return fmt.Errorf("%q has a meaning for a shell, and kis uses none here; put it in single quotes, or write a script", c)
	}
	return nil
}
