//go:build !unix

package sdist

import (
	"context"
	"errors"
	"os/exec"
)

// Without process groups only the tool itself is ended, and without flock builds
// are not kept apart and there is no private build environment.

func ownGroup(*exec.Cmd) {}

func killGroup(*exec.Cmd) {}

var errNoLocks = errors.New("this system has no file locks: install `build` or uv")

func lock(context.Context, string, func()) (unlock func(), err error) {
	return nil, errNoLocks
}
