package ui

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"reflect"
	"strings"

	"github.com/keep-it-simple/kis/internal/safetext"
)

// Printer is a stream that users or programs read, and the only way to it. It has no Write, so that
// nothing reaches a terminal but formats, which are constants of kis, and values, which it makes
// safe: a value is one line, or a part of one, whoever made it up.
type Printer struct{ w io.Writer }

// NewPrinter returns a printer that writes to w.
func NewPrinter(w io.Writer) Printer { return Printer{w} }

// Printf is fmt.Fprintf with every value as safetext.Line shows it. The format is a constant.
func (p Printer) Printf(format string, values ...any) {
	for i, value := range values {
		values[i] = safe(value)
	}
	_, _ = fmt.Fprintf(p.w, format, values...)
}

// colored is text with the escape sequences of a color around it. Only a painter makes it, of safe
// text.
type colored string

// safe is a value as it may be formatted: numbers stay numbers, everything else becomes a line.
func safe(value any) any {
	if text, ok := value.(colored); ok {
		return string(text)
	}
	if value != nil && reflect.Bool <= reflect.TypeOf(value).Kind() && reflect.TypeOf(value).Kind() <= reflect.Complex128 {
		return value
	}
	return safetext.Line(fmt.Sprint(value))
}

// Lines prints lines that kis composed.
func (p Printer) Lines(lines ...string) {
	for _, line := range lines {
		p.Printf("%s\n", line)
	}
}

// hint prints advice, which may have several lines. Each is marked, so that it cannot pass for
// another message of kis.
func (p Printer) hint(advice string) {
	for line := range strings.Lines(advice) {
		p.Printf("  hint: %s\n", strings.TrimRight(line, "\n"))
	}
}

// tail prints the last lines of a program's output, each marked as such.
func (p Printer) tail(lines []string) {
	for _, line := range lines {
		p.Printf("    | %s\n", safetext.Output(line))
	}
}

// question prints lines; the answer is typed behind the last.
func (p Printer) question(lines ...string) {
	last := len(lines) - 1
	p.Lines(lines[:last]...)
	p.Printf("%s ", strings.TrimSpace(lines[last]))
}

// replace replaces so many lines above the cursor of a terminal by others, in one write, so that
// nothing flickers. What is below them is erased.
func (p Printer) replace(lines int, rows []colored) {
	var b bytes.Buffer
	to := Printer{&b}
	to.Printf("\r")
	if lines > 0 {
		to.Printf("\x1b[%dA", lines)
	}
	for _, row := range rows {
		to.Printf("%s\x1b[K\n", row)
	}
	to.Printf("\x1b[J")
	_, _ = p.w.Write(b.Bytes())
}

// json prints a value as one line. An Outlet records what cannot be written.
func (p Printer) json(value any) {
	if line, err := json.Marshal(value); err == nil {
		_, _ = p.w.Write(append(safetext.JSON(line), '\n'))
	}
}

// Help returns a writer for cobra, whose texts and completions have line ends and tabs of their
// own.
func (p Printer) Help() io.Writer { return helpWriter(p) }

type helpWriter Printer

func (h helpWriter) Write(text []byte) (int, error) {
	lines := strings.Split(string(text), "\n")
	for i, line := range lines {
		cells := strings.Split(line, "\t")
		for j, cell := range cells {
			cells[j] = safetext.Line(cell)
		}
		lines[i] = strings.Join(cells, "\t")
	}
	_, err := io.WriteString(h.w, strings.Join(lines, "\n"))
	return len(text), err
}
