package pybuild

import (
	"io"
	"slices"
	"strings"
	"unicode"
)

const (
	tailLines  = 20
	tailColumn = 500 // bytes of a line that are kept
)

// tail writes output to a log and keeps its last lines.
type tail struct {
	log  io.Writer
	last []string
	line []byte
}

// Write never fails: an error of the log does not fail the build.
func (t *tail) Write(p []byte) (int, error) {
	_, _ = t.log.Write(p)
	for _, c := range p {
		if c == '\n' {
			t.end()
		} else if len(t.line) < tailColumn {
			t.line = append(t.line, c)
		}
	}
	return len(p), nil
}

func (t *tail) end() {
	text := strings.TrimRightFunc(strings.Map(func(r rune) rune {
		if r == '\t' {
			return ' '
		}
		if !unicode.IsPrint(r) {
			return -1
		}
		return r
	}, string(t.line)), unicode.IsSpace)
	t.line = t.line[:0]
	if text == "" {
		return
	}
	if len(t.last) == tailLines {
		t.last = slices.Delete(t.last, 0, 1)
	}
	t.last = append(t.last, text)
}

func (t *tail) lines() []string {
	if len(t.line) > 0 {
		t.end()
	}
	return t.last
}
