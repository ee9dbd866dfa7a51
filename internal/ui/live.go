package ui

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

// liveLine is the one line of a terminal that is rewritten: it shows what kis waits for. It is the
// last line of the output, and is erased before anything else is printed. A nil liveLine shows
// nothing, which is right for a pipe or a log.
type liveLine struct {
	out   Printer
	width func() int // of the terminal, in columns

	mu      sync.Mutex
	local   localWork    // zero for none
	active  []activeStep // in the order in which they began
	shown   bool
	pauses  int      // questions that are being asked
	held    []func() // print when no question is being asked
	ended   chan struct{}
	redraws guard.Group
	once    sync.Once // of stop
}

// localWork is something that kis does on this machine before a run.
type localWork struct {
	what  string
	since time.Time
}

// activeStep is a step on a host that has begun and has not ended.
type activeStep struct {
	host    string
	step    event.Step
	command string // of the inventory that runs, "" for none
	since   time.Time
	done    int64 // of total bytes, while uploading
	total   int64
}

const (
	redrawInterval = time.Second
	minShown       = time.Second // shorter steps would flicker
	maxCommand     = 40          // columns of a command
)

// newLiveLine starts the line. Call stop.
func newLiveLine(out Printer, width func() int, caught func(*guard.Panic)) *liveLine {
	l := &liveLine{out: out, width: width, ended: make(chan struct{})}
	l.redraws.Go(func() {
		ticker := time.NewTicker(redrawInterval)
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

// around erases the line, prints, and shows the line again.
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

// pause erases the line, and holds back everything that is printed around it until resume is
// called, because the user is typing an answer.
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
	l.held = nil // a print that panics is not repeated
	for _, print := range held {
		print()
	}
}

func (l *liveLine) show() {
	if text := l.text(time.Now()); text != "" {
		l.out.Printf("%s", text)
		l.shown = true
	}
}

func (l *liveLine) clear() {
	if l.shown {
		l.out.erase()
		l.shown = false
	}
}

// follow records which steps have begun and ended.
func (l *liveLine) follow(e event.Event) {
	if l == nil || e.Type != event.TypeStep && e.Type != event.TypeProgress && e.Type != event.TypeCommand {
		return
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	at := slices.IndexFunc(l.active, func(a activeStep) bool { return a.host == e.Host && a.step == e.Step })
	switch {
	case e.Type == event.TypeCommand:
		if at >= 0 && e.State == event.Started {
			l.active[at].command = e.Message
		}
	case e.Type == event.TypeProgress && at >= 0:
		l.active[at].done, l.active[at].total = e.Done, e.Total
	case e.State == event.Started:
		l.active = append(l.active, activeStep{host: e.Host, step: e.Step, since: e.Time})
	case at >= 0:
		l.active = slices.Delete(l.active, at, at+1)
	}
}

// here shows local work.
func (l *liveLine) here(what string, since time.Time) {
	if l == nil {
		return
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	l.local = localWork{what: what, since: since}
}

// text is the line: each step that takes a while, with its hosts and the time of the slowest.
func (l *liveLine) text(now time.Time) string {
	var parts []string
	if l.local.what != "" && now.Sub(l.local.since) >= minShown {
		parts = append(parts, fmt.Sprintf("%s (%d s)", l.local.what, int(now.Sub(l.local.since).Seconds())))
	}
	for len(parts) < 3 {
		var hosts []string
		var first activeStep
		for _, a := range l.active {
			if now.Sub(a.since) < minShown || slices.ContainsFunc(parts, func(p string) bool { return strings.HasPrefix(p, a.what()+" on ") }) {
				continue
			}
			if len(hosts) == 0 {
				first = a
			}
			if a.step == first.step && a.command == first.command {
				hosts = append(hosts, a.host)
			}
		}
		if len(hosts) == 0 {
			break
		}
		parts = append(parts, fmt.Sprintf("%s on %s (%s)", first.what(), list(hosts, 3), first.progress(now)))
	}
	if len(parts) == 0 {
		return ""
	}
	return cut("… "+safetext.Line(strings.Join(parts, ", ")), l.width()-1)
}

// what names the step, and the command that it runs.
func (a activeStep) what() string {
	if a.command == "" {
		return string(a.step)
	}
	return string(a.step) + ": " + cut(safetext.Line(a.command), maxCommand)
}

func (a activeStep) progress(now time.Time) string {
	text := fmt.Sprintf("%d s", int(now.Sub(a.since).Seconds()))
	if a.total > 0 {
		text = fmt.Sprintf("%d %%, ", 100*a.done/a.total) + text
	}
	return text
}

// cut shortens a safe text to so many columns. A character that some terminals show wide counts as
// wide, because a line that wraps cannot be erased.
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

// cells is how many columns a character may take: two in Hangul, East Asian scripts and symbols.
func cells(r rune) int {
	if r >= 0x1100 && r < 0x1200 || r >= 0x2300 {
		return 2
	}
	return 1
}

// stop erases the line for good.
func (l *liveLine) stop() {
	if l == nil {
		return
	}
	l.once.Do(l.end)
}

func (l *liveLine) end() {
	close(l.ended)
	l.redraws.Wait()
	l.mu.Lock()
	defer l.mu.Unlock()
	l.local, l.active = localWork{}, nil // a question that ends later must not show the line again
	l.clear()
	l.flush()
}
