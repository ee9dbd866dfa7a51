package main

import (
	"context"
	"os/exec"
	"regexp"
	"strings"
	"time"
)

// gitRevision is what the project's folder has checked out, with "+" when files differ from it; "" where there is no git.
func gitRevision(ctx context.Context, dir string) string {
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

// commitPattern is an object name that git has shortened to no less than was asked for.
var commitPattern = regexp.MustCompile(`^[0-9a-f]{12,64}$`)

// parseRevision makes a revision of what git says is checked out, and of what it says is changed: "" where it says anything else. It is
// written to the journals of all hosts, and git may be a program of the user's own.
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
