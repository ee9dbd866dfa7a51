package deploy

import (
	"context"
	"encoding/json"
	"fmt"
	"net/url"
	"slices"
	"strings"

	"github.com/keep-it-simple/kis/internal/event"
	"github.com/keep-it-simple/kis/internal/fleet"
	"github.com/keep-it-simple/kis/internal/name"
	"github.com/keep-it-simple/kis/inventory"
	"github.com/keep-it-simple/kis/remote"
)

// LinkedSide reads what a stage is linked to. Hosts that are linked to something else make it an error: there
// would be two answers.
func (d *Deployer) LinkedSide(ctx context.Context, hosts []inventory.Host, stage name.Stage) (event.Side, error) {
	sides, failures := d.sides(ctx, hosts, linkedTo(stage))
	if err := event.NewUnanswered(failures); err != nil {
		return event.Side{}, err
	}
	for i := range sides {
		sides[i].Stage = stage.String()
		if sides[i].Package != sides[0].Package {
			return event.Side{}, event.Refuse(event.CodeDiffers,
				fmt.Sprintf("%s is linked to %s on %s, and to %s on %s", stage, event.LinkText(sides[0].Package), hosts[0].Name, event.LinkText(sides[i].Package), hosts[i].Name),
				"see: kis status "+stage.String())
		}
	}
	return sides[0], nil
}

// PackageSide reads a package from the first of the hosts that has it.
func (d *Deployer) PackageSide(ctx context.Context, hosts []inventory.Host, p name.Package) (event.Side, error) {
	sides, failures := d.sides(ctx, hosts, installed(p))
	for i := range sides {
		if failures[i] == nil && sides[i].Package != "" {
			return sides[i], nil
		}
	}
	if err := event.NewUnanswered(failures); err != nil {
		return event.Side{}, err
	}
	return event.Side{}, event.Refuse(remote.CodeNoPackage, p.String()+" is not installed", "see: kis list")
}

// choice names the package that is to be read on a host; the zero value: none.
type choice func(context.Context, *fleet.Session) (name.Package, error)

// linkedTo is the package that a stage is linked to.
func linkedTo(stage name.Stage) choice {
	return func(ctx context.Context, s *fleet.Session) (name.Package, error) {
		facts, err := s.Check(ctx, remote.CheckRequest{Stage: stage})
		if err != nil || facts.Stage.Linked == "" {
			return name.Package{}, err
		}
		return name.ParsePackage(facts.Stage.Linked)
	}
}

// installed is the package, on hosts that have it.
func installed(p name.Package) choice {
	return func(ctx context.Context, s *fleet.Session) (name.Package, error) {
		facts, err := s.Check(ctx, remote.CheckRequest{Package: p})
		if err != nil || facts.Package.State != remote.Sealed {
			return name.Package{}, err
		}
		return p, nil
	}
}

// sides reads the package that choose names on each host; none where it names none.
func (d *Deployer) sides(ctx context.Context, hosts []inventory.Host, choose choice) ([]event.Side, []*event.Failure) {
	all := make([]event.Side, len(hosts))
	failures := d.onHosts(ctx, hosts, event.StepDiff, func(ctx context.Context, i int, s *fleet.Session) error {
		bounded, cancel := within(ctx, d.timeouts().Query)
		defer cancel()
		p, err := choose(bounded, s)
		if err != nil || p.IsZero() {
			return err
		}
		all[i], err = readSide(bounded, s, p)
		all[i].Host = hosts[i].Name
		return err
	})
	return all, failures
}

func readSide(ctx context.Context, s *fleet.Session, p name.Package) (event.Side, error) {
	facts, err := s.Check(ctx, remote.CheckRequest{Package: p})
	if err != nil {
		return event.Side{}, err
	}
	side := event.Side{Package: p.String()}
	receipt := facts.Package.Receipt
	if receipt == nil {
		return side, nil
	}
	side.Git, side.Distributions = receipt.Git, event.ParseDistributions(receipt.Installed)
	delete(side.Distributions, name.Canonical(receipt.Name))
	lines, err := s.Content(ctx, p)
	if err != nil {
		return side, err
	}
	side.Content = decoded(lines)
	if text, err := readRecipe(ctx, s, receipt); err == nil { // an older kis did not store it
		side.Recipe = settings(text)
	}
	return side, nil
}

// settings are the parts of a recipe by their keys in the inventory.
func settings(text []byte) *event.Recipe {
	var r recipeText
	if json.Unmarshal(text, &r) != nil || r.Version != recipeVersion {
		return nil
	}
	wheels := make([]string, len(r.Wheels))
	for i, w := range r.Wheels {
		wheels[i] = w.Name + " " + w.SHA256
	}
	return &event.Recipe{
		"install.mode": string(r.Mode), "install.requirements": r.Requirements, "install.wheels": strings.Join(wheels, "\n"),
		"install.index_url, extra_index_urls": strings.Join(r.Indexes, "\n"), "install.extras": strings.Join(r.Extras, "\n"),
		"shared": strings.Join(r.Dirs, "\n") + "\x00" + strings.Join(r.Files, "\n"), "prepare": strings.Join(r.Prepare, "\n"),
	}
}

// Side is what a push of the plan would install.
func (p Plan) Side() event.Side {
	side := event.Side{Package: p.Target.String(), Git: p.Git, Recipe: settings(p.Recipe.text)}
	if p.Target.IsZero() {
		side.Package = p.Archive.Package.String()
	}
	var lines []string
	for path := range p.Archive.Paths() {
		line, _ := p.Archive.Find(path)
		lines = append(lines, line)
	}
	side.Content = decoded(lines)
	return side
}

// Pins are the distributions that the recipe's requirements pin; nil where something is not pinned.
func (r Recipe) Pins() map[string]string {
	return event.ParseDistributions(strings.Split(r.pinned, "\n"))
}

// decoded are lines of a content digest with their paths as users write them.
func decoded(lines []string) []string {
	if len(lines) == 0 {
		return nil
	}
	all := slices.Clone(lines)
	for i, line := range all {
		at := strings.LastIndexByte(line, ' ')
		if path, err := url.PathUnescape(line[at+1:]); err == nil && !strings.Contains(path, " ") {
			all[i] = line[:at+1] + path
		}
	}
	return all
}
