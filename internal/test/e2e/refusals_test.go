package e2e

import (
	"context"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/keep-it-simple/kis/internal/testenv"
	"github.com/keep-it-simple/kis/internal/testenv/hosttest"
)

// refusal is something that keeps a push from going ahead, and what the person before the screen is told.
type refusal struct {
	name  string
	fault func(w *testenv.Env) // arranges it
	args  []string             // after "push"; default: staging
	exit  int
	says  []string // parts of the screen, the remedy among them
	takes time.Duration
}

// check pushes and looks at the screen.
func (r refusal) check(w *testenv.Env, archive string) {
	w.T.Helper()
	args := r.args
	if args == nil {
		args = []string{"staging"}
	}
	if r.fault != nil {
		r.fault(w)
	}
	before := w.Trees()
	got := w.Kis(append([]string{"push", "--sdist", archive}, args...)...)
	assert.Equal(w.T, r.exit, got.Exit, "exit status")
	assert.Equal(w.T, before, w.Trees(), "nothing is changed on any host")
	for _, part := range r.says {
		assert.Contains(w.T, got.Screen(), part)
	}
	assert.LessOrEqual(w.T, strings.Count(got.Screen(), "\n"), 25, "one screen")
	if r.exit == 3 {
		assert.Contains(w.T, got.Err, "aborted before link: no stage link was changed")
	}
	if r.takes > 0 {
		assert.Less(w.T, got.Took, r.takes)
	}
}

func TestRefusalsWithoutHosts(t *testing.T) {
	t.Parallel()
	archive := testenv.Around(t, nil).Archive()
	for _, r := range []refusal{
		{
			name: "no inventory", fault: func(w *testenv.Env) { require.NoError(w.T, os.Remove(filepath.Join(w.Dir, "inventory.yaml"))) },
			exit: 2, says: []string{"no inventory found", "inventory.yaml", "--inventory"},
		},
		{name: "unknown stage", args: []string{"stagin"}, exit: 2, says: []string{`"stagin"`, "staging", "did you mean"}},
		{name: "no host matches", args: []string{"staging", "--hosts", "db*"}, exit: 2, says: []string{"db*", "web1"}},
		{name: "unknown host", args: []string{"staging", "--hosts", "web9"}, exit: 2, says: []string{"web9", "web1"}},
		{name: "unknown flag", args: []string{"staging", "--servers", "web1"}, exit: 2, says: []string{"--servers", "usage: kis push"}},
		{name: "flag of another tool", args: []string{"staging", "--host", "web1"}, exit: 2, says: []string{"--host", "here it is: --hosts"}},
		{name: "no such archive", args: []string{"staging", "--sdist", "dist/hello-9.tar.gz"}, exit: 2, says: []string{"dist/hello-9.tar.gz"}},
	} {
		t.Run(r.name, func(t *testing.T) {
			t.Parallel()
			w := testenv.Around(t, nil)
			w.Inventory("stages: {staging: {hosts: [web1, web2]}}\n")
			r.check(w, archive)
		})
	}
}

// TestRefusalsOfOneHost_N1_N6_N7_N11_N14_N19_U6_U7_H3_H5_H9_C10_S1: web1 is well and web2 is not, so that nothing may happen on either.
func TestRefusalsOfOneHost_N1_N6_N7_N11_N14_N19_U6_U7_H3_H5_H9_C10_S1(t *testing.T) {
	t.Parallel()
	archive := testenv.Around(t, nil).Archive()
	for _, r := range []refusal{
		{
			name: "N1: host is down", fault: func(w *testenv.Env) { w.Hosts[1].Kill() }, exit: 3,
			says: []string{"web2: connect: 127.0.0.1:", "connection refused", "kis hosts web2 -v"}, takes: 10 * time.Second,
		},
		{
			name: "N6: unknown host key", fault: func(w *testenv.Env) { known(w, w.Hosts[0].KnownHostsLine(w.T)) }, exit: 3,
			says: []string{"web2: connect: host key: unknown", "SHA256:", "no known_hosts file", "then run: ssh -F "},
		},
		{name: "N7: changed host key", fault: changedKey, exit: 3, says: []string{"web2: connect: host key: changed", "known_hosts:2", "SHA256:", "ssh-keygen -lf"}},
		{
			name: "C10: stage is a folder", fault: onHost("mkdir /var/webcode/staging"), exit: 3,
			says: []string{"web2: check: ", "/var/webcode/staging is a directory, not a symbolic link", "mv /var/webcode/staging"},
		},
		{
			name: "a directory with the package's name", fault: onHost("mkdir /var/webcode/hello-0.3; echo mine >/var/webcode/hello-0.3/notes"), exit: 3,
			says: []string{"web2: check: /var/webcode/hello-0.3 exists and is not a package", "mv /var/webcode/hello-0.3 /var/webcode/hello-0.3~before-kis"},
		},
		{
			name: "stage leads elsewhere", fault: onHost("ln -s /srv/other /var/webcode/staging"), exit: 3,
			says: []string{"web2: check: ", "/srv/other", "not a package of this repository"},
		},
		{
			name: "U7: repository is mounted read-only", fault: onHost("mount -o remount,bind,ro /var/webcode"), exit: 3,
			says: []string{"web2: check: ", "read-only", "findmnt -T /var/webcode"},
		},
		{
			name: "U7: repository is mounted noexec", fault: onHost("mount -o remount,bind,noexec /var/webcode"), exit: 3,
			says: []string{"web2: check: ", "noexec", "findmnt -T /var/webcode"},
		},
		{
			name: "U7: repository is closed to its owner", fault: onHost("chmod 555 /var/webcode"), exit: 3,
			says: []string{"web2: check: ", "/var/webcode is not writable for kistest", "ls -ld /var/webcode"},
		},
		{
			name: "U7: repository is immutable", fault: attribute("i"), exit: 3,
			says: []string{"web2: check: ", "/var/webcode is immutable (chattr +i)", "sudo chattr -i /var/webcode"},
		},
		{
			name: "U7: repository is append-only", fault: attribute("a"), exit: 3,
			says: []string{"web2: check: ", "/var/webcode is append-only (chattr +a)", "sudo chattr -a /var/webcode"},
		},
		{
			name: "H5: python without venv", exit: 3, says: []string{"web2: check: ", "ensurepip", "apt install python3-venv"},
			fault: onHost("for d in /usr/lib/python3*/ensurepip /usr/share/python-wheels; do ! [ -d $d ] || mount -t tmpfs none $d; done"),
		},
		{name: "H5: no python", fault: onHost("mount --bind /dev/null /usr/bin/python3"), exit: 3, says: []string{"web2: connect: ", "python3 is missing", "apt install python3"}},
		{
			name: "H9: no repository", fault: func(w *testenv.Env) {
				w.Inventory(testenv.InventoryText(w.Hosts, "") + "hosts: {web2: {root: /srv/nowhere}}\n")
			},
			exit: 3, says: []string{"web2: check: ", "directory /srv/nowhere does not exist", "sudo install -d -m 755 -o kistest /srv/nowhere"},
		},
		{
			name: "H9: repository of somebody else", fault: onHost("chown root /var/webcode"), exit: 3,
			says: []string{"web2: check: ", "/var/webcode belongs to root, not to kistest", "sudo chown kistest /var/webcode"},
		},
		{
			name: "H9,S1: repository that a group may write", fault: onHost("chmod g+w /var/webcode"), exit: 3,
			says: []string{"web2: check: ", "mode 0775", "chmod go-w /var/webcode"},
		},
		{
			name: "U6: disk too small", fault: over("size=8m"), exit: 3,
			says: []string{"web2: check: ", "disk nearly full", "df -h /var/webcode"},
		},
		{
			name: "U6: too few inodes", fault: over("nr_inodes=500"), exit: 3,
			says: []string{"web2: check: ", "inodes free", "df -i /var/webcode"},
		},
		{name: "N19: two names for one host", fault: sameHost, exit: 3, says: []string{"web1 and web2 are the same package repository"}},
		{name: "H3: login script exits silently", fault: bashrc("exit 0"), exit: 3, says: []string{"web2: connect: ", "the command was not run"}},
		{name: "N14: account without a shell", fault: nologin, exit: 3, says: []string{"web2: connect: ", "not available", "nologin"}},
		{name: "N11: key not accepted", fault: onHost("rm /home/kistest/.ssh/authorized_keys"), exit: 3, says: []string{"web2: connect: authentication", "authorized_keys of kistest"}},
	} {
		t.Run(r.name, func(t *testing.T) {
			t.Parallel()
			w := testenv.New(t, 2, hosttest.Options{})
			r.check(w, archive)
		})
	}
}

// TestHostsThatNeverAnswer_N3_H2 waits for the deadlines of two hosts at once, because they are long.
func TestHostsThatNeverAnswer_N3_H2(t *testing.T) {
	t.Parallel()
	w := testenv.New(t, 3, hosttest.Options{})
	bashrc("read x; read x; read y; cat >/dev/null")(w) // web2 has a login script that waits for input, and swallows it
	refusal{
		exit: 3, takes: 30 * time.Second, fault: blackHole,
		says: []string{"web2: connect: ", "login script", ".bashrc", "web3: connect: handshake: ", "no answer within", "kis hosts web3 -v"},
	}.check(w, w.Archive())
}

// onHost runs shell text on web2.
func onHost(text string) func(w *testenv.Env) {
	return func(w *testenv.Env) { w.Hosts[1].Shell(w.T, text) }
}

// over mounts a file system over web2's repository, and looks at that from then on.
func over(options string) func(w *testenv.Env) {
	return func(w *testenv.Env) {
		h := w.Hosts[1]
		h.Shell(w.T, "mount -t tmpfs -o "+options+",mode=755,uid=$(id -u kistest) none /var/webcode")
		w.Roots = map[string]string{h.Name: h.Inside(hosttest.Repository)}
	}
}

// attribute gives web2's repository an attribute of chattr(1), which keeps it from being removed, too.
func attribute(letter string) func(w *testenv.Env) {
	return func(w *testenv.Env) {
		repo := w.Hosts[1].Repo
		hosttest.Run(w.T, "chattr", "+"+letter, repo)
		w.T.Cleanup(func() {
			assert.NoError(w.T, exec.CommandContext(context.WithoutCancel(w.T.Context()), "chattr", "-"+letter, repo).Run())
		})
	}
}

// bashrc puts text, on web2, into the script that bash runs for every command that comes over SSH.
func bashrc(text string) func(w *testenv.Env) {
	return func(w *testenv.Env) {
		require.NoError(w.T, os.WriteFile(filepath.Join(w.Hosts[1].Home, ".bashrc"), []byte(text+"\n"), 0o644))
	}
}

// known replaces what is known of hosts' keys.
func known(w *testenv.Env, lines ...string) {
	w.T.Helper()
	require.NoError(w.T, os.WriteFile(w.Client.KnownHosts, []byte(strings.Join(lines, "\n")+"\n"), 0o600))
}

// changedKey: somebody else answers at web2's address, or it was installed anew.
func changedKey(w *testenv.Env) {
	w.Hosts[1].NewHostKey(w.T)
	w.Hosts[1].Restart(w.T)
}

// blackHole leads web3 to a port where connections are accepted, by the kernel, and nobody ever says a word.
func blackHole(w *testenv.Env) {
	l, err := net.ListenTCP("tcp4", &net.TCPAddr{IP: net.IPv4(127, 0, 0, 1)})
	require.NoError(w.T, err)
	w.T.Cleanup(func() { _ = l.Close() })
	w.Client.SetPort(w.T, "web3", l.Addr().(*net.TCPAddr).Port)
}

// sameHost leads both names to web1.
func sameHost(w *testenv.Env) {
	w.Client.SetPort(w.T, "web2", w.Hosts[0].Port)
	line := w.Hosts[0].KnownHostsLine(w.T)
	known(w, line, "web2"+strings.TrimPrefix(line, "web1"))
}

// nologin gives the deploying user, on web2 only, a shell that lets nobody in.
func nologin(w *testenv.Env) {
	w.Hosts[1].Shell(w.T, fmt.Sprintf("sed 's|^\\(%s:.*\\):[^:]*$|\\1:/usr/sbin/nologin|' /etc/passwd >/var/webcode/passwd; mount --bind /var/webcode/passwd /etc/passwd", w.Hosts[1].User))
}
