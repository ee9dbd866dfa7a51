package main

import (
	"context"
	"fmt"
	"regexp"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/keep-it-simple/kis/internal/event"
	"github.com/keep-it-simple/kis/internal/name"
	"github.com/keep-it-simple/kis/internal/survey"
	"github.com/keep-it-simple/kis/inventory"
	"github.com/keep-it-simple/kis/remote"
)

func newStatus(a *app) *cobra.Command {
	return &cobra.Command{
		Use:   "status [stage]",
		Short: "Show what is linked where, since when and by whom",
		Long: `Status asks every host what its stages are linked to, and says whether the hosts agree, whether a run was interrupted, and whether
something was changed by other hands. It changes nothing. It exits with 5 when hosts differ or cannot be asked.`,
		GroupID:           "look",
		Args:              atMost("the stage"),
		ValidArgsFunction: a.completeStage,
		RunE: func(cmd *cobra.Command, args []string) error {
			return a.status(cmd.Context(), args)
		},
	}
}

// asked is a stage with its hosts.
type asked struct {
	name  string
	stage name.Stage
	hosts []inventory.Host
}

// stages are the stages a command is about: the one that was named, or all. union are their hosts, each once.
func (a *app) stages(inv *inventory.Inventory, args []string) (stages []asked, union []inventory.Host, err error) {
	names := args
	if len(names) == 0 {
		names = inv.StageNames()
	}
	seen := map[string]bool{}
	for _, name := range names {
		stage, hosts, _, err := a.stage(inv, name)
		if err != nil {
			return nil, nil, err
		}
		stages = append(stages, asked{name, stage.Name, hosts})
		for _, h := range hosts {
			if !seen[h.Name] {
				seen[h.Name], union = true, append(union, h)
			}
		}
	}
	return stages, union, nil
}

// look asks all hosts of the stages. lines is how many lines of each journal are read, 0 for as many as say what is linked.
func (a *app) look(ctx context.Context, args []string, lines int) ([]asked, map[string]survey.Repository, error) {
	inv, err := a.load()
	if err != nil {
		return nil, nil, err
	}
	stages, union, err := a.stages(inv, args)
	if err != nil {
		return nil, nil, err
	}
	f := a.deployer(inv, a.view().event).Fleet
	defer f.Dialer.Close() //nolint:errcheck // every client of it is closed already
	request := remote.StateRequest{Lines: lines}
	if lines > 0 && len(stages) == 1 { // the others' lines would take the place of these
		request.Stage = stages[0].stage
	}
	looks := map[string]survey.Repository{}
	for _, l := range survey.Read(ctx, f, union, request) {
		looks[l.Host] = l
	}
	return stages, looks, ctx.Err()
}

func (a *app) status(ctx context.Context, args []string) error {
	stages, looks, err := a.look(ctx, args, 0)
	if err != nil {
		return err
	}
	code := 0
	for i, s := range stages {
		judged := survey.Judge(s.name, s.hosts, looks)
		code = max(code, statusExit(judged))
		if a.output == outputJSON {
			a.Out.json(map[string]any{"type": "status", "schema": event.Schema, "status": judged})
			continue
		}
		if i > 0 {
			a.Out.lines("")
		}
		a.printStage(judged)
	}
	var failures []event.Failure
	for _, look := range looks {
		if look.Failure != nil {
			failures = append(failures, *look.Failure)
		}
	}
	if code = a.failedWith(failures, code); code != 0 {
		return outcome{status: code}
	}
	return nil
}

// statusExit is what kis ends with for one stage.
func statusExit(s survey.Stage) int {
	switch s.Verdict {
	case survey.Uniform, survey.Degraded, survey.Unconfirmed:
		return 0
	case survey.InProgress:
		if s.SameLink() {
			return 0
		}
	}
	return event.Split.Exit()
}

// verdictText explains a verdict.
func verdictText(s survey.Stage) string {
	switch s.Verdict {
	case survey.Uniform:
		return "the same on all hosts"
	case survey.Subset:
		return "hosts differ, because a run was narrowed by --hosts"
	case survey.Unconfirmed:
		return "the same on all hosts, but the last run did not come to its end"
	case survey.Degraded:
		return "the same on all hosts, but after_link did not end well after the way back"
	case survey.Diverged:
		return "hosts differ, and no run is open"
	case survey.Interrupted:
		return "hosts differ, because a run did not come to its end"
	case survey.Drift:
		return "something is not as kis left it"
	case survey.InProgress:
		return busyText(s)
	case survey.Unreachable:
		return "not known on all hosts"
	}
	return string(s.Verdict)
}

// busyText says who is at work, on the first host where somebody is.
func busyText(s survey.Stage) string {
	text := "hosts differ while a run is at work"
	if s.SameLink() {
		text = "the same on all hosts while a run is at work"
	}
	for _, h := range s.Hosts {
		if h.Holder != nil && h.Holder.Who != "" {
			return fmt.Sprintf("%s: %s, %s", text, h.Holder.Who, h.Holder.What)
		}
	}
	return text
}

func (a *app) printStage(s survey.Stage) {
	paint := a.painter()
	color := paint.good
	if s.Verdict != survey.Uniform {
		color = paint.warn
	}
	a.Out.printf("%s: %s\n", paint.strong(s.Stage), color(verdictText(s)))
	var rows [][]string
	for _, h := range s.Hosts {
		rows = append(rows, []string{"  " + h.Host, linkedText(h), strings.Join(remarks(h), "; ")})
	}
	a.Out.lines(aligned(rows)...)
	a.printHints(s)
}

// hint is what to do about hosts that have the same trouble: the text is for the first of them.
type hint struct {
	text, shape string
	hosts       []string // that it is for as it is
	likewise    []string // for which it would name another host, key or address
}

// printHints says what to do: for hosts that have trouble of their own first, then for the stage.
func (a *app) printHints(s survey.Stage) {
	for _, h := range hintsOf(s) {
		for line := range strings.Lines(h.text) {
			a.Out.printf("  hint: %s: %s\n", list(h.hosts, 4), strings.TrimRight(line, "\n"))
		}
		if len(h.likewise) > 0 {
			a.Out.printf("  hint: %s: likewise\n", whole(h.likewise))
		}
	}
	if s.Hint != "" {
		a.Out.printf("  hint: %s\n", s.Hint)
	}
	for _, next := range s.Next {
		a.Out.printf("  next: %s\n", next)
	}
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
			hints[at].likewise = append(hints[at].likewise, h.Host)
		}
	}
	return hints
}

var ofOneHost = regexp.MustCompile(`SHA256:[A-Za-z0-9+/]+|\b[0-9][0-9.]*`)

// hintShape is a hint without what only this host has: its name, its key, its address and port.
func hintShape(text, host string) string {
	return ofOneHost.ReplaceAllString(strings.ReplaceAll(text, host, "HOST"), "ONE")
}

func linkedText(h survey.HostState) string {
	if !h.Known {
		return "unknown"
	}
	return orNone(h.Linked)
}

// remarks are what is worth knowing about one host, beside the package.
func remarks(h survey.HostState) []string {
	var out []string
	if h.Failure != nil {
		return []string{string(h.Failure.Step) + ": " + h.Failure.Message}
	}
	if !h.Since.IsZero() {
		out = append(out, fmt.Sprintf("since %s by %s", h.Since.Local().Format(timeFormat), h.By))
	}
	if h.Note != "" {
		out = append(out, h.Note)
	}
	if h.Drift != "" {
		out = append(out, "drift: "+h.Drift)
	}
	if e := h.Interrupted; e != nil {
		out = append(out, fmt.Sprintf("%s of %s by %s at %s did not come to its end", e.Op, orNone(e.To), e.By, e.Time().Local().Format(timeFormat)))
	}
	if h.Holder != nil {
		out = append(out, fmt.Sprintf("%s is at work (%s)", h.Holder.Who, h.Holder.What))
	}
	return out
}
