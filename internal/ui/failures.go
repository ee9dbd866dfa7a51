package ui

import (
	"fmt"
	"regexp"
	"slices"

	"github.com/keep-it-simple/kis/internal/event"
)

// printFailures prints failures, the cause first; hosts with the same failure share a block.
func (u *UI) printFailures(failures []event.Failure) {
	for _, b := range Fold(failures) {
		f := b.Failure
		mark := ""
		if f.State == event.Unknown {
			mark = " (unknown)"
		}
		u.Err.Lines(u.fitted(fmt.Sprintf("%s: %s%s: %s", allHosts(b.Hosts), f.Step, mark, f.Text()))...)
		u.Err.tail(f.Tail)
		u.Err.hint(f.Hint)
	}
}

// Block is one failure that several hosts have in common.
type Block struct {
	Hosts   []string
	Failure event.Failure
}

// Fold puts failures with the same cause into one block, in the order of their first host. The output
// of the first of them is printed.
func Fold(failures []event.Failure) []Block {
	var blocks []Block
	for _, f := range failures {
		at := slices.IndexFunc(blocks, func(b Block) bool { return sameFailure(b.Failure, f) })
		if at < 0 {
			blocks = append(blocks, Block{Failure: f})
			at = len(blocks) - 1
		}
		if !slices.Contains(blocks[at].Hosts, f.Host) {
			blocks[at].Hosts = append(blocks[at].Hosts, f.Host)
		}
	}
	return blocks
}

// sameFailure reports whether two failures have the same cause. Where none is recognized, their outputs
// decide. Hints, and names and numbers that differ from host to host, do not count.
func sameFailure(a, b event.Failure) bool {
	return a.Step == b.Step && a.State == b.State && constant(a.Text()) == constant(b.Text()) &&
		(a.Cause != "" || slices.EqualFunc(a.Tail, b.Tail, func(a, b string) bool { return constant(a) == constant(b) }))
}

// random are the parts of an output that differ although the trouble is the same: temporary files, the
// directories of runs, process numbers, addresses, times and durations.
var random = regexp.MustCompile(
	`/(?:tmp|run/user|var/tmp)/[^\s'":,)]+|/\.kis/[^\s'":,)]+` +
		`|\b(?:pid|PID|process) \d+|\b0x[0-9a-f]+\b|\b[0-9a-f]{12,64}\b` +
		`|\b\d{4}-\d\d-\d\d\b|\b\d\d:\d\d:\d\d(?:[.,]\d+)?|\b\d+(?:\.\d+)? ?(?:ms|s|sec|seconds)\b`)

// constant is a text without its random parts.
func constant(text string) string { return random.ReplaceAllLiteralString(text, "*") }
