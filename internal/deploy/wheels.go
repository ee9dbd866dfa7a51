package deploy

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"path"
	"slices"
	"strings"
	"time"

	"github.com/keep-it-simple/kis/internal/event"
	"github.com/keep-it-simple/kis/internal/guard"
	"github.com/keep-it-simple/kis/internal/name"
	"github.com/keep-it-simple/kis/remote"
	"github.com/keep-it-simple/kis/scripts"
)

// Wheel is the application's wheel, built on this machine.
type Wheel struct {
	remote.Wheel
	Requires []string // Requires-Dist of its metadata
	Open     func() (io.ReadCloser, error)
}

// installAll makes the package on all hosts, or verifies it.
func (r *run) installAll(ctx context.Context) bool {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	r.exchange, r.platforms = newExchange(), map[string]*platform{}
	defer r.exchange.close() //nolint:errcheck // a temporary directory
	var err error
	if r.installer, err = scripts.Installer(); err != nil {
		r.stream.Notice("", err.Error())
		return false
	}
	if r.origin, err = r.findOrigin(ctx); err != nil {
		for _, h := range r.hosts {
			if h.sealed(r.pkg) == nil {
				h.log.Fail(event.StepPackage, err)
			}
		}
		return false
	}
	r.modified = r.timeOfFiles()
	for _, h := range r.hosts {
		p := h.facts.Platform
		if r.platforms[p] == nil {
			r.platforms[p] = newPlatform(ctx, r.timeouts().Maker)
		}
		r.platforms[p].members[h] = true
	}
	return r.phase(ctx, "install", r.install)
}

// timeOfFiles is the modification time of the package's files: that of the package on another host, or else now. HTTP servers
// make validators of it, and it is in the future on no host.
func (r *run) timeOfFiles() time.Time {
	for _, h := range r.everyHost() {
		there := h.sealed(r.pkg)
		if r.origin != nil && there != nil && there.Modified > 0 && there.Content == r.origin.source.Content && there.Recipe == r.origin.source.Recipe {
			return time.Unix(there.Modified, 0)
		}
	}
	earliest := r.begun
	for _, h := range r.hosts {
		if there := r.begun.Add(h.clock.Offset); there.Before(earliest) {
			earliest = there
		}
	}
	return earliest
}

// installEnvironment brings the wheels to the host, fills the companion environment with them, and compiles its modules.
func (h *host) installEnvironment(ctx context.Context) bool {
	return h.step(event.StepWheels, func() error { return h.findWheels(ctx) }) && h.step(event.StepEnvironment, func() error {
		h.log.Doing(event.StepEnvironment, fmt.Sprintf("installing %d wheels", len(h.wheels)))
		request := remote.EnvironmentRequest{
			Wheels: h.wheels, Library: h.run.installer.SHA256, Editable: h.application == "", Additions: h.additions, Recipe: h.run.origin.recipe.Recipe, Within: h.run.timeout(),
		}
		byPip := request.Editable && h.additions == ""
		if byPip { // with what one host of the platform has had to make the wheels
			if err := h.upload(ctx, event.StepEnvironment, h.run.origin.recipe.files); err != nil {
				return err
			}
		}
		if len(h.run.origin.recipe.Prepare) == 0 && !byPip { // neither commands nor pip change what kis writes
			request.Modified = h.run.modified
		}
		filled, err := h.session.Environment(ctx, request, h.log.Output(event.StepEnvironment))
		if err != nil {
			return err
		}
		return h.compile(ctx, filled.Modules)
	})
}

// findWheels determines of what the environment consists, and brings it to the host: of what it consists on a host that
// has the package already, or else of the wheels of the platform.
func (h *host) findWheels(ctx context.Context) error {
	copied := h.run.origin.receipt != nil
	if there := h.samePackageElsewhere(); there != nil {
		h.wheels, h.application, h.resolution, h.additions = there.ParseWheels(), there.Application, there.Resolution, there.Additions
		err := h.obtain(ctx, h.wheels)
		if err == nil {
			return h.obtainAdditions(ctx)
		}
		// A copy must be exact: if its wheels are gone, it fails. A package that is built here can be resolved anew.
		if copied || !isGone(err) {
			return err
		}
	}
	if copied {
		return h.foreignPlatform()
	}
	application, err := h.applicationWheel(ctx)
	if err != nil {
		return err
	}
	env, err := h.run.platforms[h.facts.Platform].environment(ctx, h, func(ctx, unneeded context.Context) (*environment, error) {
		return h.chooseWheels(ctx, unneeded, application)
	})
	if err != nil {
		return err
	}
	h.use(env, application)
	return h.obtain(ctx, h.wheels)
}

// isGone reports whether no host gives a file that a receipt names: somebody has removed it, or the host is lost.
func isGone(err error) bool {
	failure, some := errors.AsType[*event.Failure](err)
	return some && failure.Code == event.CodeNoWheels
}

// obtainAdditions brings to the host what pip has added to the package on another one. If no host has it any more, pip
// installs the application here, too.
func (h *host) obtainAdditions(ctx context.Context) error {
	if h.additions == "" {
		return nil
	}
	file := remote.Wheel{Name: "what pip has installed", SHA256: h.additions}
	size, err := h.run.exchange.size(ctx, file)
	if isGone(err) {
		h.additions = ""
		return nil
	}
	if err != nil {
		return err
	}
	return h.upload(ctx, event.StepWheels, []upload{{h.additions, size, func() (io.ReadCloser, error) { return h.run.exchange.open(ctx, file) }}})
}

// samePackageElsewhere is the receipt of this package on another host, if an environment of the same wheels
// can be made here. An editable application is found by its path, which is also in what pip has added.
func (h *host) samePackageElsewhere() *remote.Receipt {
	r := h.run
	for _, other := range r.everyHost() {
		there := other.sealed(r.pkg)
		if there == nil || there.Platform != h.facts.Platform || there.Content != r.origin.source.Content || there.Recipe != r.origin.source.Recipe || len(there.ParseWheels()) != len(there.Wheels) {
			continue
		}
		found, sameRoot := *there, other.facts.Root == h.facts.Root
		if r.origin.recipe.Mode == remote.Editable && there.Application != "" && !sameRoot {
			continue
		}
		if !sameRoot {
			found.Additions = ""
		}
		r.exchange.add(other, there.ParseWheels()...)
		if found.Additions != "" {
			r.exchange.add(other, remote.Wheel{SHA256: found.Additions})
		}
		return &found
	}
	return nil
}

// foreignPlatform refuses to copy a package to a host where its wheels cannot run.
func (h *host) foreignPlatform() error {
	var platforms []string
	for _, other := range h.run.everyHost() {
		if there := other.sealed(h.run.pkg); there != nil && !slices.Contains(platforms, there.Platform) {
			platforms = append(platforms, there.Platform)
		}
	}
	message := fmt.Sprintf("%s is installed for another platform (%s) than this host's (%s), or in another root", h.run.pkg, strings.Join(platforms, ", "), h.facts.Platform)
	return event.Refuse(event.CodeNoWheels, message, h.run.howToInstall(h.run.pkg, []string{h.Name}))
}

// use remembers of what the environment of this host will consist.
func (h *host) use(env *environment, application *Wheel) {
	h.wheels, h.application, h.additions = slices.Clone(env.wheels), "", "" // which an attempt to copy may have set
	h.makesComplete, h.resolution, h.built = env.by == h, h.resolutionOf(application), application
	switch {
	case application != nil:
		h.wheels, h.application = append(h.wheels, application.Wheel), application.SHA256
	case env.application != nil:
		h.wheels, h.application = append(h.wheels, *env.application), env.application.SHA256
	}
}

// buildWheel begins to build the application's wheel. end waits for it: if no host has needed it, it is not completed.
func (r *run) buildWheel(ctx context.Context) (end func()) {
	if r.plan.BuildWheel == nil {
		return func() {}
	}
	ctx, cancel := context.WithCancel(ctx)
	var building guard.Group
	building.Go(func() { r.plan.BuildWheel(ctx, r.say) }, r.stream.Bug)
	return func() { cancel(); building.Wait() }
}

// say tells the user something that is not about one host.
func (r *run) say(text string) { r.stream.Notice("", text) }

// applicationWheel is the wheel that this machine has built for a package of this host, nil where a host
// must build it.
func (h *host) applicationWheel(ctx context.Context) (*Wheel, error) {
	r := h.run
	if r.plan.Wheel == nil {
		return nil, nil
	}
	h.log.Doing(event.StepWheels, "the application's wheel is built on this machine")
	wheel, err := r.plan.Wheel(ctx, path.Join(h.facts.Root, r.pkg.String()), r.say)
	if err != nil && ctx.Err() == nil {
		r.wheelNotice.Do(func() { r.stream.Notice("", fmt.Sprintf("hosts build the application: %v", err)) })
		return nil, nil
	}
	return wheel, err
}

// chooseWheels finds the wheels of this host's platform: those of an installed package that were chosen by
// the same, or else new ones.
func (h *host) chooseWheels(ctx, unneeded context.Context, application *Wheel) (*environment, error) {
	if application != nil {
		if len(application.Requires) == 0 && h.run.origin.recipe.Requirements == "" {
			return new(environment), nil
		}
		if env, err := h.reuseWheels(ctx, h.resolutionOf(application)); env != nil || err != nil {
			return env, err
		}
	}
	return h.makeWheels(ctx, unneeded, application)
}

// reuseWheels takes the wheels of an installed package that were chosen by the same; nil where there are none, or they
// are gone.
func (h *host) reuseWheels(ctx context.Context, resolution string) (*environment, error) {
	r := h.run
	env, from := r.installed(h.facts.Platform, resolution)
	if env == nil || r.plan.Upgrade {
		return nil, nil //nolint:nilnil // there are none
	}
	if err := h.obtain(ctx, env.wheels); err != nil {
		if isGone(err) {
			return nil, nil //nolint:nilnil // likewise
		}
		return nil, err
	}
	if !r.origin.recipe.Hashed && r.origin.recipe.Requirements != "" {
		r.stream.Notice("", fmt.Sprintf("the requirements are unchanged: their wheels are those of %s; --upgrade resolves them anew", from))
	}
	return env, nil
}

// resolutionOf is the digest of what wheels are chosen by; "" where it is not known before they are made.
func (h *host) resolutionOf(application *Wheel) string {
	if application == nil {
		return ""
	}
	r := h.run.origin.recipe
	requires := slices.Sorted(slices.Values(application.Requires))
	text, err := json.Marshal([]any{"resolution 1", r.requirements, r.Wheels, r.Extras, r.indexes, requires, h.facts.Platform})
	if err != nil {
		return "" // texts only
	}
	return "sha256:" + sha256Text(text)
}

// installed is the environment of the newest package on any host that was resolved by the same, and that package; nil
// where there is none.
func (r *run) installed(platform, resolution string) (*environment, name.Package) {
	var newest *remote.Receipt
	for _, h := range r.hosts {
		for _, p := range h.facts.Packages {
			if there := p.Receipt; there != nil && there.Platform == platform && there.Resolution == resolution && (newest == nil || there.Created.After(newest.Created)) {
				newest = there
			}
		}
	}
	if newest == nil {
		return nil, name.Package{}
	}
	env := &environment{wheels: withoutApplication(newest)}
	for _, h := range r.hosts {
		for _, p := range h.facts.Packages {
			if p.Receipt != nil && slices.Equal(p.Receipt.Wheels, newest.Wheels) {
				r.exchange.add(h, env.wheels...)
			}
		}
	}
	return env, newest.Package
}

// withoutApplication are the wheels of a package but for that of the application.
func withoutApplication(r *remote.Receipt) []remote.Wheel {
	return slices.DeleteFunc(r.ParseWheels(), func(w remote.Wheel) bool { return w.SHA256 == r.Application })
}

// makeWheels makes the wheels on this host. When another host was faster, unneeded ends: then this one is told to stop, and its
// answer is awaited, because it refuses other commands until then.
func (h *host) makeWheels(ctx, unneeded context.Context, application *Wheel) (*environment, error) {
	r := h.run
	uploads := r.origin.recipe.files
	request := remote.WheelsRequest{
		Recipe: r.origin.recipe.Recipe, Name: r.origin.source.Name, Archive: r.origin.source.SHA256, Within: r.timeout(),
	}
	if application != nil {
		request.Application = &application.Wheel
		// Other hosts may do this at the same time: nothing is appended to what they share.
		uploads = slices.Concat(uploads, []upload{{application.SHA256, application.Size, application.Open}})
	}
	if err := h.upload(ctx, event.StepWheels, uploads); err != nil {
		return nil, err
	}
	stop := context.AfterFunc(unneeded, guard.Func(func() { _ = h.session.Cancel(context.WithoutCancel(ctx)) }, func(bug *guard.Panic) { h.log.Bug(bug) }))
	defer stop()
	h.log.Doing(event.StepWheels, "pip resolves the requirements")
	made, err := h.session.Wheels(ctx, request, h.log.Output(event.StepWheels), func(w remote.Wheel) {
		if r.platforms[h.facts.Platform].downloaded(w) {
			r.exchange.add(h, w)
		}
	})
	if err != nil {
		return nil, err
	}
	env := &environment{wheels: made.Wheels, application: made.Application, by: h}
	if r.origin.recipe.Mode == remote.Editable {
		env.application = nil // it would be a copy
	} else if application == nil && made.Application == nil {
		return nil, event.Refuse(event.CodeNoWheels, "pip made no wheel of "+r.origin.source.Name, "")
	}
	r.exchange.add(h, env.wheels...)
	if env.application != nil {
		r.exchange.add(h, *env.application)
	}
	return env, nil
}
