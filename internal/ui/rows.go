package ui

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/keep-it-simple/kis/internal/safetext"
)

const (
	minShown   = 250 * time.Millisecond // shorter steps would flicker
	minRate    = time.Second            // of an upload, before its rate is shown
	maxCommand = 40                     // columns of a command
	namedHosts = 3                      // more hosts that are awaited are counted
)

// row is one row of the live area.
type row struct {
	text string // safe
	rule bool   // the row about the whole run
}

// rowGroup is the hosts that share a row.
type rowGroup struct {
	hosts []*hostProgress
}

func (g rowGroup) first() *hostProgress { return g.hosts[0] }

// since is when the slowest of them has begun.
func (g rowGroup) since() time.Time {
	return slices.MinFunc(g.hosts, func(a, b *hostProgress) int { return a.since.Compare(b.since) }).since
}

// rows are what is to be shown: at most so many rows, of at most so many columns.
func (p *progress) rows(now time.Time, columns, most int) []row {
	if most < 1 || columns < 1 {
		return nil
	}
	var rows []row
	if w := p.local; w.what != "" && now.Sub(w.since) >= minShown {
		rows = append(rows, row{text: join("  ", safetext.Line(w.what), waited(now, w.since), w.detail())})
	}
	var groups []rowGroup
	if len(rows) < most {
		groups = p.groups(now)
	}
	rows = append(rows, p.table(groups, now, columns, most-len(rows))...)
	for i := range rows {
		rows[i].text = strings.TrimRight(cut(rows[i].text, columns), " ")
	}
	return rows
}

// detail is the hosts that are awaited, or the newest line.
func (w localWork) detail() string {
	return cmp.Or(w.awaited(), output(w.line))
}

// awaited names the hosts with an open session.
func (w localWork) awaited() string {
	if len(w.busy) == 0 {
		return ""
	}
	return "waiting for " + safetext.Line(list(w.busy, namedHosts))
}

// groups are the hosts of which something is to be shown. Few have rows of their own: they could
// only share one until the next line of output, and rows that come and go are not calm. Many share
// one for each step.
func (p *progress) groups(now time.Time) []rowGroup {
	var shown []*hostProgress
	for _, h := range p.hosts {
		if h.active && now.Sub(h.since) >= minShown {
			shown = append(shown, h)
		}
	}
	var groups []rowGroup
	for _, h := range shown {
		at := slices.IndexFunc(groups, func(g rowGroup) bool { return g.first().step == h.step && g.first().command == h.command })
		if at < 0 || len(shown) <= boardFrom {
			at = len(groups)
			groups = append(groups, rowGroup{})
		}
		groups[at].hosts = append(groups[at].hosts, h)
	}
	if len(shown) > boardFrom {
		order := stepOrder()
		slices.SortStableFunc(groups, func(a, b rowGroup) int {
			return slices.Index(order, a.first().step) - slices.Index(order, b.first().step)
		})
	}
	return groups
}

// table makes rows of groups, and the row about the whole run below them.
func (p *progress) table(groups []rowGroup, now time.Time, columns, most int) []row {
	rule := p.counts && p.phase.name != "" && now.Sub(p.begun) >= minShown
	if rule {
		most--
	}
	rest := 0
	if len(groups) > most {
		for _, g := range groups[max(most-1, 0):] {
			rest += len(g.hosts)
		}
		groups = groups[:max(most-1, 0)]
	}
	width, times := min(p.width, columns/2), len("10 s")
	var cells [][4]string
	for _, g := range groups {
		cells = append(cells, [4]string{g.names(columns / 2), string(g.first().step), waited(now, g.since()), g.detail()})
	}
	if rest > 0 && most > 0 {
		cells = append(cells, [4]string{hostCount(rest) + " more"})
	}
	if rule {
		cells = append(cells, [4]string{"──", p.phase.name, waited(now, p.begun), p.counted()})
	}
	for _, c := range cells {
		width, times = max(width, utf8.RuneCountInString(c[0])), max(times, len(c[2]))
	}
	var rows []row
	for i, c := range cells {
		text := fmt.Sprintf("%-*s  %-12s  %*s  %s", width, c[0], safetext.Line(c[1]), times, c[2], c[3])
		rows = append(rows, row{text: text, rule: rule && i == len(cells)-1})
	}
	return rows
}

// names names the host, or counts the hosts.
func (g rowGroup) names(columns int) string {
	if len(g.hosts) > 1 {
		return hostCount(len(g.hosts))
	}
	return cut(safetext.Line(g.first().name), columns)
}

// detail is the command, and what there is to say about it: of many hosts, about the slowest of those
// that say most.
func (g rowGroup) detail() string {
	command := cut(safetext.Line(g.first().command), maxCommand)
	var sent upload
	for _, h := range g.hosts {
		sent.add(h.upload)
	}
	if sent.total > 0 {
		return join("  ", command, sent.text())
	}
	slowest := slices.MinFunc(g.hosts, func(a, b *hostProgress) int {
		return cmp.Or(a.rank()-b.rank(), a.since.Compare(b.since))
	})
	says := slowest.says()
	if says != "" && slices.ContainsFunc(g.hosts, func(h *hostProgress) bool { return h.says() != says }) {
		by := ": "
		if slowest.line != "" {
			by = " "
		}
		says = safetext.Line(slowest.name) + by + says
	}
	return join("  ", command, says)
}

// rank orders hosts by how much they say: 0 output, 1 what the step does, 2 nothing.
func (h *hostProgress) rank() int {
	switch {
	case h.line != "":
		return 0
	case h.doing != "":
		return 1
	}
	return 2
}

// says is what the host does or waits for, or its newest line.
func (h *hostProgress) says() string {
	if h.doing != "" {
		return safetext.Line(h.doing)
	}
	return output(h.line)
}

// output is a line of a program's output, marked as such.
func output(line string) string {
	if line == "" {
		return ""
	}
	return "| " + strings.TrimSpace(safetext.Output(line))
}

// add adds the upload of another host.
func (u *upload) add(other upload) {
	if other.total == 0 {
		return
	}
	if u.total == 0 || other.begun.Before(u.begun) {
		u.begun = other.begun
	}
	if other.now.After(u.now) {
		u.now = other.now
	}
	u.done, u.total, u.from = u.done+other.done, u.total+other.total, u.from+other.from
}

// text is how much was sent, and how fast.
func (u upload) text() string {
	text := fmt.Sprintf("%d %% of %s", 100*u.done/u.total, size(u.total))
	if took := u.now.Sub(u.begun); took >= minRate {
		text += fmt.Sprintf(", %s/s", size(int64(float64(u.done-u.from)/took.Seconds())))
	}
	return text
}

// counted says how many hosts have completed the phase, and which have not.
func (p *progress) counted() string {
	if p.phase.done == "" {
		return join(", ", "releasing the locks", p.local.awaited())
	}
	var waiting []string
	all, through, failed := 0, 0, 0
	for _, h := range p.hosts {
		switch {
		case !h.concerned(p.phase):
			continue
		case h.failed:
			failed++
		case h.through(p.phase):
			through++
		default:
			waiting = append(waiting, safetext.Line(h.name))
		}
		all++
	}
	text := fmt.Sprintf("%d of %d %s", through, all, p.phase.done)
	if failed > 0 {
		text += fmt.Sprintf(", %d failed", failed)
	}
	if len(waiting) > 0 && len(waiting) < all {
		text += ", waiting for " + list(waiting, namedHosts)
	}
	return text
}

// waited is how long something takes already, from a second on. It changes once a second.
func waited(now, since time.Time) string {
	if took := now.Sub(since).Truncate(time.Second); took > 0 {
		return safetext.Duration(took)
	}
	return ""
}

// join joins those texts that are not empty.
func join(by string, texts ...string) string {
	return strings.Join(slices.DeleteFunc(texts, func(t string) bool { return t == "" }), by)
}

// cut shortens a safe text to so many columns. A character that some terminals show wide counts as
// wide, because a row that wraps cannot be erased.
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

// cellsOf is how many columns a text may take.
func cellsOf(text string) int {
	n := 0
	for _, r := range text {
		n += cells(r)
	}
	return n
}
