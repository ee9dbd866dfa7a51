package main

import (
	"encoding/json"
	"fmt"
	"io"
	"reflect"
	"strings"
	"text/tabwriter"

	"github.com/keep-it-simple/kis/internal/safetext"
)

// printer is a stream that people or programs read, and the only way to it. It has no Write, so that
// nothing reaches a terminal but formats, which are constants of kis, and values, which it makes safe:
// a value is one line, or a part of one, whoever has made it up.
type printer struct{ w io.Writer }

// printf is fmt.Fprintf with every value as safetext.Line shows it. The format is a constant.
func (p printer) printf(format string, values ...any) {
	for i, value := range values {
		values[i] = safe(value)
	}
	_, _ = fmt.Fprintf(p.w, format, values...)
}

// colored is text with the escape sequences of a color around it. Only a painter makes it, of safe text.
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

// lines prints lines that kis has composed.
func (p printer) lines(lines ...string) {
	for _, line := range lines {
		p.printf("%s\n", line)
	}
}

// hint prints advice, which may have several lines. Each is marked, so that it cannot pass for something else that kis says.
func (p printer) hint(advice string) {
	for line := range strings.Lines(advice) {
		p.printf("  hint: %s\n", strings.TrimRight(line, "\n"))
	}
}

// tail prints the last lines of a program's output, each marked as such.
func (p printer) tail(lines []string) {
	for _, line := range lines {
		p.printf("    | %s\n", safetext.Output(line))
	}
}

// question prints lines of which the last is answered behind it.
func (p printer) question(lines ...string) {
	last := len(lines) - 1
	p.lines(lines[:last]...)
	p.printf("%s ", strings.TrimSpace(lines[last]))
}

// erase takes away what stands in a line of a terminal.
func (p printer) erase() { p.printf("\r\x1b[K") }

// json prints one line. What cannot be written is told by executeAll.
func (p printer) json(value any) {
	if line, err := jsonLine(value); err == nil {
		_, _ = p.w.Write(line)
	}
}

// jsonLine is a value as one line of JSON that is safe to look at.
func jsonLine(value any) ([]byte, error) {
	line, err := json.Marshal(value)
	return append(safetext.JSON(line), '\n'), err
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
		_, _ = fmt.Fprintln(w, strings.Join(row, "\t"))
	}
	_ = w.Flush()
	return strings.Split(strings.TrimSuffix(b.String(), "\n"), "\n")
}

// help is the stream for cobra, whose texts and completions have line ends and tabs of their own.
func (p printer) help() io.Writer { return helpWriter(p) }

type helpWriter printer

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
