package requirements

import (
	"regexp"
	"slices"
	"strings"
	"unicode"
)

// isSpace is Python's str.isspace, which is also \s of its regular expressions.
func isSpace(c rune) bool { return unicode.IsSpace(c) || c >= 0x1c && c <= 0x1f }

func trim(text string) string { return strings.TrimFunc(text, isSpace) }

// lineEnd is where Python's str.splitlines ends a line.
var lineEnd = regexp.MustCompile(`\r\n|[\n-\r\x1c-\x1e\x{85}\x{2028}\x{2029}]`)

var credentials = regexp.MustCompile(`://[^/\s?#]*@`)

// withoutCredentials removes user and password from all URLs.
func withoutCredentials(text string) string { return credentials.ReplaceAllString(text, "://") }

var (
	secretQuery = regexp.MustCompile(`(://[^\s?#]*\?)[^\s#]*`)
	hashOption  = regexp.MustCompile(`\s+--hash[= ].*`)
)

// shorten makes a line fit into a message, and masks what may be a secret in it.
func shorten(line string) string {
	line = credentials.ReplaceAllString(line, "://*****@")
	line = secretQuery.ReplaceAllString(line, "${1}*****")
	line = hashOption.ReplaceAllString(line, "")
	if text := []rune(line); len(text) > 100 {
		line = string(text[:100]) + "…"
	}
	return line
}

var separators = regexp.MustCompile(`[-_.]+`)

// canonical is a name of a project (PEP 503) or of an extra (PEP 685) as it is compared.
func canonical(name string) string { return strings.ToLower(separators.ReplaceAllString(name, "-")) }

// normalized returns names as they are compared, sorted, each once.
func normalized(names []string) []string {
	var all []string
	for _, name := range names {
		all = append(all, canonical(name))
	}
	slices.Sort(all)
	return slices.Compact(all)
}
