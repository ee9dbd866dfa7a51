package ui

import (
	"fmt"
	"slices"
	"strings"
	"text/tabwriter"
	"time"
	"unicode/utf8"

	"github.com/keep-it-simple/kis/internal/safetext"
)

// timeFormat shows a time in this machine's zone, and names the zone.
const timeFormat = time.DateTime + " MST"

// painter colors text, or returns it as it is.
type painter struct{ on bool }

func (p painter) sgr(code, text string) colored {
	text = safetext.Line(text)
	if !p.on || code == "" {
		return colored(text)
	}
	return colored("\x1b[" + code + "m" + text + "\x1b[0m")
}

func (p painter) good(text string) colored   { return p.sgr("32", text) }
func (p painter) bad(text string) colored    { return p.sgr("31", text) }
func (p painter) warn(text string) colored   { return p.sgr("33", text) }
func (p painter) strong(text string) colored { return p.sgr("1", text) }

// list joins at most so many names, and counts the others.
func list(names []string, most int) string {
	if len(names) <= most {
		return strings.Join(names, ", ")
	}
	return fmt.Sprintf("%s and %d more", strings.Join(names[:most-1], ", "), len(names)-most+1)
}

// NamesOf names hosts, the first of them where there are many.
func NamesOf(hosts []string) string { return list(hosts, 4) }

// allHosts names every host, unless they are so many that no user reads on; the log and -o json
// have them all.
func allHosts(hosts []string) string {
	if len(hosts) <= 20 {
		return strings.Join(hosts, ", ")
	}
	return list(hosts, 8)
}

func hostCount(n int) string {
	if n == 1 {
		return "1 host"
	}
	return fmt.Sprintf("%d hosts", n)
}

func size(bytes int64) string {
	switch {
	case bytes < 10_000:
		return fmt.Sprintf("%d bytes", bytes)
	case bytes < 10_000_000:
		return fmt.Sprintf("%d kB", bytes/1000)
	}
	return fmt.Sprintf("%d MB", bytes/1_000_000)
}

// seconds shows a duration.
func seconds(s float64) string { return safetext.Duration(time.Duration(s * float64(time.Second))) }

// grouped maps texts to the hosts that they are about. Its order is that of the first hosts.
type grouped []group

type group struct {
	text  string
	hosts []string
}

// add adds a host to the group of a text; host is "" for a text that is about no single host.
func (g *grouped) add(host, text string) {
	at := slices.IndexFunc(*g, func(other group) bool { return other.text == text })
	if at < 0 {
		*g = append(*g, group{text: text})
		at = len(*g) - 1
	}
	if to := &(*g)[at]; host != "" && !slices.Contains(to.hosts, host) {
		to.hosts = append(to.hosts, host)
	}
}

// aligned makes lines of rows, with their cells below each other.
func aligned(rows [][]string) []string {
	if len(rows) == 0 {
		return nil
	}
	var b strings.Builder
	w := tabwriter.NewWriter(&b, 0, 0, 2, ' ', 0)
	for _, row := range rows {
		for i, cell := range row {
			row[i] = safetext.Line(cell) // holds no tab, which would begin another cell
		}
		_, _ = w.Write([]byte(strings.Join(row, "\t") + "\n"))
	}
	_ = w.Flush()
	return strings.Split(strings.TrimSuffix(b.String(), "\n"), "\n")
}

// withoutEmptyColumns are rows without the last columns in which nothing stands, so that the one before them is wrapped.
func withoutEmptyColumns(rows [][]string) [][]string {
	for len(rows) > 0 && len(rows[0]) > 1 && !slices.ContainsFunc(rows, func(row []string) bool { return row[len(row)-1] != "" }) {
		for i, row := range rows {
			rows[i] = row[:len(row)-1]
		}
	}
	return rows
}

// wrapped is aligned with the last cells wrapped to a width; 0 for no limit. All rows have the same
// number of cells.
func wrapped(rows [][]string, width int) []string {
	lines := aligned(rows)
	if width == 0 {
		for i := range lines {
			lines[i] = strings.TrimRight(lines[i], " ")
		}
		return lines
	}
	var out []string
	for i, row := range rows {
		last := row[len(row)-1]
		head := lines[i][:len(lines[i])-len(last)]
		out = append(out, wrap(head, last, width)...)
	}
	return out
}

// fitted breaks a sentence after blanks and commas, so that no terminal breaks it within a word. It
// is one line where errors are no terminal. Commands that a user pastes are no sentences.
func (u *UI) fitted(sentence string) []string {
	const indent = "    "
	sentence = safetext.Line(sentence)
	if !u.Interactive || u.Columns == nil || utf8.RuneCountInString(sentence) <= u.Columns() {
		return []string{sentence}
	}
	lines := wrap("", sentence, u.Columns()-len(indent))
	for i := range lines[1:] {
		lines[i+1] = indent + lines[i+1]
	}
	return lines
}

// wrap breaks text after blanks and commas, so that head and text fit into a width. The text
// continues under its beginning. A word that does not fit there moves to a line of its own with a
// small indent, and is longer than the width where it has to be.
func wrap(head, text string, width int) []string {
	const smallIndent = "        "
	text = safetext.Line(text)
	indent := strings.Repeat(" ", utf8.RuneCountInString(head))
	fits := func(s string) bool { return utf8.RuneCountInString(strings.TrimRight(s, " ")) <= width }
	var lines []string
	line, empty := head, true
	end := func(next string) {
		lines = append(lines, strings.TrimRight(line, " "))
		line, empty = next, true
	}
	for text != "" {
		cut := strings.IndexAny(text, " ,") + 1
		if cut == 0 {
			cut = len(text)
		}
		word := text[:cut]
		text = text[cut:]
		if !empty && !fits(line+word) {
			end(indent)
		}
		if empty && !fits(indent+word) && fits(smallIndent+word) {
			if line != indent {
				end("")
			}
			line = smallIndent
		}
		line, empty = line+word, false
	}
	end("")
	return lines
}
