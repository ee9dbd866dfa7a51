package pybuild

import (
	"context"
	"os/exec"
	"regexp"
	"strconv"
	"strings"
	"time"

	"github.com/keep-it-simple/kis/internal/safetext"
	"github.com/keep-it-simple/kis/internal/sdist"
)

// gitTimeout bounds what kis asks git about a project: the answers are advice only.
const gitTimeout = 5 * time.Second

// advice asks git about a directory. ok is false where there is no git, or no answer in time.
func advice(ctx context.Context, dir string, args ...string) (out []byte, ok bool) {
	ctx, cancel := context.WithTimeout(ctx, gitTimeout)
	defer cancel()
	out, err := exec.CommandContext(ctx, "git", append([]string{"-C", dir}, args...)...).Output()
	if err != nil {
		return nil, false
	}
	return out, true
}

// tracked lists the files below a directory that git tracks, relative to it, as far as pathspecs allow.
// ok is false where there is no git.
func tracked(ctx context.Context, dir string, pathspecs ...string) (files []string, ok bool) {
	out, ok := advice(ctx, dir, append([]string{"ls-files", "-z", "--", "."}, pathspecs...)...)
	return strings.FieldsFunc(string(out), func(r rune) bool { return r == 0 }), ok
}

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
	head, ok := advice(ctx, dir, "rev-parse", "--short=12", "HEAD")
	if !ok {
		return ""
	}
	changed, ok := advice(ctx, dir, "status", "--porcelain", "--untracked-files=no", "--", ".")
	if !ok {
		return ""
	}
	return parseRevision(head, changed)
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

// Commits are at most n commits that touch a directory, from one revision (see Revision) to another, newest
// first: abbreviated name and subject, safe to print. None where git or one of them is not known here.
func Commits(ctx context.Context, dir, from, to string, n int) []string {
	from, to = strings.TrimSuffix(from, "+"), strings.TrimSuffix(to, "+")
	if !commitPattern.MatchString(from) || !commitPattern.MatchString(to) {
		return nil
	}
	out, ok := advice(ctx, dir, "log", "--no-decorate", "--no-color", "--format=%h %s", "-n", strconv.Itoa(n),
		from+".."+to, "--", ".")
	if !ok {
		return nil
	}
	var commits []string
	for line := range strings.Lines(string(out)) {
		commits = append(commits, safetext.Line(strings.TrimSpace(line)))
	}
	return commits
}
