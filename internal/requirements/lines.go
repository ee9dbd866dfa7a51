package requirements

import (
	"regexp"
	"strings"
	"unicode/utf8"
)

// logical is a line after continuation lines were joined and the comment was removed.
type logical struct {
	line int // of the file
	text string
}

// logicalLines is join_lines and ignore_comments of pip.
func logicalLines(text string) []logical {
	var all []logical
	var joined strings.Builder
	first := 0
	add := func(line int, text string) {
		if text = trim(withoutComment(text)); text != "" {
			all = append(all, logical{line, text})
		}
	}
	for i, line := range lineEnd.Split(text, -1) {
		comment := isComment(line)
		if comment {
			line = " " + line // a comment ends what it continues
		}
		if strings.HasSuffix(line, `\`) && !comment {
			if first == 0 {
				first = i + 1
			}
			joined.WriteString(strings.Trim(line, `\`))
			continue
		}
		if first == 0 {
			add(i+1, line)
			continue
		}
		add(first, joined.String()+line)
		joined.Reset()
		first = 0
	}
	if first > 0 {
		add(first, joined.String())
	}
	return all
}

// isComment reports a line that is nothing but a comment.
func isComment(line string) bool { return strings.HasPrefix(strings.TrimLeftFunc(line, isSpace), "#") }

// withoutComment removes what follows a # at the beginning, or after space.
func withoutComment(line string) string {
	before := ' '
	for i, c := range line {
		if c == '#' && isSpace(before) {
			return line[:i]
		}
		before = c
	}
	return line
}

// variable is what pip expands in a line.
var variable = regexp.MustCompile(`\$\{([A-Z0-9_]+)\}`)

// expand replaces the variables of a line by their values on this machine.
func (r *reader) expand(line string) string {
	return variable.ReplaceAllStringFunc(line, func(v string) string {
		if value := r.options.Getenv(v[2 : len(v)-1]); value != "" {
			return value
		}
		return v
	})
}

// expanded replaces the variables of a line. pip would leave one that is not set as it is. A value
// that pip on the host would read differently is refused: neither is shown.
func (r *reader) expanded(p place, line string) (string, bool) {
	for _, v := range variable.FindAllStringSubmatch(line, -1) {
		if r.options.Getenv(v[1]) == "" {
			r.fail(p, line, "needs the environment variable %s, which is not set here", v[1])
			return "", false
		}
	}
	text := trim(r.expand(line))
	if !readable(text) {
		r.fail(p, line, "cannot be used: a value of its variables, or the end of the line, has characters with a meaning in requirements files")
		return "", false
	}
	return text, true
}

// readable reports whether pip on a host reads a text as the line that it is: no variable is
// expanded, nothing is a comment, a continuation or a second line.
func readable(text string) bool {
	again := logicalLines(text)
	return !variable.MatchString(text) && utf8.ValidString(text) && len(again) == 1 && again[0].text == text
}
