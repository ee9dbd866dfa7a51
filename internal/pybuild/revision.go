package pybuild

import (
	"context"
	"os/exec"
	"regexp"
	"strings"

	"github.com/keep-it-simple/kis/internal/sdist"
)

// Revision is the git commit that a project's directory has checked out, with "+" when the project's
// tracked files differ from it, or the archive that was built there has others; "" where there is no
// git.
func Revision(ctx context.Context, dir string, a *sdist.Archive) string {
	revision := checkedOut(ctx, dir)
	if revision != "" && !strings.HasSuffix(revision, "+") && hasUntracked(ctx, dir, a) {
		revision += "+"
	}
	return revision
}

func checkedOut(ctx context.Context, dir string) string {
	ctx, cancel := context.WithTimeout(ctx, gitTimeout)
	defer cancel()
	revision, err := exec.CommandContext(ctx, "git", "-C", dir, "rev-parse", "--short=12", "HEAD").Output()
	if err != nil {
		return ""
	}
	changed, err := exec.CommandContext(ctx, "git", "-C", dir, "status", "--porcelain", "--untracked-files=no", "--", ".").Output()
	if err != nil {
		return ""
	}
	return parseRevision(revision, changed)
}

// commitPattern is an object name as git abbreviates it.
var commitPattern = regexp.MustCompile(`^[0-9a-f]{12,64}$`)

// parseRevision makes a revision of git's commit and list of changed files; "" where git prints
// anything else. It is written to the journals of all hosts, and git may be a program of the user's
// own.
func parseRevision(head, changed []byte) string {
	revision := strings.TrimSpace(string(head))
	switch {
	case !commitPattern.MatchString(revision):
		return ""
	case len(changed) > 0:
		return revision + "+"
	}
	return revision
}
