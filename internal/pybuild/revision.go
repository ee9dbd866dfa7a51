package pybuild

import (
	"context"
	"os/exec"
	"regexp"
	"strings"
	"time"
)

// Revision is the git commit that a project's directory has checked out, with "+" when tracked
// files differ from it; "" where there is no git.
func Revision(ctx context.Context, dir string) string {
	ctx, cancel := context.WithTimeout(ctx, 5*time.Second)
	defer cancel()
	revision, err := exec.CommandContext(ctx, "git", "-C", dir, "rev-parse", "--short=12", "HEAD").Output()
	if err != nil {
		return ""
	}
	changed, err := exec.CommandContext(ctx, "git", "-C", dir, "status", "--porcelain", "--untracked-files=no").Output()
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
