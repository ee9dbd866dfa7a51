package deploy

import (
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"

	"github.com/keep-it-simple/kis/internal/event"
	"github.com/keep-it-simple/kis/remote"
)

// origin is what the package of a run is made of on the hosts that lack it: an archive and a recipe of this
// machine, or those of hosts that have the package.
type origin struct {
	source  remote.Source
	archive upload
	recipe  Recipe
	git     string
	receipt *remote.Receipt // of a host that has the package; nil: it is of this machine
}

// builtOrigin is the archive of the plan.
func (r *run) builtOrigin() *origin {
	a := r.plan.Archive
	return &origin{
		source:  remote.Source{Package: r.pkg, Name: a.Name, SHA256: a.SHA256, Content: a.Content, Recipe: r.plan.Recipe.Digest},
		archive: upload{sha256: a.SHA256, size: a.Size, open: func() (io.ReadCloser, error) { return io.NopCloser(a.Reader()), nil }},
		recipe:  r.plan.Recipe, git: r.plan.Git,
	}
}

// findOrigin determines of what the package is made, where a host lacks it: nil where all have it.
func (r *run) findOrigin(ctx context.Context) (*origin, error) {
	if r.plan.Archive != nil {
		return r.builtOrigin(), nil
	}
	if len(r.lacking(r.pkg)) == 0 {
		return nil, nil //nolint:nilnil // there is none, see above
	}
	return r.copiedOrigin(ctx)
}

// copiedOrigin reads recipe and archive of the package from the hosts that have it.
func (r *run) copiedOrigin(ctx context.Context) (*origin, error) {
	var receipt *remote.Receipt
	for _, h := range r.everyHost() {
		there := h.sealed(r.pkg)
		if there == nil {
			continue
		}
		if receipt == nil {
			receipt = there
		}
		if there.Content == receipt.Content && there.Recipe == receipt.Recipe {
			r.exchange.add(h, remote.Wheel{SHA256: there.Archive}, remote.Wheel{SHA256: recipeSum(there)})
			r.exchange.add(h, there.ParseWheels()...)
		}
	}
	if receipt == nil || receipt.Archive == "" || receipt.Platform == "" {
		return nil, event.Refuse(remote.CodeNoPackage, fmt.Sprintf("%s was installed by a kis that did not keep what others need of it", r.pkg),
			r.howToInstall(r.pkg, r.lacking(r.pkg)))
	}
	text, err := r.exchange.readAll(ctx, remote.Wheel{Name: "the recipe of " + r.pkg.String(), SHA256: recipeSum(receipt)})
	if err != nil {
		return nil, r.withAnotherWay(err)
	}
	recipe, err := parseRecipe(text)
	if err != nil {
		return nil, fmt.Errorf("recipe of %s: %w", r.pkg, err)
	}
	recipe.Installer = r.plan.Recipe.Installer
	recipe.IndexURL, recipe.ExtraIndexURLs = r.plan.Recipe.IndexURL, r.plan.Recipe.ExtraIndexURLs // with their passwords
	archive := remote.Wheel{Name: "the archive of " + r.pkg.String(), SHA256: receipt.Archive}
	size, err := r.exchange.size(ctx, archive)
	if err != nil {
		return nil, r.withAnotherWay(err)
	}
	return &origin{
		source:  remote.Source{Package: r.pkg, Name: receipt.Name, SHA256: receipt.Archive, Content: receipt.Content, Recipe: receipt.Recipe},
		archive: upload{sha256: receipt.Archive, size: size, open: func() (io.ReadCloser, error) { return r.exchange.open(ctx, archive) }},
		recipe:  recipe, git: receipt.Git, receipt: receipt,
	}, nil
}

// withAnotherWay adds to a failure to copy the package what brings it to the hosts that lack it.
func (r *run) withAnotherWay(err error) error {
	if failure, some := errors.AsType[*event.Failure](err); some && failure.Hint == "" {
		return event.Refuse(failure.Code, failure.Message, r.howToInstall(r.pkg, r.lacking(r.pkg)))
	}
	return err
}

func recipeSum(r *remote.Receipt) string { return strings.TrimPrefix(r.Recipe, "sha256:") }

// recipeUpload is the text of the recipe.
func (o *origin) recipeUpload() upload {
	return inMemory(strings.TrimPrefix(o.recipe.Digest, "sha256:"), o.recipe.text)
}

// everyHost is the hosts of the run, and those that it only reads from.
func (r *run) everyHost() []*host { return append(slices.Clone(r.hosts), r.donors...) }
