// Package debhost boots whole Debian hosts for tests: a root file system from debootstrap, systemd as process 1, sshd, users,
// sudo and units. A host boots in some seconds; the root file system is made once and kept (package testcache).
//
// It needs root, debootstrap and a mirror of Debian. Hosts share the machine's kernel. The hosts of a test have a network of
// their own (network.go): they reach each other by name, this machine, and through its proxy the package index.
package debhost

import (
	"context"
	_ "embed"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/keep-it-simple/kis/internal/testenv/testcache"
)

// Suite is a release of Debian.
type Suite string

// The suites that kis is tested on.
const (
	Bullseye Suite = "bullseye" // Python 3.9, systemd 247, pip 20.3
	Bookworm Suite = "bookworm" // Python 3.11, systemd 252
	Trixie   Suite = "trixie"   // Python 3.13, systemd 257
)

const packages = "systemd,systemd-sysv,dbus,dbus-user-session,libpam-systemd,openssh-server,python3-venv,sudo,procps,ca-certificates,nginx-light,postgresql,curl"

//go:embed boot.sh
var boot string

// User is the deploying user of every host: it logs in with Key, and may restart units of its sudoers lines only.
const User = "deploy"

// Host is one booted host.
type Host struct {
	Name    string
	Address string // in the test's network
	Key     string // path of the private key of User, and of root
	Root    string // the host's root file system as this machine sees it

	nfs  string // a directory that all hosts of the test have on /srv/nfs, as if each had mounted it over the network
	init *os.Process
	log  string
}

// New boots n hosts of a suite, web1 to webN. They end with the test.
func New(tb testing.TB, suite Suite, n int) []*Host {
	tb.Helper()
	names := make([]string, n)
	for i := range names {
		names[i] = fmt.Sprintf("web%d", i+1)
	}
	return Named(tb, suite, names...)
}

// Named is New for hosts with other names.
func Named(tb testing.TB, suite Suite, names ...string) []*Host {
	tb.Helper()
	require.Zero(tb, os.Getuid(), "whole hosts need root: run the tests as root")
	image := testcache.Entry(tb, "debian-2-"+string(suite), func(path string) { makeImage(tb, suite, path) })
	dir := tb.TempDir()
	key := filepath.Join(dir, "key")
	run(tb, "ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", "kis tests", "-f", key)
	net := newNetwork(tb)
	hosts := make([]*Host, len(names))
	nfs := filepath.Join(dir, "nfs")
	require.NoError(tb, os.Mkdir(nfs, 0o755))
	for i, name := range names {
		hosts[i] = &Host{Name: name, Address: net.address(first + i), Key: key, nfs: nfs, log: filepath.Join(dir, name+".log")}
		hosts[i].Root = mountImage(tb, image, filepath.Join(dir, name))
	}
	for _, h := range hosts {
		h.configure(tb, net, hosts)
		h.start(tb, net)
	}
	tb.Cleanup(func() {
		if tb.Failed() {
			showJournals(tb, hosts)
		}
	})
	for _, h := range hosts {
		h.wait(tb)
	}
	return hosts
}

// showJournals logs what the hosts of a failed test have said last.
func showJournals(tb testing.TB, hosts []*Host) {
	tb.Helper()
	ctx, cancel := context.WithTimeout(context.WithoutCancel(tb.Context()), 20*time.Second)
	defer cancel()
	for _, h := range hosts {
		out, err := h.Command(ctx, "root", "journalctl --no-pager --output=short-precise --lines=60").CombinedOutput()
		tb.Logf("%s: the end of its journal (%v):\n%s", h.Name, err, out)
	}
}

// makeImage makes the root file system that hosts of a suite begin with.
func makeImage(tb testing.TB, suite Suite, path string) {
	tb.Helper()
	run(tb, "debootstrap", "--variant=minbase", "--include="+packages, string(suite), path)
	for _, file := range []string{"/etc/pip.conf", "/etc/ssl/certs/ca-certificates.crt"} { // how this machine reaches an index
		if text, err := os.ReadFile(file); err == nil {
			require.NoError(tb, os.WriteFile(path+file, text, 0o644))
		}
	}
	run(tb, "chroot", path, "systemctl", "disable", "nginx.service", "postgresql.service")
	run(tb, "chroot", path, "useradd", "--create-home", "--shell", "/bin/bash", User)
}

// mountImage gives a host a root of its own, of which the image is the lower layer.
func mountImage(tb testing.TB, image, dir string) string {
	tb.Helper()
	root := filepath.Join(dir, "root")
	// The layers need a file system that overlayfs can have its upper layer on; the temporary directory may be an overlay itself.
	require.NoError(tb, os.MkdirAll(dir, 0o755))
	require.NoError(tb, syscall.Mount("none", dir, "tmpfs", 0, "mode=755"))
	tb.Cleanup(func() { _ = syscall.Unmount(dir, syscall.MNT_DETACH) })
	for _, sub := range []string{"upper", "work", "root"} {
		require.NoError(tb, os.Mkdir(filepath.Join(dir, sub), 0o755))
	}
	options := fmt.Sprintf("lowerdir=%s,upperdir=%s/upper,workdir=%s/work", image, dir, dir)
	require.NoError(tb, syscall.Mount("overlay", root, "overlay", 0, options))
	tb.Cleanup(func() { _ = syscall.Unmount(root, syscall.MNT_DETACH) })
	return root
}

// configure writes what differs from host to host.
func (h *Host) configure(tb testing.TB, net *network, all []*Host) {
	tb.Helper()
	var names strings.Builder
	for _, other := range all {
		fmt.Fprintf(&names, "%s %s\n", other.Address, other.Name)
	}
	public, err := os.ReadFile(h.Key + ".pub")
	require.NoError(tb, err)
	h.Write(tb, "/etc/hostname", h.Name+"\n", 0o644)
	h.Write(tb, "/etc/hosts", "127.0.0.1 localhost\n"+names.String(), 0o644)
	h.Write(tb, "/etc/environment", "http_proxy="+net.proxy+"\nhttps_proxy="+net.proxy+"\nno_proxy=localhost,127.0.0.1\n", 0o644)
	h.Write(tb, "/etc/ssh/sshd_config.d/kis.conf", "UseDNS no\n", 0o644)
	for _, home := range []string{"/root", "/home/" + User} {
		h.Write(tb, home+"/.ssh/authorized_keys", string(public), 0o600)
	}
	run(tb, "chroot", h.Root, "chown", "-R", User+":", "/home/"+User)
	run(tb, "chroot", h.Root, "install", "-d", "-o", User, "-m", "755", "/var/webcode")
}

// Write writes a file of the host, and the directories it needs.
func (h *Host) Write(tb testing.TB, path, text string, mode os.FileMode) {
	tb.Helper()
	full := filepath.Join(h.Root, path)
	require.NoError(tb, os.MkdirAll(filepath.Dir(full), 0o755))
	require.NoError(tb, os.WriteFile(full, []byte(text), mode))
	require.NoError(tb, os.Chmod(full, mode))
}

func (h *Host) start(tb testing.TB, net *network) {
	tb.Helper()
	log, err := os.Create(h.log)
	require.NoError(tb, err)
	defer log.Close() //nolint:errcheck // the child has its own
	group := "kis-" + h.Address
	command := exec.CommandContext(context.WithoutCancel(tb.Context()), "unshare", "--pid", "--fork", "--mount", "--net", "--uts", "--ipc", "--kill-child",
		"/bin/sh", "-c", boot, "boot", h.Root, net.hub, h.Name, h.Address+"/24", h.nfs, group)
	command.Stdout, command.Stderr = log, log
	command.SysProcAttr = &syscall.SysProcAttr{Setsid: true, Pdeathsig: syscall.SIGKILL}
	require.NoError(tb, command.Start())
	h.init = command.Process
	tb.Cleanup(func() {
		// unshare's child is process 1 of the namespace; with it everything in the host ends.
		_ = command.Process.Kill()
		_ = command.Wait()
		removeGroup(tb, group)
	})
}

// removal waits until the last process of a host's control groups is gone, and removes them.
const removal = `mount -t cgroup2 cgroup2 /mnt && cd "/mnt/$1" || exit
for i in 1 2 3 4 5 6 7 8 9 10; do
	find . -depth -mindepth 1 -type d -exec rmdir {} + 2>/dev/null
	rmdir "/mnt/$1" 2>/dev/null && exit
	sleep 0.2
done
echo "control groups of $1 are still in use" && exit 1
`

func removeGroup(tb testing.TB, group string) {
	tb.Helper()
	out, err := exec.Command("unshare", "--mount", "/bin/sh", "-c", removal, "removal", group).CombinedOutput() //nolint:noctx // in a clean-up
	assert.NoError(tb, err, "%s: %s", group, out)
}

// wait waits until the host has booted and lets its users in.
func (h *Host) wait(tb testing.TB) {
	tb.Helper()
	last := &attempt{log: h.log}
	require.Eventually(tb, func() bool {
		out, err := h.Command(tb.Context(), User, "systemctl is-system-running --wait; test ! -e /run/nologin").CombinedOutput()
		last.set(fmt.Sprintf("%s: %v", out, err))
		return err == nil
	}, time.Minute, 100*time.Millisecond, "%s does not boot: %s", h.Name, last)
}

// attempt is what the last attempt to log in came to, with the end of the host's console, as of when it is printed.
type attempt struct {
	log   string
	mutex sync.Mutex
	text  string
}

func (a *attempt) set(text string) {
	a.mutex.Lock()
	defer a.mutex.Unlock()
	a.text = text
}

func (a *attempt) String() string {
	a.mutex.Lock()
	defer a.mutex.Unlock()
	text, _ := os.ReadFile(a.log)
	return a.text + "\n" + string(text[max(0, len(text)-2000):])
}

// Command is an ssh that runs a script on the host as a user; the caller starts it.
func (h *Host) Command(ctx context.Context, user, script string) *exec.Cmd {
	return exec.CommandContext(ctx, "ssh", "-F", "none", "-i", h.Key, "-o", "IdentitiesOnly=yes", "-o", "BatchMode=yes", "-o", "ConnectTimeout=5",
		"-o", "StrictHostKeyChecking=no", "-o", "UserKnownHostsFile="+h.Key+".known_hosts", "-o", "LogLevel=ERROR", user+"@"+h.Address, script)
}

// Shell runs a script as root on the host, and returns its output.
func (h *Host) Shell(tb testing.TB, script string) string {
	tb.Helper()
	out, err := h.Command(tb.Context(), "root", script).CombinedOutput()
	require.NoError(tb, err, "%s: %s: %s", h.Name, script, out)
	return string(out)
}

// As runs a script as User.
func (h *Host) As(tb testing.TB, script string) string {
	tb.Helper()
	out, err := h.Command(tb.Context(), User, script).CombinedOutput()
	require.NoError(tb, err, "%s: %s: %s", h.Name, script, out)
	return string(out)
}

// KnownHosts is the file with the keys of all hosts of the test, in the format of known_hosts(5).
func (h *Host) KnownHosts() string { return h.Key + ".known_hosts" }

func run(tb testing.TB, argv ...string) {
	tb.Helper()
	out, err := exec.CommandContext(tb.Context(), argv[0], argv[1:]...).CombinedOutput()
	require.NoError(tb, err, "%s: %s", strings.Join(argv, " "), out)
}
