package hosttest

import (
	"bufio"
	"context"
	"io"
	"net"
	"os"
	"os/exec"
	"runtime"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/keep-it-simple/kis/internal/testenv/opensshtest"
)

// boot is the host's first program in its root: it gives the host its own directories, the
// machine's pip and its name, and becomes sshd. It is the first process of its own process
// namespace, so that whatever runs on the host dies with it. It waits for a line on its input: the
// network has to be there before sshd can listen on it.
const boot = `set -eu
mkdir -p "$2" "$4" "$6"
mount --bind "$1" "$2"
mount --bind "$3" "$4"
mount --bind "$5" "$6"
mount -o remount,bind,ro "$6"
hostname "$7"
shift 7
read -r plugged_in
exec "$@"
`

// running is a host that is up.
type running struct {
	pid   int
	kill  context.CancelFunc
	ended chan struct{} // closed once sshd has ended and its log is complete

	mu  sync.Mutex
	log strings.Builder
}

// start boots the host. Its port is chosen at the first start: sshd cannot choose one and tell.
func (h *Host) start(tb testing.TB) {
	tb.Helper()
	switch {
	case h.options.Network:
		h.Port = 22
	case h.Port == 0:
		h.Port = Port(tb)
	}
	h.boot(tb)
	h.Addr = net.JoinHostPort(h.address(), strconv.Itoa(h.Port))
}

// boot starts the host's first program and waits until sshd listens.
func (h *Host) boot(tb testing.TB) {
	tb.Helper()
	ctx, cancel := context.WithCancel(context.Background()) //nolint:forbidigo // the host lives until Kill, beyond the test's context
	argv := h.root.Command(append([]string{
		"/bin/sh", "-c", boot, "boot", h.Repo, Repository, h.Home, userHome, h.pip, h.pipInside(), h.Name,
	}, h.sshd(tb)...)...)
	cmd := exec.CommandContext(ctx, argv[0], argv[1:]...)
	cmd.Env = []string{"PATH=/usr/sbin:/usr/bin:/sbin:/bin", "LANG=C.UTF-8"}
	cmd.SysProcAttr = &syscall.SysProcAttr{
		Cloneflags: syscall.CLONE_NEWNS | syscall.CLONE_NEWPID | syscall.CLONE_NEWUTS,
		Pdeathsig:  syscall.SIGKILL, // a test binary that is killed takes its hosts along
	}
	if h.options.Network {
		cmd.SysProcAttr.Cloneflags |= syscall.CLONE_NEWNET
	}
	stdin, err := cmd.StdinPipe()
	require.NoError(tb, err)
	r := &running{kill: cancel, ended: make(chan struct{})}
	stderr, err := cmd.StderrPipe()
	require.NoError(tb, err)
	started, listening := make(chan error), make(chan struct{})
	go func() { // ends with the host; Kill waits for it
		defer close(r.ended)
		runtime.LockOSThread() // Pdeathsig goes by the thread that started the process
		defer runtime.UnlockOSThread()
		err := cmd.Start()
		started <- err
		if err != nil {
			return
		}
		r.collect(bufio.NewScanner(stderr), listening)
		_ = cmd.Wait() // killed, as wanted
	}()
	require.NoError(tb, <-started, "hosts need namespaces of their own")
	r.pid = cmd.Process.Pid
	h.running = r // what fails from here on is cleaned up by Kill
	if h.options.Network {
		h.plugIn(tb, r.pid)
	}
	_, _ = io.WriteString(stdin, "plugged in\n") // fails when it has ended, whose log says more
	_ = stdin.Close()
	select {
	case <-listening:
	case <-r.ended:
		cancel()
		h.running = nil
		require.FailNow(tb, "the host does not start", "%s: %s", h.Name, r.log.String())
	}
}

// sshd is the server's command line: the machine's own configuration, but for what two servers cannot share.
func (h *Host) sshd(tb testing.TB) []string {
	tb.Helper()
	args := []string{"/usr/sbin/sshd", "-D", "-e", "-f", "/etc/ssh/sshd_config"}
	settings := append([]string{}, h.options.Config...)
	settings = append(settings, "Port "+strconv.Itoa(h.Port), "ListenAddress "+h.listen(), "HostKey "+h.hostKey, "PidFile none")
	settings = append(settings, opensshtest.Unpunished(tb)...)
	if len(h.options.Env) > 0 {
		settings = append(settings, "SetEnv "+strings.Join(h.options.Env, " "))
	}
	for _, s := range settings {
		args = append(args, "-o", s)
	}
	return args
}

// address is where the host is reached.
func (h *Host) address() string {
	if h.cable != nil {
		return h.cable.theirs
	}
	return "127.0.0.1"
}

// listen is where sshd listens: on a network of its own, everywhere.
func (h *Host) listen() string {
	if h.options.Network {
		return "0.0.0.0"
	}
	return "127.0.0.1"
}

// collect keeps the log and tells when sshd listens.
func (r *running) collect(lines *bufio.Scanner, listening chan<- struct{}) {
	for lines.Scan() {
		r.mu.Lock()
		r.log.WriteString(lines.Text() + "\n")
		r.mu.Unlock()
		if listening != nil && strings.Contains(lines.Text(), "Server listening on") {
			close(listening)
			listening = nil
		}
	}
}

// Log is what sshd has logged since the host was started.
func (h *Host) Log() string {
	h.running.mu.Lock()
	defer h.running.mu.Unlock()
	return h.running.log.String()
}

// Kill ends the host and everything that runs on it at once, as a power cut does; what is on its disk stays. It does nothing to a dead host.
func (h *Host) Kill() {
	if h.running == nil {
		return
	}
	h.running.kill()
	<-h.running.ended
	h.running = nil
	if h.cable != nil {
		h.cable.pull()
	}
}

// needs fails the test with a clear text where hosts cannot be made: a layer that silently did not run would look like one that passed.
func needs(tb testing.TB) {
	tb.Helper()
	if os.Geteuid() != 0 {
		require.FailNow(tb, "these tests need root", "they make hosts with namespaces and mounts of their own; run: sudo make test")
	}
	for _, tool := range []string{"/usr/sbin/sshd", "/usr/sbin/nft"} {
		if _, err := os.Stat(tool); err != nil {
			require.FailNow(tb, tool+" is missing", "run: make setup")
		}
	}
}
