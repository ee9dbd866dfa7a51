package ui

import (
	"fmt"
	"strings"
	"sync"
)

// emulator is the screen of a terminal, as far as kis makes use of one: it interprets what is
// written to it. It breaks long lines again when its width changes, as most terminals do.
type emulator struct {
	mu      sync.Mutex
	columns int
	lines   int
	rows    []emulatorLine // of the screen and above it
	x, y    int            // of the cursor; y is an index of rows
	writes  int
	colors  int
	unknown []string // sequences that it does not know
}

type emulatorLine struct {
	text    []rune
	wrapped bool // continues in the next
}

func newEmulator(columns, lines int) *emulator {
	return &emulator{columns: columns, lines: lines, rows: make([]emulatorLine, 1)}
}

func (e *emulator) width() int {
	e.mu.Lock()
	defer e.mu.Unlock()
	return e.columns
}

func (e *emulator) height() int {
	e.mu.Lock()
	defer e.mu.Unlock()
	return e.lines
}

// Write shows text.
func (e *emulator) Write(text []byte) (int, error) {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.writes++
	rest := string(text)
	for rest != "" {
		if parameters, ok := strings.CutPrefix(rest, "\x1b["); ok {
			end := strings.IndexFunc(parameters, func(r rune) bool { return r >= '@' && r <= '~' })
			if end < 0 {
				e.unknown = append(e.unknown, rest)
				break
			}
			e.control(parameters[:end], parameters[end])
			rest = parameters[end+1:]
			continue
		}
		r := []rune(rest)[0]
		e.put(r)
		rest = rest[len(string(r)):]
	}
	return len(text), nil
}

func (e *emulator) control(parameters string, final byte) {
	switch final {
	case 'A':
		n := 1
		_, _ = fmt.Sscan(parameters, &n)
		e.y = max(e.y-n, e.top())
	case 'K':
		e.rows[e.y].text = e.rows[e.y].text[:min(e.x, len(e.rows[e.y].text))]
	case 'J':
		e.rows[e.y].text = e.rows[e.y].text[:min(e.x, len(e.rows[e.y].text))]
		e.rows = e.rows[:e.y+1]
	case 'm':
		e.colors++
	default:
		e.unknown = append(e.unknown, parameters+string(final))
	}
}

// top is the first row of the screen.
func (e *emulator) top() int { return max(len(e.rows)-e.lines, 0) }

func (e *emulator) put(r rune) {
	switch {
	case r == '\r':
		e.x = 0
	case r == '\n': // which the kernel turns into \r\n
		e.x = 0
		e.down(false)
	case r < ' ':
		e.unknown = append(e.unknown, string(r))
	default:
		if e.x == e.columns {
			e.x = 0
			e.down(true)
		}
		line := &e.rows[e.y]
		for len(line.text) <= e.x {
			line.text = append(line.text, ' ')
		}
		line.text[e.x] = r
		e.x++
	}
}

func (e *emulator) down(wrapped bool) {
	e.rows[e.y].wrapped = wrapped
	if e.y++; e.y == len(e.rows) {
		e.rows = append(e.rows, emulatorLine{})
	}
}

// resize changes the width, and breaks the lines anew. The cursor is at the beginning of a line.
func (e *emulator) resize(columns int) {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.columns = columns
	var rows []emulatorLine
	var whole []rune
	for i, line := range e.rows {
		if i == e.y {
			e.y = -1 // found below
		}
		whole = append(whole, line.text...)
		if line.wrapped {
			continue
		}
		for len(whole) > columns {
			rows = append(rows, emulatorLine{text: whole[:columns:columns], wrapped: true})
			whole = whole[columns:]
		}
		if e.y < 0 {
			e.y = len(rows)
		}
		rows = append(rows, emulatorLine{text: whole})
		whole = nil
	}
	e.rows = rows
}

// screen is what was ever shown and not erased, without blank lines at the end.
func (e *emulator) screen() string {
	e.mu.Lock()
	defer e.mu.Unlock()
	var b strings.Builder
	for _, line := range e.rows {
		b.WriteString(strings.TrimRight(string(line.text), " "))
		b.WriteString("\n")
	}
	return strings.TrimRight(b.String(), "\n") + "\n"
}
