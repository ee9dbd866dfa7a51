package pybuild

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
)

// Checkout makes a clean checkout of a commit of the repository that dir is in, in a temporary
// directory, and returns the directory in it that corresponds to dir. The repository of the user is
// only read. The checkout is a clone that shares its objects, so that tools that read versions from
// tags work in it; submodules are not checked out. The caller calls remove when the checkout is no
// longer needed.
func Checkout(ctx context.Context, dir, rev string) (at string, remove func(), err error) {
	if strings.HasPrefix(rev, "-") {
		return "", nil, fmt.Errorf("%q is not a git revision", rev)
	}
	top, err := git(ctx, dir, "rev-parse", "--show-toplevel")
	if err != nil {
		return "", nil, fmt.Errorf("find the git repository of the project: %w", err)
	}
	commit, err := git(ctx, dir, "rev-parse", "--verify", "--quiet", rev+"^{commit}")
	if err != nil {
		return "", nil, fmt.Errorf("%q is not a commit of %s", rev, top)
	}
	below, err := git(ctx, dir, "rev-parse", "--show-prefix")
	if err != nil {
		return "", nil, err
	}
	temp, err := os.MkdirTemp("", "kis-checkout-")
	if err != nil {
		return "", nil, err
	}
	remove = func() { _ = os.RemoveAll(temp) } // the result of the build matters more
	clone := filepath.Join(temp, filepath.Base(top))
	if _, err = git(ctx, temp, "clone", "--quiet", "--shared", "--no-checkout", "--", top, clone); err == nil {
		_, err = git(ctx, clone, "checkout", "--quiet", "--detach", commit)
	}
	if err != nil {
		remove()
		return "", nil, fmt.Errorf("check %s out: %w", rev, err)
	}
	return filepath.Join(clone, below), remove, nil
}

// git runs git in a directory, and returns the first line of what it prints.
func git(ctx context.Context, dir string, args ...string) (string, error) {
	out, err := exec.CommandContext(ctx, "git", append([]string{"-C", dir}, args...)...).Output()
	if exit, ok := errors.AsType[*exec.ExitError](err); ok {
		if text, _, _ := strings.Cut(strings.TrimSpace(string(exit.Stderr)), "\n"); text != "" {
			return "", errors.New(text)
		}
	}
	text, _, _ := strings.Cut(string(out), "\n")
	return text, err
}
