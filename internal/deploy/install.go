package deploy

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/keep-it-simple/kis/internal/event"
	"github.com/keep-it-simple/kis/remote"
)

// install makes the package on one host, or verifies it where it is installed already.
func (r *run) install(ctx context.Context, h *host) bool {
	source := remote.Source{Package: r.pkg} // without content: only a sealed package will do
	if a := r.plan.Archive; a != nil {
		source.Name, source.SHA256, source.Content, source.Recipe = a.Name, a.SHA256, a.Content, r.plan.Recipe.Digest
	}
	var sealed *remote.Receipt
	begun := h.step(event.StepPackage, func() (err error) {
		sealed, err = h.beginPackage(ctx, source)
		return err
	})
	switch {
	case !begun:
		return false
	case sealed != nil:
		return h.reverify(ctx, sealed)
	}
	return h.build(ctx, source)
}

// reverify verifies a sealed package: that it still imports, and, for a push, those commands of the
// stage that were not run for it before. Begin has compared it with its manifest.
func (h *host) reverify(ctx context.Context, receipt *remote.Receipt) bool {
	return h.step(event.StepVerify, func() error {
		var commands []string
		if h.run.plan.Op == event.Push {
			commands = without(h.run.plan.Stage.Verify, receipt.Verified)
		}
		_, err := h.session.Verify(ctx, receipt.Name, h.commands(h.run.pkg, commands), h.log.Output(event.StepVerify))
		if err == nil {
			h.receipt = receipt
		}
		return err
	})
}

func without(list, excluded []string) []string {
	return slices.DeleteFunc(slices.Clone(list), func(s string) bool { return slices.Contains(excluded, s) })
}

func (h *host) build(ctx context.Context, s remote.Source) bool {
	agent, timeout, recipe := h.session, h.run.timeout(), h.run.plan.Recipe.Recipe
	var imported []string
	return h.step(event.StepUpload, func() error { return h.upload(ctx) }) &&
		h.step(event.StepUnpack, func() error { return agent.Unpack(ctx, s, timeout, h.log.Output(event.StepUnpack)) }) &&
		h.step(event.StepEnvironment, func() error {
			_, err := agent.Environment(ctx, recipe, timeout, h.log.Output(event.StepEnvironment))
			return err
		}) &&
		h.step(event.StepVerify, func() (err error) {
			imported, err = agent.Verify(ctx, s.Name, h.commands(s.Package, h.run.plan.Stage.Verify), h.log.Output(event.StepVerify))
			return err
		}) &&
		h.step(event.StepSeal, func() error {
			receipt, err := agent.Seal(ctx, s, remote.Provenance{
				By: h.run.Who, Git: h.run.plan.Git, Imports: append([]string{}, imported...), Verified: append([]string{}, h.run.plan.Stage.Verify...),
			})
			if err == nil {
				h.receipt = &receipt
			}
			return err
		})
}

// samePackages refuses packages of one name that differ between hosts: what was verified on one
// host would not be what runs on the other.
func (r *run) samePackages() bool {
	if r.plan.DryRun || len(r.hosts) == 0 {
		return true
	}
	first := r.hosts[0]
	for _, h := range r.hosts[1:] {
		if h.receipt.Content == first.receipt.Content && h.receipt.Environment == first.receipt.Environment {
			continue
		}
		what := "environment"
		if h.receipt.Content != first.receipt.Content {
			what = "content"
		}
		message := fmt.Sprintf("%s has another %s than on %s%s", r.pkg, what, first.Name, differences(h, first))
		h.log.Fail(event.StepVerify, event.Refuse(event.CodeDiffers, message, "pin the requirements (with hashes), bump the version and push again"))
	}
	return len(r.failures()) == 0
}

// differences lists how two environments differ.
func differences(this, other *host) string {
	a, b := this.receipt, other.receipt
	var parts []string
	if a.Python != b.Python {
		parts = append(parts, "python "+a.Python+" instead of "+b.Python)
	}
	for _, name := range a.Installed {
		if !slices.Contains(b.Installed, name) {
			parts = append(parts, name+" only on "+this.Name)
		}
	}
	for _, name := range b.Installed {
		if !slices.Contains(a.Installed, name) {
			parts = append(parts, name+" only on "+other.Name)
		}
	}
	if len(parts) == 0 {
		return ""
	}
	return ": " + strings.Join(parts[:min(len(parts), 6)], ", ")
}
