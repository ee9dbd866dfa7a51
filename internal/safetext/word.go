package safetext

import "strings"

// plainInShell are the characters that need no quotes in any shell: those of Python's shlex.quote.
const plainInShell = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_@%+=:,./-"

// Word returns text as one word of a command line that the user pastes into a shell. Every name and
// path in a command of a hint is one.
func Word(text string) string {
	if text != "" && strings.Trim(text, plainInShell) == "" && text[0] != '=' { // zsh: =x is the path of x
		return text
	}
	return "'" + strings.ReplaceAll(text, "'", `'\''`) + "'"
}
