package ui

import (
	"slices"
	"sync"

	"github.com/keep-it-simple/kis/internal/event"
	"github.com/keep-it-simple/kis/internal/safetext"
)

// maxHeld is how many bytes of one host's output are held back until all hosts have ended.
const maxHeld = 8 << 20

// Programs shows what a program prints on several hosts. Its methods are safe for concurrent use.
type Programs struct {
	ui     *UI
	atOnce bool   // print lines as they arrive
	width  int    // of the longest host's name; 0: lines do not name their host
	begun  func() // before the first line is printed

	mu    sync.Mutex
	lines map[string][]string
	bytes map[string]int
	cut   []string // hosts of whose output not all was held back
}

// Programs returns the view of a program. Hosts that print the same share a block, once all have ended;
// atOnce, and for one host, lines are printed as they arrive.
func (u *UI) Programs(hosts []string, atOnce bool) *Programs {
	p := &Programs{ui: u, atOnce: atOnce || u.WantsJSON() || len(hosts) == 1, lines: map[string][]string{}, bytes: map[string]int{}, begun: u.Waiting("running the command")}
	if len(hosts) > 1 {
		p.width = hostColumn(hosts)
	}
	return p
}

// Line takes one line.
func (p *Programs) Line(host, line string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.atOnce {
		p.begun()
	}
	switch {
	case p.ui.WantsJSON():
		p.ui.Out.json(map[string]any{"type": event.TypeOutput, "host": host, "message": line})
	case p.atOnce && p.width > 0:
		p.ui.Out.Printf("%-*s | %s\n", p.width, host, safetext.Output(line))
	case p.atOnce:
		p.ui.Out.Printf("%s\n", safetext.Output(line))
	case p.bytes[host] > maxHeld:
		if !slices.Contains(p.cut, host) {
			p.cut = append(p.cut, host)
		}
	default:
		p.lines[host] = append(p.lines[host], line)
		p.bytes[host] += len(line) + 1
	}
}

// End prints what was held back, how the program ended where it failed, and a sentence about that.
func (p *Programs) End(all []event.Ran, what string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.begun()
	failed := 0
	for _, r := range all {
		if p.ui.WantsJSON() {
			p.ui.record("exec", r)
		}
		if !r.OK() {
			failed++
		}
	}
	if p.ui.WantsJSON() {
		return
	}
	for _, b := range p.blocks(all) {
		p.print(b)
	}
	p.ui.printFailures(event.RanFailures(all))
	for _, host := range p.cut {
		p.ui.Err.Printf("%s: only %s of its output are shown; all of it: -v\n", host, size(maxHeld))
	}
	if failed > 0 {
		p.ui.Err.Printf("kis: %s: failed on %d of %d hosts\n", what, failed, len(all))
	}
}

// programBlock is one result that hosts have in common.
type programBlock struct {
	hosts []string
	ended string
	lines []string
}

func (p *Programs) blocks(all []event.Ran) []programBlock {
	var blocks []programBlock
	for _, r := range all {
		if r.Failure != nil && len(p.lines[r.Host]) == 0 {
			continue // its failure says why
		}
		at := slices.IndexFunc(blocks, func(b programBlock) bool { return b.ended == r.Ended && slices.Equal(b.lines, p.lines[r.Host]) })
		if at < 0 {
			blocks = append(blocks, programBlock{ended: r.Ended, lines: p.lines[r.Host]})
			at = len(blocks) - 1
		}
		blocks[at].hosts = append(blocks[at].hosts, r.Host)
	}
	return blocks
}

func (p *Programs) print(b programBlock) {
	switch {
	case p.atOnce && b.ended != "":
		p.ui.Err.Printf("%s: %s\n", allHosts(b.hosts), b.ended)
		return
	case p.atOnce:
		return
	}
	paint := p.ui.painter()
	if b.ended == "" {
		p.ui.Out.Printf("%s\n", paint.strong(allHosts(b.hosts)))
	} else {
		p.ui.Out.Printf("%s  %s\n", paint.strong(allHosts(b.hosts)), paint.bad(b.ended))
	}
	for _, line := range b.lines {
		p.ui.Out.Printf("    %s\n", safetext.Output(line))
	}
}
