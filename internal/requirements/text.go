package requirements

import (
	"regexp"
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"
)

// isSpace is Python's str.isspace, which is also \s of its regular expressions.
func isSpace(c rune) bool { return unicode.IsSpace(c) || c >= 0x1c && c <= 0x1f }

func trim(text string) string { return strings.TrimFunc(text, isSpace) }

// isLineEnd reports the characters at which Python's str.splitlines ends a line.
func isLineEnd(c rune) bool {
	return c >= '\n' && c <= '\r' || c >= 0x1c && c <= 0x1e || c == 0x85 || c == 0x2028 || c == 0x2029
}

// splitLines is Python's str.splitlines.
func splitLines(text string) []string {
	var lines []string
	for text != "" {
		end := strings.IndexFunc(text, isLineEnd)
		if end < 0 {
			return append(lines, text)
		}
		lines = append(lines, text[:end])
		_, size := utf8.DecodeRuneInString(text[end:])
		if strings.HasPrefix(text[end:], "\r\n") {
			size = 2
		}
		text = text[end+size:]
	}
	return lines
}

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
