package main

import (
	"encoding/json"
	"fmt"
	"io"
	"unicode/utf8"

	"github.com/keep-it-simple/kis/internal/event"
	"github.com/keep-it-simple/kis/internal/sdist"
)

// view shows a run. The text view may use only what the JSON view prints.
type view interface {
	say(sentence string)               // something about this machine's own work
	buildLog() io.Writer               // where the output of the build goes
	building(a *app) (end func())      // this machine builds until end is called
	archive(a *sdist.Archive)          // the source distribution is there
	begin(a *app)                      // a run is about to begin; report ends what it starts
	event(e event.Event)               // one at a time, in order
	report(r event.Report, log string) // the end; log is where the run's log is
}

var (
	_ view = (*jsonView)(nil)
	_ view = (*textView)(nil)
)

func (a *app) view() view {
	if a.output == outputJSON {
		return &jsonView{out: a.Out}
	}
	return newTextView(a)
}

// jsonView prints every event as one line of JSON, and nothing else.
type jsonView struct{ out io.Writer }

func (v *jsonView) say(sentence string) {
	writeJSON(v.out, map[string]any{"type": "notice", "message": sentence})
}

func (v *jsonView) buildLog() io.Writer { return io.Discard }

func (v *jsonView) building(*app) (end func()) { return func() {} }

func (v *jsonView) archive(a *sdist.Archive) {
	writeJSON(v.out, map[string]any{
		"type": "sdist", "schema": event.Schema, "path": a.Path, "name": a.Name, "version": a.Version, "package": a.Package, "sha256": a.SHA256, "content": a.Content,
		"bytes": a.Size, "files": a.Files, "warnings": append([]string{}, a.Warnings...),
	})
}

func (v *jsonView) begin(*app) {}

func (v *jsonView) event(e event.Event) { writeJSON(v.out, e) }

func (v *jsonView) report(event.Report, string) {} // the report is the last event

// writeJSON writes one line. What cannot be written is told by executeAll.
func writeJSON(w io.Writer, value any) { _ = tryJSON(w, value) }

// tryJSON is writeJSON for what has to arrive.
func tryJSON(w io.Writer, value any) error {
	line, err := json.Marshal(value)
	if err == nil {
		_, err = w.Write(append(harmlessJSON(line), '\n'))
	}
	return err
}

// harmlessJSON spells out, as \uXXXX, what a terminal might obey: RFC 8259 asks for that below U+0020 only, and JSON is looked at too. What
// it spells can only be inside of strings, so that the value stays the same.
func harmlessJSON(line []byte) []byte {
	var out []byte
	for _, r := range string(line) {
		switch {
		case printable(r):
			out = utf8.AppendRune(out, r)
		default: // all of them are in the first plane
			out = fmt.Appendf(out, `\u%04x`, r)
		}
	}
	return out
}
