package main

import (
	"io"

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
type jsonView struct{ out printer }

func (v *jsonView) say(sentence string) {
	v.out.json(map[string]any{"type": "notice", "message": sentence})
}

func (v *jsonView) buildLog() io.Writer { return io.Discard }

func (v *jsonView) building(*app) (end func()) { return func() {} }

func (v *jsonView) archive(a *sdist.Archive) {
	v.out.json(map[string]any{
		"type": "sdist", "schema": event.Schema, "path": a.Path, "name": a.Name, "version": a.Version, "package": a.Package, "sha256": a.SHA256, "content": a.Content,
		"bytes": a.Size, "files": a.Files, "warnings": append([]string{}, a.Warnings...),
	})
}

func (v *jsonView) begin(*app) {}

func (v *jsonView) event(e event.Event) { v.out.json(e) }

func (v *jsonView) report(event.Report, string) {} // the report is the last event
