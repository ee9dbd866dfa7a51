package backends

import (
	"flag"
	"fmt"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

//nolint:gochecknoglobals // flags of a test have no other place
var update = flag.Bool("update", false, "TestEveryBackendOnEveryPython writes docs/compatibility.md instead of comparing with it")

// column is an environment in the table.
type column struct {
	title string
	cells []seen
}

// title is the column's: the versions of Python and of the pip that kis has run, which it unpacks there once.
func (h host) title(t *testing.T, e environment) string {
	t.Helper()
	python := h.shell(t, h.python+` -c 'import sys; print("Python %d.%d" % sys.version_info[:2])'`)
	pips := strings.Fields(h.shell(t, "ls "+h.root+"/.kis/pip"))
	require.Len(t, pips, 1)
	title := strings.TrimSpace(python) + ", pip " + strings.Split(pips[0], "-")[1]
	if e.suite != "" {
		title = e.name + ", " + title
	}
	return title
}

const (
	document = "../../../docs/compatibility.md"
	begin    = "<!-- made by go test ./internal/test/backends -update -->\n"
	end      = "<!-- end of what is made -->\n"
)

// compare compares the table with the document's, or writes it there.
func compare(t *testing.T, columns []column) {
	t.Helper()
	text, err := os.ReadFile(document)
	require.NoError(t, err)
	before, rest, found := strings.Cut(string(text), begin)
	require.True(t, found, "%s lacks %q", document, begin)
	committed, after, found := strings.Cut(rest, end)
	require.True(t, found, "%s lacks %q", document, end)
	made := table(columns)
	if *update {
		require.NoError(t, os.WriteFile(document, []byte(before+begin+made+end+after), 0o644))
		return
	}
	require.Equal(t, committed, made, "what works has changed. If that is right: go test ./internal/test/backends -update")
}

// table has a line for each backend. What was refused has a number, and its reason below.
func table(columns []column) string {
	var out strings.Builder
	head, rule := "| |", "|---|"
	for _, c := range columns {
		head, rule = head+" "+c.title+" |", rule+"---|"
	}
	fmt.Fprintf(&out, "%s\n%s\n", head, rule)
	var reasons []string
	for i, b := range backends() {
		line := "| " + b.name + " |"
		for _, c := range columns {
			text, reason := c.cells[i].text()
			if reason != "" {
				if !slices.Contains(reasons, reason) {
					reasons = append(reasons, reason)
				}
				text += fmt.Sprintf(" (%d)", slices.Index(reasons, reason)+1)
			}
			line += " " + text + " |"
		}
		out.WriteString(line + "\n")
	}
	out.WriteString("\n")
	for i, reason := range reasons {
		out.WriteString(wrap(fmt.Sprintf("%d. %s", i+1, reason)))
	}
	return out.String()
}

// wrap writes an item of a list in lines of at most 100 bytes.
func wrap(item string) string {
	var out strings.Builder
	line := ""
	for word := range strings.FieldsSeq(item) {
		switch {
		case line == "":
			line = word
		case len(line)+1+len(word) > 100:
			out.WriteString(line + "\n")
			line = "   " + word
		default:
			line += " " + word
		}
	}
	out.WriteString(line + "\n")
	return out.String()
}

// text is the cell, and why the push was refused.
func (s seen) text() (text, reason string) {
	text = s.mode + ", " + s.layout
	if s.exit != 0 {
		reason = fmt.Sprintf("exit status %d: %s", s.exit, s.failure.Message)
		for _, more := range []string{s.lacks, s.failure.Hint} {
			if more != "" {
				reason += "; " + strings.ReplaceAll(more, "\n", "; ")
			}
		}
		return "refused: " + text, reason
	}
	if s.hostBuilds {
		text += ", host"
	}
	return text, ""
}
