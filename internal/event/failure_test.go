package event_test

import (
	"errors"
	"net"
	"os"
	"os/exec"
	"syscall"
	"testing"

	"github.com/stretchr/testify/assert"

	"github.com/keep-it-simple/kis/internal/event"
	"github.com/keep-it-simple/kis/sshx"
)

// Nobody should wait for a host while this machine is the one in trouble.
func TestTroubleOfThisMachineIsKnownAsSuch(t *testing.T) {
	t.Parallel()
	dial := func(err error) error {
		return &sshx.DialError{Name: "web1", Phase: sshx.PhaseConnect, Err: &net.OpError{Op: "dial", Err: err}}
	}
	for _, c := range []struct {
		name string
		err  error
		here bool
	}{
		{"no network", dial(os.NewSyscallError("connect", syscall.ENETUNREACH)), true},
		{"too many files", dial(os.NewSyscallError("socket", syscall.EMFILE)), true},
		{"a firewall here", dial(os.NewSyscallError("connect", syscall.EPERM)), true},
		{"no such name", dial(&net.DNSError{Name: "web1"}), true},
		{"no ProxyCommand", dial(&exec.Error{Name: "ncat", Err: exec.ErrNotFound}), true},
		{"a key file", errors.New("identity file ~/.ssh/deploy: permission denied"), true},
		{"nothing listens", dial(os.NewSyscallError("connect", syscall.ECONNREFUSED)), false},
		{"no route to the host", dial(os.NewSyscallError("connect", syscall.EHOSTUNREACH)), false},
		{"silence", dial(os.ErrDeadlineExceeded), false},
		{"behind a jump host that is down", &sshx.JumpError{Name: "bastion", Err: dial(syscall.ECONNREFUSED)}, false},
		{"the login", &sshx.AuthError{Name: "web1"}, false},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			assert.Equal(t, c.here, event.NewFailure("web1", event.StepConnect, c.err).Here)
		})
	}
}
