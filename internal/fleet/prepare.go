package fleet

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/keep-it-simple/kis/remote"
)

// Space a package needs beyond its files: the environment, bytecode, and the archive itself. Measured on ordinary web applications; a host
// that turns out to be too small all the same fails while it builds, which changes nothing.
const (
	spareBytes  = 64 << 20
	spareInodes = 3000
)

// check looks, and changes nothing.
func (r *run) check(ctx context.Context, m *member) bool {
	return m.step(StepCheck, func() error {
		ctx, cancel := m.within(ctx, quickly)
		defer cancel()
		if err := m.look(ctx); err != nil {
			return err
		}
		if err := problems(m.facts.Problems); err != nil {
			return err
		}
		if changed := m.facts.Stage.Changed; changed != nil {
			r.notice(m.host.Name, fmt.Sprintf("%s; %s is linked to it", changed.Message, r.stage))
		}
		return m.judge()
	})
}

// look has the host look at itself. The package that is linked now is the best that is known of the size of the next, so the host is asked
// once more where that is the larger one.
func (m *member) look(ctx context.Context) error {
	request := m.run.checkRequest()
	clock, err := m.conn.agent.Ping(ctx)
	if err != nil {
		return err
	}
	if !m.run.waited {
		m.tellClock(clock)
	}
	if m.facts, err = m.conn.agent.Check(ctx, request); err != nil || !request.Build || m.facts.Package.State == remote.Sealed {
		return err
	}
	if more := m.facts.Stage.LinkedSize - spareBytes; more > 0 {
		request.NeedBytes += more
		m.facts, err = m.conn.agent.Check(ctx, request)
	}
	return err
}

// checkRequest is what a host is to look at.
func (r *run) checkRequest() remote.CheckRequest {
	request := remote.CheckRequest{Stage: r.stage, Package: r.pkg, Packages: r.plan.Op != Push}
	if r.plan.Op == Check { // of what is not known yet: the least that any package takes
		request.Build, request.NeedBytes, request.NeedInodes = true, spareBytes, spareInodes
	}
	if a := r.plan.Archive; a != nil {
		request.Build, request.RequiresPython = true, a.RequiresPython
		request.NeedBytes = 4*a.Size + 2*a.Unpacked + spareBytes + r.plan.Recipe.bytes()
		request.NeedInodes = 2*int64(a.Files) + spareInodes
	}
	return request
}

// tellClock tells of a clock that is wrong. Nothing that kis decides goes by the hosts' clocks, but people do, and certificates.
func (m *member) tellClock(c remote.Clock) {
	if c.Offset.Abs() <= time.Minute+c.Error {
		return
	}
	side := "ahead of"
	if c.Offset < 0 {
		side = "behind"
	}
	m.run.notice(m.host.Name, fmt.Sprintf("the clock there is %s %s this machine's: times in logs and pip's TLS depend on it", roughly(c.Offset.Abs()), side))
}

// roughly is a duration as a person would say it.
func roughly(d time.Duration) string {
	const day = 24 * time.Hour
	for _, unit := range []struct {
		name string
		size time.Duration
	}{{"years", 365 * day}, {"days", day}, {"hours", time.Hour}} {
		if d >= 2*unit.size {
			return fmt.Sprintf("%d %s", d.Round(unit.size)/unit.size, unit.name)
		}
	}
	return fmt.Sprintf("%d minutes", (d+time.Minute-1)/time.Minute)
}

func (r Recipe) bytes() int64 {
	total := int64(0)
	for _, f := range r.files {
		total += 4 * f.size // as wheels and unpacked
	}
	return total
}

// problems joins everything that a check found into one refusal.
func problems(found []remote.Problem) error {
	if len(found) == 0 {
		return nil
	}
	messages, hints := []string{}, []string{}
	for _, p := range found {
		messages = append(messages, p.Message)
		if p.Hint != "" && !slices.Contains(hints, p.Hint) {
			hints = append(hints, p.Hint)
		}
	}
	return &Failure{State: Refused, Code: found[0].Code, Message: strings.Join(messages, "; "), Hint: strings.Join(hints, "\n")}
}

// planned is what a dry run says of this host: these steps, and what comes behind the barrier.
func (m *member) planned(steps, remark string) string {
	linked := m.facts.Stage.Linked == m.run.pkg.String()
	switch {
	case m.settled():
		return "nothing; it is linked already"
	case linked:
		remark = "; it is linked already, but not confirmed last"
	}
	if m.run.plan.NoLink {
		return steps + remark
	}
	if !linked {
		steps += ", link"
	}
	if len(m.run.plan.Stage.AfterLink) > 0 {
		steps += ", after_link"
	}
	if linked {
		steps += ", confirm"
	}
	return steps + remark
}

// judge compares what is on the host with what the plan wants to put there.
func (m *member) judge() error {
	there := m.facts.Package
	if holder := m.facts.Stage.Holder; holder != nil && m.run.plan.DryRun && m.run.plan.Op != Check {
		return refuse("locked", m.run.stage.String()+" is locked by another run"+holderText(holder), "")
	}
	if m.run.plan.Op == Check {
		if holder := m.facts.Stage.Holder; holder != nil {
			m.run.notice(m.host.Name, fmt.Sprintf("%s is locked by another run now%s", m.run.stage, holderText(holder)))
		}
	}
	if m.run.plan.Op != Push {
		return nil
	}
	m.plan = m.planned("upload, build, verify", "")
	if there.State != remote.Sealed {
		return nil
	}
	m.plan = m.planned("verify", "; the package is installed already")
	for _, pair := range [][3]string{
		{"content", there.Receipt.Content, m.run.plan.Archive.Content},
		{"recipe", there.Receipt.Recipe, m.run.plan.Recipe.Digest},
	} {
		if pair[1] != pair[2] {
			message := fmt.Sprintf("%s is installed with other %s: %s there, %s here", there.Name, pair[0], pair[1], pair[2])
			return refuse("other-"+pair[0], message, "packages are never changed: bump the version")
		}
	}
	return nil
}

// install makes the package on one host, or looks at it once more where it is there already.
func (r *run) install(ctx context.Context, m *member) bool {
	source := remote.Source{Package: r.pkg} // without content: only a sealed package will do
	if a := r.plan.Archive; a != nil {
		source.Name, source.SHA256, source.Content, source.Recipe = a.Name, a.SHA256, a.Content, r.plan.Recipe.Digest
	}
	sealed, err := m.beginPackage(ctx, source)
	switch {
	case err != nil:
		return m.step(StepCheck, func() error { return err })
	case sealed != nil:
		return m.reverify(ctx, sealed)
	}
	return m.build(ctx, source)
}

// reverify looks at a sealed package again: that it is as it was sealed (Begin has), that it still imports, and, for a push, what this
// stage asks for and no push before has verified. What was verified once is not verified again.
func (m *member) reverify(ctx context.Context, receipt *remote.Receipt) bool {
	return m.step(StepVerify, func() error {
		var commands []string
		if m.run.plan.Op == Push {
			commands = without(m.run.plan.Stage.Verify, receipt.Verified)
		}
		_, err := m.conn.agent.Verify(ctx, receipt.Name, m.commands(m.run.pkg, commands), m.output(StepVerify))
		if err == nil {
			m.receipt = receipt
		}
		return err
	})
}

func without(list, known []string) []string {
	return slices.DeleteFunc(slices.Clone(list), func(s string) bool { return slices.Contains(known, s) })
}

func (m *member) build(ctx context.Context, s remote.Source) bool {
	agent, timeout, recipe := m.conn.agent, m.run.fleet.timeout(), m.run.plan.Recipe.Recipe
	var imported []string
	return m.step(StepUpload, func() error { return m.upload(ctx) }) &&
		m.step(StepUnpack, func() error { return agent.Unpack(ctx, s, timeout, m.output(StepUnpack)) }) &&
		m.step(StepEnvironment, func() error {
			_, err := agent.Environment(ctx, recipe, timeout, m.output(StepEnvironment))
			return err
		}) &&
		m.step(StepVerify, func() (err error) {
			imported, err = agent.Verify(ctx, s.Name, m.commands(s.Package, m.run.plan.Stage.Verify), m.output(StepVerify))
			return err
		}) &&
		m.step(StepSeal, func() error {
			facts := map[string]any{"by": m.run.fleet.Who, "git": m.run.plan.Git, "imports": append([]string{}, imported...), "verified": append([]string{}, m.run.plan.Stage.Verify...)}
			receipt, err := agent.Seal(ctx, s, facts)
			if err == nil {
				m.receipt = &receipt
			}
			return err
		})
}

// alike refuses packages that carry one name and differ between hosts: what was verified on one would not be what runs on the other.
func (r *run) alike() bool {
	if r.plan.DryRun || len(r.members) == 0 {
		return true
	}
	first := r.members[0]
	for _, m := range r.members[1:] {
		if m.receipt.Content == first.receipt.Content && m.receipt.Environment == first.receipt.Environment {
			continue
		}
		what := "environment"
		if m.receipt.Content != first.receipt.Content {
			what = "content"
		}
		message := fmt.Sprintf("%s has another %s than on %s%s", r.pkg, what, first.host.Name, differences(m, first))
		m.fail(StepVerify, refuse("differs", message, "pin the requirements (with hashes), bump the version and push again"))
	}
	return len(r.failures()) == 0
}

// differences says in what two environments differ, here first.
func differences(here, there *member) string {
	a, b := here.receipt, there.receipt
	var parts []string
	if a.Python != b.Python {
		parts = append(parts, "python "+a.Python+" against "+b.Python)
	}
	for _, name := range a.Installed {
		if !slices.Contains(b.Installed, name) {
			parts = append(parts, name+" only here")
		}
	}
	for _, name := range b.Installed {
		if !slices.Contains(a.Installed, name) {
			parts = append(parts, name+" only there")
		}
	}
	if len(parts) == 0 {
		return ""
	}
	return ": " + strings.Join(parts[:min(len(parts), 6)], ", ")
}

func orNone(link string) string {
	if link == "" {
		return "nothing"
	}
	return link
}

// errNoTarget is wrapped by refusals to choose what a roll-back goes to.
var errNoTarget = errors.New("nothing to roll back to")
