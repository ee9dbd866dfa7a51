package pybuild

import (
	"context"
	"os/exec"
	"strconv"
	"strings"

	"github.com/keep-it-simple/kis/internal/safetext"
)

// Commits are at most n commits that touch a directory, from one revision (see Revision) to another, newest
// first: abbreviated name and subject, safe to print. None where git or one of them is not known here.
func Commits(ctx context.Context, dir, from, to string, n int) []string {
	from, to = strings.TrimSuffix(from, "+"), strings.TrimSuffix(to, "+")
	if !commitPattern.MatchString(from) || !commitPattern.MatchString(to) {
		return nil
	}
	ctx, cancel := context.WithTimeout(ctx, gitTimeout)
	defer cancel()
	out, err := exec.CommandContext(ctx, "git", "-C", dir, "log", "--no-decorate", "--no-color", "--format=%h %s", "-n", strconv.Itoa(n), from+".."+to, "--", ".").Output()
	if err != nil {
		return nil
	}
	var commits []string
	for line := range strings.Lines(string(out)) {
		commits = append(commits, safetext.Line(strings.TrimSpace(line)))
	}
	return commits
}
