//go:build unix

package pybuild

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"syscall"
	"time"
)

// ownGroup makes the command lead a process group, which gets TERM when the
// command's context ends: a front end runs its back end as a child.
func ownGroup(cmd *exec.Cmd) {
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	cmd.Cancel = func() error {
		err := syscall.Kill(-cmd.Process.Pid, syscall.SIGTERM)
		if errors.Is(err, syscall.ESRCH) {
			return os.ErrProcessDone
		}
		return err
	}
}

// killGroup kills what is left of the group after its leader has ended. A member
// that lives keeps the group's number from being given to another process.
func killGroup(cmd *exec.Cmd) {
	if cmd.Process != nil {
		_ = syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL) // ESRCH: none is left
	}
}

// errNoLocks means that the file system has no locks.
var errNoLocks = errors.New("the file system has no locks")

// lock takes the exclusive flock(2) of an open file or folder, calls waiting once
// if somebody else has it, and waits until it is free or ctx ends. The lock ends
// with unlock or with the process, and is not inherited by the tools. The file is
// closed by unlock, or at once if there is an error.
func lock(ctx context.Context, file *os.File, waiting func()) (unlock func(), err error) {
	defer func() {
		if err != nil {
			_ = file.Close() // nothing was written
		}
	}()
	// flock(2) cannot be interrupted by a context, so it is asked now and then.
	again := time.NewTicker(50 * time.Millisecond)
	defer again.Stop()
	for {
		err := syscall.Flock(int(file.Fd()), syscall.LOCK_EX|syscall.LOCK_NB)
		switch {
		case err == nil:
			return func() { _ = file.Close() }, nil
		case errors.Is(err, syscall.EINTR):
			continue
		case !errors.Is(err, syscall.EWOULDBLOCK):
			return nil, fmt.Errorf("%w: %w", errNoLocks, err)
		}
		if waiting != nil {
			waiting()
			waiting = nil
		}
		select {
		case <-ctx.Done():
			return nil, context.Cause(ctx)
		case <-again.C:
		}
	}
}
