package ui

import (
	"fmt"
	"regexp"
	"slices"
	"strings"

	"github.com/keep-it-simple/kis/internal/event"
	"github.com/keep-it-simple/kis/internal/survey"
)

// Status prints the state of stages.
func (u *UI) Status(stages []survey.Stage) {
	for i, s := range stages {
		switch {
		case u.WantsJSON():
			u.record("status", s)
			continue
		case i > 0:
			u.Out.Lines("")
		}
		u.printStage(s)
	}
}

func (u *UI) printStage(s survey.Stage) {
	paint := u.painter()
	color := paint.good
	if s.Verdict != survey.Uniform {
		color = paint.warn
	}
	u.Out.Printf("%s: %s\n", paint.strong(s.Stage), color(verdictText(s)))
	u.table(u.stateRows(s.Hosts))
	u.printHints(s)
}

// stateRows are the states of hosts. Many hosts with the same state share a row, which is without the
// times of services; not with -v.
func (u *UI) stateRows(hosts []survey.HostState) [][]string {
	folds := len(hosts) > boardFrom && !u.Verbose
	var rows [][]string
	var names [][]string
	for _, h := range hosts {
		linked := event.LinkText(h.Linked)
		if !h.Answered {
			linked = "unknown"
		}
		if folds {
			h.Services = slices.Clone(h.Services)
			for i := range h.Services {
				h.Services[i].Seconds = nil
			}
		}
		row := []string{"", linked, strings.Join(remarks(h), "; ")}
		at := slices.IndexFunc(rows, func(other []string) bool { return slices.Equal(row, other) })
		if !folds || at < 0 {
			at = len(rows)
			rows, names = append(rows, row), append(names, nil)
		}
		names[at] = append(names[at], h.Host)
	}
	for i := range rows {
		rows[i][0] = "  " + list(names[i], 4)
	}
	return rows
}

// verdictText explains a verdict.
func verdictText(s survey.Stage) string {
	switch s.Verdict {
	case survey.Uniform:
		return "the same on all hosts"
	case survey.Subset:
		return "hosts differ: a run was narrowed by --hosts"
	case survey.Unconfirmed:
		return "the same on all hosts, but the last run was interrupted"
	case survey.Degraded:
		return "the same on all hosts, but the package did not come back into service after a rollback"
	case survey.Diverged:
		return "hosts differ, and no run was interrupted"
	case survey.Interrupted:
		return "hosts differ: a run was interrupted"
	case survey.Drift:
		return "changed outside kis"
	case survey.InProgress:
		return inProgressText(s)
	case survey.Unreachable:
		return "unknown on some hosts"
	}
	return string(s.Verdict)
}

// inProgressText names the run in progress, by the first host that reports it.
func inProgressText(s survey.Stage) string {
	text := "hosts differ while a run is in progress"
	if s.SameLink() {
		text = "the same on all hosts while a run is in progress"
	}
	for _, h := range s.Hosts {
		if h.Holder != nil && h.Holder.Who != "" {
			return fmt.Sprintf("%s: %s, %s", text, h.Holder.Who, h.Holder.What)
		}
	}
	return text
}

// remarks are what a user needs to know about one host beside the package.
func remarks(h survey.HostState) []string {
	var out []string
	if h.Failure != nil {
		return []string{string(h.Failure.Step) + ": " + h.Failure.Text()}
	}
	if !h.Since.IsZero() {
		out = append(out, fmt.Sprintf("since %s by %s", h.Since.Local().Format(timeFormat), h.By))
	}
	if h.Git != "" {
		out = append(out, "git "+h.Git)
	}
	if h.Note != "" {
		out = append(out, h.Note)
	}
	for _, service := range h.Services {
		out = append(out, serviceText(service.Name, service.State, service.Seconds))
	}
	out = append(out, outdated(h)...)
	if h.Drift != "" {
		out = append(out, "drift: "+h.Drift)
	}
	if e := h.Interrupted; e != nil {
		out = append(out, fmt.Sprintf("%s of %s by %s at %s was interrupted", e.Op, event.LinkText(e.To), e.By, e.Time().Local().Format(timeFormat)))
	}
	if h.Holder != nil {
		out = append(out, fmt.Sprintf("run in progress by %s (%s)", h.Holder.Who, h.Holder.What))
	}
	return out
}

// serviceText says whether a service runs, and for how long. after is nil where that is not known.
func serviceText(unit, state string, after *float64) string {
	switch {
	case state == "missing":
		return unit + " is missing"
	case state == "unknown":
		return unit + ": systemd does not answer"
	case after != nil:
		return fmt.Sprintf("%s %s for %s", unit, state, seconds(*after))
	}
	return unit + " " + state
}

// outdated names the processes that may run another package than the linked one.
func outdated(h survey.HostState) []string {
	var out []string
	for _, p := range h.Processes {
		text := fmt.Sprintf("process %d (%s) was started before that", p.PID, p.Name)
		if p.Package != "" {
			text = fmt.Sprintf("process %d (%s) still runs %s", p.PID, p.Name, p.Package)
		}
		out = append(out, text)
	}
	if len(out) > 3 {
		out = append(out[:2], fmt.Sprintf("%d more such processes", len(h.Processes)-2))
	}
	return out
}

// printHints says what to do: for hosts with a hint of their own first, then for the stage.
func (u *UI) printHints(s survey.Stage) {
	for _, h := range hintsOf(s) {
		for line := range strings.Lines(h.text) {
			u.Out.Printf("  hint: %s: %s\n", list(h.hosts, 4), strings.TrimRight(line, "\n"))
		}
		if len(h.similar) > 0 {
			u.Out.Printf("  hint: %s: likewise\n", allHosts(h.similar))
		}
	}
	if s.Hint != "" {
		u.Out.Printf("  hint: %s\n", s.Hint)
	}
	for _, next := range s.Next {
		u.Out.Printf("  next: %s\n", next)
	}
}

// hint is what to do about hosts with the same problem: the text is for the first of them.
type hint struct {
	text, shape string
	hosts       []string // that have exactly this hint
	similar     []string // whose hint differs only in the host, key or address
}

// hintsOf gathers the hints of hosts, each once.
func hintsOf(s survey.Stage) []hint {
	var hints []hint
	for _, h := range s.Hosts {
		text := h.Hint
		if h.Failure != nil {
			text = h.Failure.Hint
		}
		if text == "" {
			continue
		}
		shape := hintShape(text, h.Host)
		at := slices.IndexFunc(hints, func(b hint) bool { return b.shape == shape })
		switch {
		case at < 0:
			hints = append(hints, hint{text: text, shape: shape, hosts: []string{h.Host}})
		case hints[at].text == text:
			hints[at].hosts = append(hints[at].hosts, h.Host)
		default:
			hints[at].similar = append(hints[at].similar, h.Host)
		}
	}
	return hints
}

var perHost = regexp.MustCompile(`SHA256:[A-Za-z0-9+/]+|\b[0-9][0-9.]*`)

// hintShape is a hint without what belongs to one host: its name, its key, its address and port.
func hintShape(text, host string) string {
	return perHost.ReplaceAllString(strings.ReplaceAll(text, host, "HOST"), "ONE")
}
