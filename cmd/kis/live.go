package main

import (
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/keep-it-simple/kis/internal/event"
	"github.com/keep-it-simple/kis/internal/guard"
	"github.com/keep-it-simple/kis/internal/safetext"
)

// liveLine is the one line of a terminal that is rewritten: what is being waited for. It is the last line while it is shown, and is taken away
// before anything else is printed. A nil liveLine shows nothing, which is right for a pipe or a log.
type liveLine struct {
	out   printer
	width func() int // of the terminal, in columns

	mu     sync.Mutex
	local  activeLocal  // what this machine does; zero for nothing
	active []activeStep // in the order in which they began
	shown  bool
	pauses int      // questions that are being asked
	held   []func() // what is to be printed when none is
	ended  chan struct{}
	owned  guard.Group
	once   sync.Once // of stop
}

// activeLocal is something that this machine does before there is a run.
type activeLocal struct {
	what  string
	since time.Time
}

// activeStep is a step on a host that has begun and not ended.
type activeStep struct {
	host  string
	step  event.Step
	since time.Time
	done  int64 // of total bytes, while uploading
	total int64
}

// redrawEvery keeps the seconds going; worthShowing keeps quick steps from flickering.
const (
	redrawEvery  = time.Second
	worthShowing = time.Second
)

// newLiveLine starts the line. Call stop.
func newLiveLine(out printer, width func() int, caught func(*guard.Panic)) *liveLine {
	l := &liveLine{out: out, width: width, ended: make(chan struct{})}
	l.owned.Go(func() {
		ticker := time.NewTicker(redrawEvery)
		defer ticker.Stop()
		for {
			select {
			case <-ticker.C:
				l.around(func() {})
			case <-l.ended:
				return
			}
		}
	}, caught)
	return l
}

// around takes the line away, prints, and puts the line back.
func (l *liveLine) around(print func()) {
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
	l.clear()
	print()
	l.show()
}

// pause takes the line away, and keeps back everything that goes through it until resume is called, because somebody is typing an answer.
func (l *liveLine) pause() (resume func()) {
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
			l.show()
		}
	})
}

func (l *liveLine) flush() {
	held := l.held
	l.held = nil // what panics once is not printed again
	for _, print := range held {
		print()
	}
}

func (l *liveLine) show() {
	if text := l.text(time.Now()); text != "" {
		l.out.printf("%s", text)
		l.shown = true
	}
}

func (l *liveLine) clear() {
	if l.shown {
		l.out.erase()
		l.shown = false
	}
}

// follow notes what has begun and what has ended.
func (l *liveLine) follow(e event.Event) {
	if l == nil || e.Type != event.TypeStep && e.Type != event.TypeProgress {
		return
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	at := slices.IndexFunc(l.active, func(a activeStep) bool { return a.host == e.Host && a.step == e.Step })
	switch {
	case e.Type == event.TypeProgress && at >= 0:
		l.active[at].done, l.active[at].total = e.Done, e.Total
	case e.State == event.Started:
		l.active = append(l.active, activeStep{host: e.Host, step: e.Step, since: e.Time})
	case at >= 0:
		l.active = slices.Delete(l.active, at, at+1)
	}
}

// here notes what this machine does.
func (l *liveLine) here(what string, since time.Time) {
	if l == nil {
		return
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	l.local = activeLocal{what: what, since: since}
}

// text is the line: each step that is worth showing, with its hosts and the time of the slowest.
func (l *liveLine) text(now time.Time) string {
	var parts []string
	if l.local.what != "" && now.Sub(l.local.since) >= worthShowing {
		parts = append(parts, fmt.Sprintf("%s (%d s)", l.local.what, int(now.Sub(l.local.since).Seconds())))
	}
	for len(parts) < 3 {
		var hosts []string
		var first activeStep
		for _, a := range l.active {
			if now.Sub(a.since) < worthShowing || slices.ContainsFunc(parts, func(p string) bool { return strings.HasPrefix(p, string(a.step)+" ") }) {
				continue
			}
			if len(hosts) == 0 {
				first = a
			}
			if a.step == first.step {
				hosts = append(hosts, a.host)
			}
		}
		if len(hosts) == 0 {
			break
		}
		parts = append(parts, fmt.Sprintf("%s on %s (%s)", first.step, list(hosts, 3), first.progress(now)))
	}
	if len(parts) == 0 {
		return ""
	}
	return cut("… "+safetext.Line(strings.Join(parts, ", ")), l.width()-1)
}

func (a activeStep) progress(now time.Time) string {
	text := fmt.Sprintf("%d s", int(now.Sub(a.since).Seconds()))
	if a.total > 0 {
		text = fmt.Sprintf("%d %%, ", 100*a.done/a.total) + text
	}
	return text
}

// cut shortens a safe text to so many columns. Where it is not certain how wide terminals show a character, it counts as a wide one, because a
// line that is too long cannot be taken away.
func cut(text string, columns int) string {
	if columns <= 0 {
		return text
	}
	used, end := 0, 0 // end is where a text that is too long ends
	for i, r := range text {
		if used < columns {
			end = i
		}
		if used += cells(r); used > columns {
			return text[:end] + "…"
		}
	}
	return text
}

// cells is how many columns a character may take: two in Hangul, in the writings of East Asia and of the symbols.
func cells(r rune) int {
	if r >= 0x1100 && r < 0x1200 || r >= 0x2300 {
		return 2
	}
	return 1
}

// stop takes the line away for good.
func (l *liveLine) stop() {
	if l == nil {
		return
	}
	l.once.Do(l.end)
}

func (l *liveLine) end() {
	close(l.ended)
	l.owned.Wait()
	l.mu.Lock()
	defer l.mu.Unlock()
	l.local, l.active = activeLocal{}, nil // an answer that comes later brings no line back
	l.clear()
	l.flush()
}
