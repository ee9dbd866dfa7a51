// Package tail keeps the last lines of an output, for error messages.
package tail

import (
	"slices"
	"strings"
	"sync"
	"unicode"
)

// Bounds of what is kept, because a program may print without end.
const (
	MaxLines = 20  // that Lines returns
	MaxKept  = 300 // in which Cause is searched
	MaxWidth = 400 // bytes of a line
)

// Lines is a writer that keeps the last lines written to it, without white space at their ends and
// without empty ones. The zero value is ready. Goroutines may use it at the same time.
type Lines struct {
	mu      sync.Mutex
	lines   []string
	partial []byte // of the line that is not complete
}

// Write never fails.
func (l *Lines) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, c := range p {
		if c == '\n' {
			l.lines = add(l.lines, l.partial)
			l.partial = l.partial[:0]
		} else if len(l.partial) < MaxWidth {
			l.partial = append(l.partial, c)
		}
	}
	return len(p), nil
}

// Lines returns the last MaxLines lines, oldest first, an incomplete one at the end among them.
func (l *Lines) Lines() []string { return Last(l.all()) }

// Last returns the last MaxLines of some lines.
func Last(lines []string) []string { return lines[max(0, len(lines)-MaxLines):] }

// Cause returns the Cause among the last MaxKept lines.
func (l *Lines) Cause() string { return Cause(l.all()) }

func (l *Lines) all() []string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return add(slices.Clone(l.lines), l.partial)
}

// Reset forgets everything.
func (l *Lines) Reset() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.lines, l.partial = nil, nil
}

func add(lines []string, line []byte) []string {
	text := strings.TrimRightFunc(string(line), unicode.IsSpace)
	if text == "" {
		return lines
	}
	if len(lines) == MaxKept {
		lines = slices.Delete(lines, 0, 1)
	}
	return append(lines, text)
}
