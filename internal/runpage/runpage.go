// Package runpage draws a run as one page of HTML: a timeline of steps over hosts, the barrier, the switch, what
// failed and why. The page needs no network and no script.
package runpage

import (
	"embed"
	"fmt"
	"html/template"
	"io"
	"slices"
	"strings"
	"time"

	"github.com/keep-it-simple/kis/internal/event"
	"github.com/keep-it-simple/kis/internal/runlog"
	"github.com/keep-it-simple/kis/internal/safetext"
	"github.com/keep-it-simple/kis/internal/ui"
)

//go:embed page.html
var files embed.FS

// Write writes the page of a run. Everything that hosts and programs have printed is text on it.
func Write(w io.Writer, r runlog.Run) error {
	page, err := template.ParseFS(files, "page.html")
	if err != nil {
		return err
	}
	return page.Execute(w, newPage(r))
}

// The measures of the drawing, in its own units.
const (
	left   = 170 // of the names
	wide   = 1000
	row    = 22
	height = 14 // of a bar
	top    = 26 // of the axis
)

// page is what the template shows.
type page struct {
	Title, Sentence, By, Run, Version string
	Begin                             time.Time
	Exit                              int
	Good, Ended                       bool
	Rows                              []line
	Marks                             []mark
	Ticks                             []mark
	Width, Height                     float64
	Phases                            []phase
	Failures                          []failure
	Hosts                             []host
	Notices, Output                   []string
	Skew                              string
}

// line is the row of a host.
type line struct {
	Host string
	Y    float64
	Bars []bar
}

// bar is a step.
type bar struct {
	X, Y, Width, Height float64
	Class, Title        string
}

// mark is a vertical line with a word.
type mark struct {
	X, Bottom float64
	Class     string
	Text      string
	Anchor    string // of the text
	Shift     float64
}

type phase struct {
	Name, Time string
	Percent    float64
}

type failure struct {
	Hosts, Step, Text, Hint string
	Tail                    []string
}

type host struct{ Name, Was, Now, Note string }

func newPage(r runlog.Run) page {
	p := page{Title: strings.TrimSpace(fmt.Sprintf("%s %s %s", r.Header.Op, r.Header.Stage, packageOf(r))), By: r.Header.By, Version: r.Header.Version, Begin: r.Header.Time, Width: left + wide}
	p.draw(r)
	for _, e := range r.Events {
		switch e.Type {
		case event.TypeStart:
			p.Run = e.Run
		case event.TypeNotice:
			p.Notices = append(p.Notices, named(e.Host, e.Message))
		case event.TypeOutput:
			p.Output = append(p.Output, named(e.Host, string(e.Step)+" | "+e.Message))
		case event.TypeReport:
			p.report(*e.Report)
		case event.TypeStep, event.TypeCommand, event.TypeProgress, event.TypeBarrier:
		}
	}
	if !p.Ended {
		p.Sentence = "the log has no end: kis was killed, or is still running; what is true now: kis status " + r.Header.Stage
	}
	return p
}

func packageOf(r runlog.Run) string {
	for _, e := range slices.Backward(r.Events) {
		if e.Report != nil {
			return e.Report.Package
		}
	}
	for _, e := range r.Events {
		if e.Type == event.TypeStart {
			return e.Package
		}
	}
	return ""
}

func named(host, text string) string {
	if host == "" {
		return text
	}
	return host + ": " + text
}

// draw makes the timeline.
func (p *page) draw(r runlog.Run) {
	if len(r.Events) == 0 {
		return
	}
	begin, end := r.Events[0].Time, r.Events[len(r.Events)-1].Time
	scale := float64(wide) / max(end.Sub(begin).Seconds(), 0.001)
	x := func(at time.Time) float64 { return left + at.Sub(begin).Seconds()*scale }
	rows := map[string]int{}
	open := map[string]event.Event{}
	at := func(host string) *line {
		i, some := rows[host]
		if !some {
			i = len(p.Rows)
			rows[host] = i
			p.Rows = append(p.Rows, line{Host: host, Y: top + float64(i)*row})
		}
		return &p.Rows[i]
	}
	for _, e := range r.Events {
		for _, h := range e.Hosts {
			at(h) // in the order of the run
		}
		key := e.Host + "\x00" + string(e.Step)
		switch {
		case e.Type == event.TypeBarrier && e.State == event.Done:
			p.Marks = append(p.Marks, mark{X: x(e.Time), Class: "barrier", Text: "barrier"})
		case e.Type == event.TypeBarrier:
			p.Marks = append(p.Marks, mark{X: x(e.Time), Class: "barrier bad", Text: "barrier: not every host is ready"})
		case e.Type != event.TypeStep || e.Host == "":
		case e.State == event.Started:
			open[key] = e
		default:
			from := e.Time
			if begun, some := open[key]; some {
				from = begun.Time
			}
			delete(open, key)
			l := at(e.Host)
			l.Bars = append(l.Bars, newBar(l.Y, x(from), x(e.Time), e, e.Time.Sub(from)))
		}
	}
	for _, e := range open { // what never ended
		l := at(e.Host)
		e.State = event.Unknown
		l.Bars = append(l.Bars, newBar(l.Y, x(e.Time), x(end), e, end.Sub(e.Time)))
	}
	p.Height = top + float64(len(p.Rows))*row + 6
	for i := range p.Marks {
		m := &p.Marks[i]
		m.Bottom, m.Anchor, m.Shift = p.Height, "start", 4
		if m.X > left+wide*3/4 { // the text would leave the drawing
			m.Anchor, m.Shift = "end", -4
		}
	}
	p.Ticks = ticks(end.Sub(begin), scale, p.Height)
}

func newBar(y, from, to float64, e event.Event, took time.Duration) bar {
	title := fmt.Sprintf("%s: %s: %s, %s", e.Host, e.Step, e.State, safetext.Duration(took))
	if e.Message != "" {
		title += ": " + e.Message
	}
	return bar{X: from, Y: y, Width: max(to-from, 1.5), Height: height, Class: kind(e.Step) + " " + string(e.State), Title: title}
}

// kind is the group of steps that share a color.
func kind(s event.Step) string {
	switch s {
	case event.StepConnect, event.StepCheck, event.StepLock, event.StepPackage:
		return "reach"
	case event.StepUpload, event.StepUnpack, event.StepWheels, event.StepEnvironment:
		return "build"
	case event.StepPrepare, event.StepVerify, event.StepSeal, event.StepVerifyStage, event.StepBeforeLink:
		return "verify"
	case event.StepArm, event.StepRollCall, event.StepLink:
		return "switch"
	case event.StepRevert, event.StepResolve:
		return "revert"
	}
	return "service"
}

// ticks are at most ten round times on the axis.
func ticks(total time.Duration, scale, bottom float64) []mark {
	step := time.Second / 10
	for _, factor := range []time.Duration{1, 2, 5, 10, 20, 50, 100, 300, 600, 1200, 3000, 6000, 18000, 36000} {
		if step = factor * time.Second / 10; total/step <= 10 {
			break
		}
	}
	var all []mark
	for at := time.Duration(0); at <= total; at += step {
		all = append(all, mark{X: left + at.Seconds()*scale, Bottom: bottom, Text: safetext.Duration(at)})
	}
	return all
}

// report shows how the run ended.
func (p *page) report(r event.Report) {
	p.Ended, p.Exit, p.Good, p.Sentence = true, r.Exit, r.Exit == 0, ui.Summary(r)
	if r.Skew != nil {
		p.Skew = fmt.Sprintf("%.1f ms ± %.1f", r.Skew.Seconds*1000, r.Skew.Error*1000)
	}
	for _, f := range r.Phases {
		p.Phases = append(p.Phases, phase{f.Name, safetext.Duration(time.Duration(f.Seconds * float64(time.Second))), 100 * f.Seconds / max(r.Seconds, 0.001)})
	}
	for _, b := range ui.Fold(r.Failures) {
		f := b.Failure
		p.Failures = append(p.Failures, failure{strings.Join(b.Hosts, ", "), string(f.Step), f.Text(), f.Hint, f.Tail})
	}
	for _, h := range r.Hosts {
		now := event.LinkText(h.Linked)
		if !h.LinkKnown {
			now = "unknown"
		}
		one := host{Name: h.Host, Was: event.LinkText(h.Was), Now: now}
		if h.Degraded {
			one.Note = "did not come back into service"
		}
		p.Hosts = append(p.Hosts, one)
	}
}
