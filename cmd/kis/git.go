package main

import (
	"context"
	"os/exec"
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
	mark := ""
	if len(changed) > 0 {
		mark = "+"
	}
	return strings.TrimSpace(string(revision)) + mark
}
