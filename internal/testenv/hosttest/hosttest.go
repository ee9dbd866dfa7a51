// Package hosttest starts hosts for tests that are as real as one machine allows: each is an sshd
// with the machine's own sshd_config, a host key, a port of 127.0.0.1, mount, process and host-name
// namespaces of its own, and a root of its own (package ownroot) with its own deploying user,
// /var/webcode and home directory. A host can be killed as by a power cut, started again, and
// changed from inside without any other host noticing.
//
// It needs root, because namespaces and sshd do. It never skips: where it cannot work the test
// fails and says why. Nothing of a host is written to the machine but what is in the test's
// temporary directory; tests of several processes can have hosts at the same time. Hosts share
// kernel, clock, loopback interface, /tmp and the programs of the machine. They are no sandbox:
// what is deployed runs on this machine.
package hosttest

import (
	"context"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/keep-it-simple/kis/internal/testenv/agenttest"
	"github.com/keep-it-simple/kis/internal/testenv/ownroot"
	"github.com/keep-it-simple/kis/internal/testenv/proxytest"
)

// Repository is the package repository inside of every host: the default of an inventory.
const Repository = "/var/webcode"

// Options describe hosts. The zero value is a usual host.
type Options struct {
	// Config are more settings for sshd, as "Keyword value". They win over sshd_config.
	Config []string
	// Env are variables ("NAME=value", without quotes) that sshd sets for every session, as a site sets proxies or certificates.
	Env []string
	// Network gives each host a network of its own, at port 22 of an address of its own, whose traffic Block and Slow can harm. Without it
	// hosts share this machine's loopback interface, and reach what this machine reaches, such as an index of packages.
	Network bool
	// Bare hosts have an empty package repository, as before their first push. Others have the pip in it that the first push unpacks, so that
	// not every test takes the seconds for that.
	Bare bool
}

// Host is one host. Its fields do not change; its methods are for one goroutine at a time.
type Host struct {
	Name    string // web1, web2, …; also what hostname(1) says inside
	Addr    string // host:port, on 127.0.0.1 unless the host has a network of its own
	Port    int
	User    string // who may log in and owns Repository
	UID     int    // of User; the group has the same number
	UserKey string // path of the private key that may
	Repo    string // the folder that Repository is inside, as this machine sees it, unless a test mounts something over it
	Home    string // likewise the home folder of User

	root    ownroot.Root
	pip     string // the unpacked pip on this machine
	hostKey string // path of the private key
	options Options
	cable   *cable   // nil without a network of its own
	running *running // nil while the host is dead
}

// New starts n hosts, web1 to webN. They and all that ran on them are gone when the test ends.
func New(tb testing.TB, n int, o Options) []*Host {
	tb.Helper()
	needs(tb)
	root, pip := newRoot(tb), agenttest.Pip(tb, "/usr/bin/python3")
	dir := tb.TempDir()
	key := filepath.Join(dir, "key")
	Run(tb, "ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", "kis tests", "-f", key)
	hosts := make([]*Host, n)
	for i := range hosts {
		name := fmt.Sprintf("web%d", i+1)
		own := filepath.Join(dir, name)
		h := &Host{
			Name: name, User: userName, UID: userID, UserKey: key, Repo: filepath.Join(own, "webcode"), Home: filepath.Join(own, "home"),
			root: root, pip: pip, options: o,
		}
		h.makeFolders(tb)
		h.NewHostKey(tb)
		tb.Cleanup(h.Kill)
		h.start(tb)
		hosts[i] = h
	}
	return hosts
}

// makeFolders makes the two folders that the host has for itself, and lets the key in.
func (h *Host) makeFolders(tb testing.TB) {
	tb.Helper()
	public, err := os.ReadFile(h.UserKey + ".pub")
	require.NoError(tb, err)
	for _, folder := range []string{h.Repo, h.Home, filepath.Join(h.Home, ".ssh")} {
		require.NoError(tb, os.MkdirAll(folder, 0o755)) //nolint:gosec // as on a host
		require.NoError(tb, os.Chmod(folder, 0o755))    //nolint:gosec // whatever the umask is
		give(tb, folder)
	}
	keys := filepath.Join(h.Home, ".ssh", "authorized_keys")
	require.NoError(tb, os.WriteFile(keys, public, 0o600)) //nolint:gosec // in the test's own folder
	give(tb, keys)
	if !h.options.Bare {
		for _, folder := range agenttest.Link(tb, "/usr/bin/python3", h.pipInside(), h.Repo) {
			give(tb, folder)
		}
	}
}

// pipInside is where the host has the pip of this machine, which only its own user can reach there.
func (h *Host) pipInside() string { return filepath.Join("/var/lib/kis-test", filepath.Base(h.pip)) }

// NewHostKey gives the host another key. A running host uses it after Restart.
func (h *Host) NewHostKey(tb testing.TB) {
	tb.Helper()
	h.hostKey = filepath.Join(tb.TempDir(), "host_key")
	Run(tb, "ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", h.Name, "-f", h.hostKey)
}

// HostKey is the path of the host's private key, for another server that a test starts inside.
func (h *Host) HostKey() string { return h.hostKey }

// KnownHostsLine is the known_hosts(5) line of the host's key, under the host's name, without a line end.
func (h *Host) KnownHostsLine(tb testing.TB) string {
	tb.Helper()
	text, err := os.ReadFile(h.hostKey + ".pub")
	require.NoError(tb, err)
	fields := strings.Fields(string(text))
	require.GreaterOrEqual(tb, len(fields), 2)
	return h.Name + " " + fields[0] + " " + fields[1]
}

// Give makes a folder of this machine, with all in it, the deploying user's, as if it had been made on the host.
func (h *Host) Give(tb testing.TB, folder string) {
	tb.Helper()
	require.NoError(tb, filepath.WalkDir(folder, func(path string, _ fs.DirEntry, err error) error {
		if err == nil {
			give(tb, path)
		}
		return err
	}))
}

// Restart starts the host again, on the same port and with the same folders, after killing it if it runs. Mounts that a test has made inside
// are gone, as after a boot.
func (h *Host) Restart(tb testing.TB) {
	tb.Helper()
	h.Kill()
	h.start(tb)
}

// PID is the host's first process as this machine counts. With it a test can look into /proc/PID/root.
func (h *Host) PID() int { return h.running.pid }

// Inside is a path of the host as this machine sees it, mounts that were made later included.
func (h *Host) Inside(path string) string {
	return filepath.Join("/proc", strconv.Itoa(h.PID()), "root", path)
}

// Shell runs shell text inside of the host, as root, and fails the test unless it succeeds. It returns what was printed.
func (h *Host) Shell(tb testing.TB, text string) string {
	tb.Helper()
	out, err := h.Command(tb.Context(), "/bin/sh", "-ec", text).CombinedOutput()
	require.NoError(tb, err, "%s: %s: %s", h.Name, text, out)
	return string(out)
}

// Command is a program that will run inside of the host, as root.
func (h *Host) Command(ctx context.Context, args ...string) *exec.Cmd {
	enter := []string{"--target", strconv.Itoa(h.PID()), "--mount", "--pid", "--uts", "--"}
	cmd := exec.CommandContext(ctx, "nsenter", append(enter, args...)...)
	cmd.WaitDelay = 5 * time.Second
	return cmd
}

// Processes are the command lines of what runs for the deploying user on the host, the sessions of sshd left out.
func (h *Host) Processes(tb testing.TB) []string {
	tb.Helper()
	// pgrep and ps leave it to the exit status whether there were any, so this asks for the list and takes an empty one.
	out, err := h.Command(tb.Context(), "ps", "-o", "args=", "-u", h.User).Output()
	if exit, ok := err.(*exec.ExitError); ok && exit.ExitCode() == 1 { //nolint:errorlint // as os/exec returns it
		err = nil
	}
	require.NoError(tb, err)
	var found []string
	for line := range strings.Lines(string(out)) {
		line = strings.TrimSpace(line)
		if line != "" && !strings.HasPrefix(line, "sshd:") && !strings.HasPrefix(line, "[") { // in brackets: it has ended
			found = append(found, line)
		}
	}
	return found
}

// Proxy puts a proxy in front of the host. It is closed with the test.
func (h *Host) Proxy(tb testing.TB) *proxytest.Proxy {
	tb.Helper()
	p, err := proxytest.New(h.Addr)
	require.NoError(tb, err)
	tb.Cleanup(func() { _ = p.Close() })
	return p
}

// Run runs a program of this machine that has to succeed, and returns what it printed.
func Run(tb testing.TB, name string, args ...string) string {
	tb.Helper()
	path, err := exec.LookPath(name)
	require.NoError(tb, err, "run: make setup")
	out, err := exec.CommandContext(tb.Context(), path, args...).CombinedOutput()
	require.NoError(tb, err, "%s %v: %s", name, args, out)
	return string(out)
}
