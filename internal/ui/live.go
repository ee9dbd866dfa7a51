package ui

import (
	"io"
	"slices"
	"sync"
	"time"

	"github.com/keep-it-simple/kis/internal/event"
	"github.com/keep-it-simple/kis/internal/guard"
)

// liveArea is the rows at the bottom of a terminal that are rewritten: they show what kis waits
// for. They are erased before anything else is printed. A nil liveArea shows nothing, which is
// right for a pipe or a log.
//
// The cursor stands below the rows, at the beginning of a line, where the terminal echoes ^C: it is
// erased with them. Nothing about the terminal is changed, not even the visibility of the cursor, so
// that a kis that is killed leaves it as it was.
type liveArea struct {
	out     Printer
	paint   painter
	columns func() int
	lines   func() int // of the terminal; nil: unknown

	mu       sync.Mutex
	progress progress
	drawn    []row    // what is on the screen
	width    int      // of the terminal when it was drawn
	cleared  bool     // it was erased for something that is printed
	pauses   int      // questions that are being asked
	held     []func() // print when no question is being asked
	stopped  bool
	ended    chan struct{}
	redraws  guard.Group
	once     sync.Once // of stop
}

const (
	redrawInterval = 125 * time.Millisecond // a step is shown after minShown and this, at the latest
	maxRows        = 8
	freeLines      = 2 // of a low terminal: one for the cursor, one for what is printed
)

// root is the outermost UI at this terminal, which has the live area.
func (u *UI) root() *UI {
	for u.Outer != nil {
		u = u.Outer
	}
	return u
}

// area is the live area that is shown now, nil for none.
func (u *UI) area() *liveArea { return u.root().live.Load() }

// beginLive starts the live area, on a terminal that can show one, unless there is one. end stops it.
func (u *UI) beginLive() (end func()) {
	if u.area() != nil || !u.Terminal || u.Columns == nil || u.Quiet || u.WantsJSON() || isDumb() {
		return func() {}
	}
	l := u.newLiveArea()
	u.root().live.Store(l)
	return func() {
		l.stop()
		u.root().live.Store(nil)
	}
}

// Watch takes what a fleet tells of its hosts, and shows for which of them kis waits.
func (u *UI) Watch(host string, busy bool) {
	u.area().local(func(w *localWork) {
		if w.busy = slices.DeleteFunc(w.busy, func(other string) bool { return other == host }); busy {
			w.busy = append(w.busy, host)
			slices.Sort(w.busy)
		}
	})
}

// Waiting shows in the live area what kis waits for, until end is called.
func (u *UI) Waiting(what string) (end func()) {
	stop := u.beginLive()
	var before localWork
	u.area().local(func(w *localWork) { before, *w = *w, localWork{what: what, since: time.Now()} })
	return sync.OnceFunc(func() {
		u.area().local(func(w *localWork) { *w = before })
		stop()
	})
}

// EndLive erases the live area, whatever is shown.
func (u *UI) EndLive() {
	u.area().stop()
	u.root().live.Store(nil)
}

// leaveTimeout is how long the terminal may take to erase the live area.
const leaveTimeout = 200 * time.Millisecond

// Leave is EndLive for a process that is about to exit in any case: it gives up where the terminal
// takes no output.
func (u *UI) Leave() {
	erased := make(chan struct{})
	guard.Go(func() {
		defer close(erased)
		u.EndLive()
	}, u.Caught)
	select {
	case <-erased:
	case <-time.After(leaveTimeout):
	}
}

// newLiveArea starts the area. Call stop.
func (u *UI) newLiveArea() *liveArea {
	l := &liveArea{out: u.Out, paint: u.painter(), columns: u.Columns, lines: u.Lines, ended: make(chan struct{})}
	l.redraws.Go(func() {
		ticker := time.NewTicker(redrawInterval)
		defer ticker.Stop()
		for {
			select {
			case <-ticker.C:
				l.redraw()
			case <-l.ended:
				return
			}
		}
	}, u.Caught)
	return l
}

// lifted returns a printer that erases the live area before it prints. It is used by what around
// calls.
func (u *UI) lifted(p Printer) Printer { return Printer{lifted{u, p.w}} }

// lifted writes above the live area, whose lock is held.
type lifted struct {
	ui *UI
	w  io.Writer
}

// Write writes.
func (w lifted) Write(text []byte) (int, error) {
	w.ui.area().clear()
	return w.w.Write(text) //nolint:forbidigo // what a printer made
}

// around prints with lifted printers, and shows the area again.
func (l *liveArea) around(print func()) {
	if l == nil {
		print()
		return
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.pauses > 0 {
		l.held = append(l.held, print)
		return
	}
	print()
	if l.cleared {
		l.draw(time.Now())
	}
}

// pause erases the area, and holds back everything that is printed around it until resume is
// called, because the user is typing an answer.
func (l *liveArea) pause() (resume func()) {
	if l == nil {
		return func() {}
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	l.clear()
	l.pauses++
	return sync.OnceFunc(func() {
		l.mu.Lock()
		defer l.mu.Unlock()
		if l.pauses--; l.pauses == 0 {
			l.flush()
			l.draw(time.Now())
		}
	})
}

func (l *liveArea) flush() {
	held := l.held
	l.held = nil // a print that panics is not repeated
	for _, print := range held {
		print()
	}
}

// redraw shows what has changed.
func (l *liveArea) redraw() {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.pauses == 0 {
		l.draw(time.Now())
	}
}

func (l *liveArea) draw(now time.Time) {
	if l.stopped { // a question that ends later must not show the rows again
		return
	}
	width, most := l.columns(), maxRows
	if l.lines != nil {
		most = min(most, l.lines()-freeLines)
	}
	rows := l.progress.rows(now, width-1, most) // with one column less, because some terminals wrap at the last one
	l.cleared = false
	if slices.Equal(rows, l.drawn) && (width == l.width || rows == nil) {
		return
	}
	if width != l.width { // text that replaces a line which the terminal has wrapped would still count as wrapped
		l.clear()
	}
	painted := make([]colored, len(rows))
	for i, r := range rows {
		painted[i] = l.paint.sgr(map[bool]string{true: "1"}[r.rule], r.text)
	}
	l.out.replace(l.height(width), painted)
	l.drawn, l.width, l.cleared = rows, width, false
}

// height is the number of lines of the screen that the area takes. A terminal that became narrower
// has wrapped them.
func (l *liveArea) height(width int) int {
	lines := 0
	for _, r := range l.drawn {
		lines++
		if width < l.width {
			lines += max(cellsOf(r.text)-1, 0) / max(width, 1)
		}
	}
	return lines
}

// clear erases the area. The lock is held.
func (l *liveArea) clear() {
	if l != nil && l.drawn != nil {
		l.out.replace(l.height(l.columns()), nil)
		l.drawn, l.cleared = nil, true
	}
}

// follow takes an event of a run.
func (l *liveArea) follow(e event.Event) {
	if l == nil {
		return
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	l.progress.follow(e)
}

// line shows the newest line of the output of local work.
func (l *liveArea) line(line string) { l.local(func(w *localWork) { w.line = line }) }

// local changes what local work is shown.
func (l *liveArea) local(change func(w *localWork)) {
	if l == nil {
		return
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	change(&l.progress.local)
}

// stop erases the area for good.
func (l *liveArea) stop() {
	if l == nil {
		return
	}
	l.once.Do(func() {
		close(l.ended)
		l.redraws.Wait()
		l.mu.Lock()
		defer l.mu.Unlock()
		l.clear()
		l.stopped = true
		l.flush()
	})
}
