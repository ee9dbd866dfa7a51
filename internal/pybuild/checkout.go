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

// Tree is a clean checkout of a commit in a temporary directory.
type Tree struct{ top, clone, temp string }

// Checkout makes a clean checkout of a commit of the repository that dir is in. The repository is only
// read. The checkout is a clone that shares its objects, so that tools that read versions from tags work
// in it; submodules are not checked out. The caller calls Remove.
func Checkout(ctx context.Context, dir, rev string) (*Tree, error) {
	if strings.HasPrefix(rev, "-") {
		return nil, fmt.Errorf("%q is not a git revision", rev)
	}
	top, err := git(ctx, dir, "rev-parse", "--show-toplevel")
	if err != nil {
		return nil, fmt.Errorf("find the git repository of the project: %w", err)
	}
	commit, err := git(ctx, dir, "rev-parse", "--verify", "--quiet", rev+"^{commit}")
	if err != nil {
		return nil, fmt.Errorf("%q is not a commit of %s", rev, top)
	}
	temp, err := os.MkdirTemp("", "kis-checkout-")
	if err != nil {
		return nil, err
	}
	t := &Tree{top: top, clone: filepath.Join(temp, filepath.Base(top)), temp: temp}
	if _, err = git(ctx, temp, "clone", "--quiet", "--shared", "--no-checkout", "--", top, t.clone); err == nil {
		_, err = git(ctx, t.clone, "checkout", "--quiet", "--detach", commit)
	}
	if err != nil {
		t.Remove()
		return nil, fmt.Errorf("check %s out: %w", rev, err)
	}
	return t, nil
}

// At returns the path in the checkout that corresponds to one in the repository; a path outside of it
// is returned as it is.
func (t *Tree) At(path string) (string, error) {
	real, err := filepath.EvalSymlinks(path) // as git names the top of the repository
	if err != nil {
		return "", err
	}
	below, err := filepath.Rel(t.top, real)
	if err != nil || below == ".." || strings.HasPrefix(below, "../") {
		return path, nil //nolint:nilerr // it lies elsewhere
	}
	return filepath.Join(t.clone, below), nil
}

// Remove removes the checkout.
func (t *Tree) Remove() { _ = os.RemoveAll(t.temp) } // the result of the build matters more

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
