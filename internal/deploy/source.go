package deploy

import (
	"context"
	"fmt"
	"strings"

	"github.com/keep-it-simple/kis/internal/event"
	"github.com/keep-it-simple/kis/internal/sdist"
	"github.com/keep-it-simple/kis/remote"
)

// sameSource refuses a package that is installed under the same name and was built from something
// else.
func (h *host) sameSource(ctx context.Context, there *remote.Receipt) error {
	archive := h.run.plan.Archive
	const hint = "packages are never changed: bump the version; while it is being developed, push with --dev"
	if there.Content != archive.Content {
		message := fmt.Sprintf("%s is installed with other content", h.run.pkg)
		if names := h.otherFiles(ctx); len(names) > 0 {
			message += ": " + firstOf(names, 5)
		}
		return event.Refuse(remote.CodeOtherContent, message, hint)
	}
	if there.Recipe != h.run.plan.Recipe.Digest {
		message := fmt.Sprintf("%s is installed with another recipe: %s", h.run.pkg, h.otherSettings(ctx, there))
		return event.Refuse(remote.CodeOtherRecipe, message, hint)
	}
	return nil
}

// otherSettings names the keys of the inventory in which the recipe differs from that of the installed package; all of
// them where the host does not know it any more.
func (h *host) otherSettings(ctx context.Context, there *remote.Receipt) string {
	text, err := readRecipe(ctx, h.session, there)
	if installed, own := settings(text), settings(h.run.plan.Recipe.text); err == nil && installed != nil && own != nil {
		if keys := installed.Differing(*own); len(keys) > 0 {
			return strings.Join(keys, ", ")
		}
	}
	return "requirements, wheels, or install, shared or prepare of the inventory"
}

// otherFiles names the files of the archive that differ from those of the installed package, with how;
// none where the host does not know them any more.
func (h *host) otherFiles(ctx context.Context) []string {
	lines, err := h.session.Content(ctx, h.run.pkg)
	if err != nil || len(lines) == 0 {
		return nil
	}
	where := map[string]string{"added": " (only here)", "removed": " (only on the host)"}
	var names []string
	for _, f := range event.ChangedFiles(decoded(lines), h.run.plan.Side().Content) {
		names = append(names, sdist.Quoted(f.Path)+where[f.Change])
	}
	return names
}

// firstOf lists the first names, and counts the others.
func firstOf(names []string, n int) string {
	if len(names) <= n {
		return strings.Join(names, ", ")
	}
	return fmt.Sprintf("%s and %d more", strings.Join(names[:n], ", "), len(names)-n)
}
