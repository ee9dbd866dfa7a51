package ui

import (
	"io"

	"github.com/keep-it-simple/kis/internal/event"
	"github.com/keep-it-simple/kis/internal/sdist"
)

// View shows a run. The text view may use only what the JSON view prints.
type View interface {
	Say(sentence string)               // something about the local work of kis
	BuildLog() io.Writer               // takes the output of the build
	Building() (end func())            // the local build runs until end is called
	Archive(a *sdist.Archive)          // the source distribution is complete
	Begin() (end func())               // a run begins; end stops what shows its progress
	Event(e event.Event)               // one at a time, in order
	Report(r event.Report, log string) // the end; log is the path of the run's log
}

var (
	_ View = (*jsonView)(nil)
	_ View = (*textView)(nil)
)

// View returns a new view in the output format of the user.
func (u *UI) View() View {
	if u.WantsJSON() {
		return &jsonView{out: u.Out}
	}
	return newTextView(u)
}

// jsonView prints every event as one line of JSON, and nothing else.
type jsonView struct{ out Printer }

// Say prints a notice.
func (v *jsonView) Say(sentence string) {
	v.out.json(map[string]any{"type": event.TypeNotice, "message": sentence})
}

// BuildLog discards the output of the build.
func (v *jsonView) BuildLog() io.Writer { return io.Discard }

// Building does nothing.
func (v *jsonView) Building() (end func()) { return func() {} }

// Archive prints the source distribution.
func (v *jsonView) Archive(a *sdist.Archive) {
	v.out.json(sdistRecord{newHead("sdist"), a.Path, a.Name, a.Version, a.Package, a.SHA256, a.Content, a.Size, a.Files, listOf(a.Warnings)})
}

// Begin does nothing.
func (v *jsonView) Begin() (end func()) { return func() {} }

// Event prints the event.
func (v *jsonView) Event(e event.Event) { v.out.json(e) }

// Report does nothing: the report is the last event.
func (v *jsonView) Report(event.Report, string) {}
