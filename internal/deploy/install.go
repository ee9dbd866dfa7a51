package deploy

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/keep-it-simple/kis/internal/event"
	"github.com/keep-it-simple/kis/inventory"
	"github.com/keep-it-simple/kis/remote"
)

// install makes the package on one host, or verifies it where it is installed already.
func (r *run) install(ctx context.Context, h *host) bool {
	defer r.platforms[h.facts.Platform].leave(h)
	source := remote.Source{Package: r.pkg} // without content: only a sealed package will do
	if r.origin != nil {
		source = r.origin.source
	}
	source.Read = h.readsPackage()
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

// reverify verifies a sealed package: that it still imports, and those commands of the inventory that
// did not verify it when it was built.
func (h *host) reverify(ctx context.Context, receipt *remote.Receipt) bool {
	return h.step(event.StepVerify, func() error {
		if err := h.requireIntact(ctx); err != nil {
			return err
		}
		verified, err := h.session.Verify(ctx, h.run.pkg, receipt.Name, false, h.run.timeout(), h.log.Output(event.StepVerify))
		if err != nil {
			return err
		}
		h.noteNothingImported(verified)
		h.receipt = receipt
		var missing []inventory.Command
		for _, c := range h.run.plan.Verify {
			if slices.Contains(receipt.Verified, c.Run) {
				h.log.Command(event.StepVerify, event.Skipped, c.Run)
				continue
			}
			missing = append(missing, c)
		}
		return h.runInPackage(ctx, event.StepVerify, missing, h.packageVariables(h.run.pkg))
	}) && h.verifyStage(ctx)
}

// verifyStage runs the stage's own verification, for every push and link to it: what was verified for
// one stage says nothing of another one's settings.
func (h *host) verifyStage(ctx context.Context) bool {
	list := h.run.plan.Stage.Verify
	if len(list) == 0 || h.run.plan.Op == event.Rollback {
		return true
	}
	return h.step(event.StepVerifyStage, func() error {
		return h.runInPackage(ctx, event.StepVerifyStage, list, h.stageVariables(h.run.pkg))
	})
}

func (h *host) build(ctx context.Context, s remote.Source) bool {
	agent, timeout := h.session, h.run.timeout()
	return h.step(event.StepUpload, func() error {
		return h.upload(ctx, event.StepUpload, []upload{h.run.origin.archive, h.run.origin.recipeUpload()})
	}) &&
		h.step(event.StepUnpack, func() error { return agent.Unpack(ctx, s, timeout, h.log.Output(event.StepUnpack)) }) &&
		h.installEnvironment(ctx) &&
		h.prepare(ctx) &&
		h.verifyAndSeal(ctx, s) &&
		h.verifyStage(ctx)
}

// noteNothingImported says that verification has not imported the application, once for all hosts: they have the same.
func (h *host) noteNothingImported(v remote.Verified) {
	if len(v.Imported) == 0 {
		h.run.importNotice.Do(func() {
			h.run.stream.Notice("", fmt.Sprintf("verification of %s imported nothing: %s", h.run.pkg, v.Nothing))
		})
	}
}

// prepare completes the package: the links to what packages share, then the inventory's commands.
func (h *host) prepare(ctx context.Context) bool {
	r := h.run.origin.recipe
	if len(r.Shared.Dirs)+len(r.Shared.Files)+len(r.Prepare) == 0 {
		return true
	}
	return h.step(event.StepPrepare, func() error {
		if err := h.session.Share(ctx, remote.Shared(r.Shared)); err != nil {
			return err
		}
		return h.runInPackage(ctx, event.StepPrepare, r.Prepare, h.packageVariables(h.run.pkg))
	})
}

// verifyAndSeal verifies the package as it will be run, read-only, and then seals it.
func (h *host) verifyAndSeal(ctx context.Context, s remote.Source) bool {
	var modules remote.Verified
	verified := []string{}
	return h.step(event.StepVerify, func() (err error) {
		if err := h.session.Freeze(ctx, h.run.modified); err != nil {
			return err
		}
		if modules, err = h.session.Verify(ctx, s.Package, s.Name, h.makesComplete, h.run.timeout(), h.log.Output(event.StepVerify)); err != nil {
			return err
		}
		h.noteNothingImported(modules)
		for _, c := range h.run.plan.Verify {
			verified = append(verified, c.Run)
		}
		return h.runInPackage(ctx, event.StepVerify, h.run.plan.Verify, h.packageVariables(s.Package))
	}) && h.step(event.StepSeal, func() error {
		receipt, err := h.session.Seal(ctx, s, remote.Provenance{
			By: h.run.Who, Git: h.run.origin.git, Imports: append([]string{}, modules.Imported...), Verified: verified,
			Resolution: h.resolution, Application: h.application, Editable: h.run.origin.recipe.Mode == remote.Editable, Uploads: []string{h.run.origin.recipeUpload().sha256},
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
		if what := otherThan(h.receipt, first.receipt); what != "" {
			message := fmt.Sprintf("%s has another %s than on %s%s", r.pkg, what, first.Name, differences(h, first))
			h.log.Fail(event.StepVerify, event.Refuse(event.CodeDiffers, message, "pin the requirements (with hashes), bump the version and push again"))
		}
	}
	return len(r.failures()) == 0
}

// otherThan says what of one package differs from the other: its content, or its environment. Environments
// of different platforms consist of the same distributions, not of the same wheels.
func otherThan(this, other *remote.Receipt) string {
	switch {
	case this.Content != other.Content:
		return "content"
	case this.Platform != other.Platform || this.Platform == "":
		if slices.Equal(this.Installed, other.Installed) {
			return ""
		}
		return "environment"
	case this.Environment != other.Environment:
		return "environment"
	}
	return ""
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
		for _, wheel := range a.ParseWheels() {
			if !slices.ContainsFunc(b.ParseWheels(), func(other remote.Wheel) bool { return other.SHA256 == wheel.SHA256 }) {
				parts = append(parts, "another "+wheel.Name)
			}
		}
	}
	if len(parts) == 0 {
		return ""
	}
	return ": " + strings.Join(parts[:min(len(parts), 6)], ", ")
}
