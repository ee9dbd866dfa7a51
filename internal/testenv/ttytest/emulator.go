package ttytest

import (
	"fmt"
	"strings"
	"sync"
)

// Emulator is the screen of a terminal, as far as kis makes use of one: it interprets what is
// written to it. It breaks long lines again when its width changes, as most terminals do.
type Emulator struct {
	mu      sync.Mutex
	columns int
	lines   int
	rows    []screenLine // of the screen and above it
	x, y    int          // of the cursor; y is an index of rows
	Writes  int          // calls of Write
	Colors  int          // sequences that change colors
	Unknown []string     // sequences that it does not know
}

type screenLine struct {
	text    []rune
	wrapped bool // continues in the next
}

// NewEmulator returns a blank screen of so many columns and lines.
func NewEmulator(columns, lines int) *Emulator {
	return &Emulator{columns: columns, lines: lines, rows: make([]screenLine, 1)}
}

// Width is its columns now.
func (e *Emulator) Width() int {
	e.mu.Lock()
	defer e.mu.Unlock()
	return e.columns
}

// Height is its lines.
func (e *Emulator) Height() int {
	e.mu.Lock()
	defer e.mu.Unlock()
	return e.lines
}

// Write shows text.
func (e *Emulator) Write(text []byte) (int, error) {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.Writes++
	rest := string(text)
	for rest != "" {
		if parameters, ok := strings.CutPrefix(rest, "\x1b["); ok {
			end := strings.IndexFunc(parameters, func(r rune) bool { return r >= '@' && r <= '~' })
			if end < 0 {
				e.Unknown = append(e.Unknown, rest)
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

func (e *Emulator) control(parameters string, final byte) {
	switch final {
	case 'A':
		n := 1
		_, _ = fmt.Sscan(parameters, &n)
		e.y = max(e.y-n, e.top())
	case 'K':
		e.eraseLine()
	case 'J':
		e.eraseLine()
		e.rows = e.rows[:e.y+1]
	case 'm':
		e.Colors++
	default:
		e.Unknown = append(e.Unknown, parameters+string(final))
	}
}

// eraseLine erases from the cursor to the end of the line.
func (e *Emulator) eraseLine() {
	line := &e.rows[e.y]
	line.text = line.text[:min(e.x, len(line.text))]
	if e.x == 0 {
		line.wrapped = false
	}
}

// top is the first row of the screen.
func (e *Emulator) top() int { return max(len(e.rows)-e.lines, 0) }

func (e *Emulator) put(r rune) {
	switch {
	case r == '\r':
		e.x = 0
	case r == '\n': // which the kernel turns into \r\n
		e.x = 0
		e.down(false)
	case r < ' ':
		e.Unknown = append(e.Unknown, string(r))
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

func (e *Emulator) down(wrapped bool) {
	if wrapped { // otherwise the line stays what it was, as in tmux
		e.rows[e.y].wrapped = true
	}
	if e.y++; e.y == len(e.rows) {
		e.rows = append(e.rows, screenLine{})
	}
}

// Resize changes the width, and breaks the lines anew. The cursor is at the beginning of a line.
func (e *Emulator) Resize(columns int) {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.columns = columns
	var rows []screenLine
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
			rows = append(rows, screenLine{text: whole[:columns:columns], wrapped: true})
			whole = whole[columns:]
		}
		if e.y < 0 {
			e.y = len(rows)
		}
		rows = append(rows, screenLine{text: whole})
		whole = nil
	}
	e.rows = rows
}

// Text is what was ever shown and not erased, without blank lines at the end.
func (e *Emulator) Text() string {
	e.mu.Lock()
	defer e.mu.Unlock()
	var b strings.Builder
	for _, line := range e.rows {
		b.WriteString(strings.TrimRight(string(line.text), " "))
		b.WriteString("\n")
	}
	return strings.TrimRight(b.String(), "\n") + "\n"
}
