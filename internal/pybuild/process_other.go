//go:build !unix

package pybuild

import (
	"context"
	"errors"
	"os"
	"os/exec"
)

// Without process groups only the tool itself is ended, and without flock builds
// are not kept apart and there is no private build environment.

func ownGroup(*exec.Cmd) {}

func killGroup(*exec.Cmd) {}

var errNoLocks = errors.New("this system has no file locks: install `build` or uv")

func lock(_ context.Context, file *os.File, _ func()) (unlock func(), err error) {
	_ = file.Close() // nothing was written
	return nil, errNoLocks
}
