package compat

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/keep-it-simple/kis/internal/testenv"
	"github.com/keep-it-simple/kis/internal/testenv/hosttest"
	"github.com/keep-it-simple/kis/internal/testenv/oracle"
)

// allowed is the line of sudoers(5) that docs/hosts.md tells people to write.
const allowed = "kistest ALL=(" + webapp + ") NOPASSWD: /bin/sh\n"

// becoming makes n hosts whose package repository is webapp's, and an inventory that says so.
func becoming(t *testing.T, n int) (w *testenv.Env, rules []func(string)) {
	t.Helper()
	w = testenv.New(t, n, hosttest.Options{Env: testenv.Environment()})
	for _, h := range w.Hosts {
		addWebapp(t, h)
		rules = append(rules, sudoers(t, h))
		h.Shell(t, "chown -hR "+webapp+": /var/webcode")
	}
	w.Inventory(testenv.InventoryText(w.Hosts, "become: "+webapp+"\n"))
	return w, rules
}

// TestBecome_H12 is the life of a project whose package repositories belong to another user than the one that logs in. All of the hosts but the
// repository is read-only meanwhile: so there is no file on the way, in /tmp or in a home folder, that anybody could read, guess or replace.
func TestBecome_H12(t *testing.T) {
	t.Parallel()
	w, rules := becoming(t, 3)
	for i, h := range w.Hosts {
		rules[i](allowed)
		h.Shell(t, "for m in $(findmnt -rno TARGET | grep -v -e ^/var/webcode -e ^/proc -e ^/sys); do mount -o remount,bind,ro $m; done; ! touch /tmp/x /home/kistest/x /dev/shm/x /run/x 2>&-")
	}
	w.Run(0, "", "check", "staging")
	w.Run(0, "hello-0.3", "push", "staging", "--sdist", w.Archive())
	w.Version("0.4")
	w.Run(0, "hello-0.4", "push", "staging", "--sdist", w.Archive())
	for command, says := range map[string]string{"status": "hello-0.4", "list": "hello-0.3", "log": "hello-0.4"} {
		assert.Contains(t, w.Run(0, "", command, "staging").Out, says, command)
	}
	w.Run(0, "hello-0.3", "rollback", "staging")
	assert.Equal(t, w.All("hello-0.3"), w.Links())
	for _, h := range w.Hosts {
		assert.Empty(t, h.Shell(t, "find /var/webcode ! -user "+webapp), "all of it is the other user's")
		for _, look := range []string{"ls /var/webcode/.kis", "cat /var/webcode/.kis/host-id", "ls /var/webcode/.kis/incoming", ": >/var/webcode/x", "ln -sfn hello-0.4 /var/webcode/staging"} {
			out, done := asUser(t, h, look)
			assert.False(t, done, "the user that logs in must not: %s: %s", look, out)
		}
		out, done := asUser(t, h, "cd / && /var/webcode/staging/.venv/bin/python -m hello")
		assert.True(t, done, out)
		assert.Contains(t, out, "0.3")
	}
}

// TestSudoThatDoesNotLetUsIn_H10_H11: each kind of it is named in time, with a remedy; where the remedy is a line, adding it helps.
func TestSudoThatDoesNotLetUsIn_H10_H11(t *testing.T) {
	t.Parallel()
	w, rules := becoming(t, 1)
	rule := rules[0]
	for _, test := range []struct{ name, sudoers, says, hint string }{
		{"no rule", "", "sudo does not let kistest run /bin/sh as kiswebapp without a password", "NOPASSWD: /bin/sh"},
		{"a password", "kistest ALL=(ALL) ALL\n", "without a password", "NOPASSWD: /bin/sh"},
		{"a password, with a lecture", "Defaults lecture=always\nkistest ALL=(ALL) ALL\n", "without a password", "NOPASSWD: /bin/sh"},
		{"another command", "kistest ALL=(ALL) NOPASSWD: /usr/bin/id\n", "without a password", "NOPASSWD: /bin/sh"},
		{"another user", "kistest ALL=(root) NOPASSWD: ALL\n", "without a password", "NOPASSWD: /bin/sh"},
		{"all but a shell", "kistest ALL=(ALL) NOPASSWD: ALL, !/bin/sh\n", "sudo does not let kistest run /bin/sh", "NOPASSWD: /bin/sh"},
		{"a terminal", "Defaults requiretty\n" + allowed, "sudo wants a terminal of kistest", "Defaults:kistest !requiretty"},
		{"nothing that a shell starts", "Defaults noexec\n" + allowed, "nothing that it starts", "Defaults!/bin/sh !noexec"},
	} {
		t.Run(test.name, func(t *testing.T) {
			w := w.In(t)
			rule(test.sudoers)
			r := w.Run(3, "", "check", "staging")
			assert.Contains(t, r.Screen(), "web1: connect: ")
			assert.Contains(t, r.Screen(), test.says)
			assert.Contains(t, r.Screen(), test.hint)
			assert.Less(t, r.Took, hangs)
			rule(test.sudoers + line(t, r, test.hint) + "\n")
			w.Run(0, "", "check", "staging")
		})
	}
}

// TestSudoThatIsNotThere_H11, or not fit for anybody.
func TestSudoThatIsNotThere_H11(t *testing.T) {
	t.Parallel()
	w, rules := becoming(t, 1)
	ownTools(t, w.Hosts[0])
	for _, test := range []struct{ name, sudoers, become, change, says, hint string }{
		{"rules that nobody can read", "kistest ALL=(kiswebapp NOPASSWD: /bin/sh\n", webapp, ":", "sudo cannot read its rules", "sudo visudo -c"},
		{"a user who does not exist", "kistest ALL=(ALL) NOPASSWD: ALL\n", "nobodyhere", ":", "user nobodyhere does not exist", "sudo useradd --system nobodyhere"},
		{"sudo that may not be run", allowed, webapp, "rm sudo; : >sudo", "sudo cannot be run by kistest", "ls -l /usr/bin/sudo"},
		{"no sudo", allowed, webapp, "rm sudo", "sudo is missing", "apt install sudo"},
	} {
		t.Run(test.name, func(t *testing.T) {
			w := w.In(t)
			rules[0](test.sudoers)
			w.Inventory(testenv.InventoryText(w.Hosts, "become: "+test.become+"\n"))
			w.Hosts[0].Shell(t, "cd /usr/bin; "+test.change)
			r := w.Run(3, "", "push", "staging", "--sdist", w.Archive())
			assert.Contains(t, r.Screen(), "web1: connect: "+test.says)
			assert.Contains(t, r.Screen(), test.hint)
			assert.Less(t, r.Took, hangs)
		})
	}
}

// TestSudoOfALoginInGerman_H10_H14 is refused with the same remedies: what a login speaks is nothing that they may depend on.
func TestSudoOfALoginInGerman_H10_H14(t *testing.T) {
	t.Parallel()
	w, rules := becoming(t, 1)
	h := w.Hosts[0]
	ownTools(t, h)
	start(t, h, ".bashrc", "export LANG=de_DE.UTF-8 LC_ALL=de_DE.UTF-8 LANGUAGE=de")
	rules[0]("")
	german, _ := asUser(t, h, "LC_ALL=de_DE.UTF-8 sudo -n -u "+webapp+" true")
	require.Contains(t, german, "Passwort", "the host has the locale and sudo's translation; run: make setup")
	for _, test := range []struct{ name, sudoers, change, says, hint string }{
		{"a password", "kistest ALL=(ALL) ALL\n", ":", "without a password", "NOPASSWD: /bin/sh"},
		{"all but a shell", "kistest ALL=(ALL) NOPASSWD: ALL, !/bin/sh\n", ":", "sudo does not let kistest run /bin/sh", "NOPASSWD: /bin/sh"},
		{"a terminal", "Defaults requiretty\n" + allowed, ":", "sudo wants a terminal of kistest", "Defaults:kistest !requiretty"},
		{"no sudo", allowed, "rm sudo", "sudo is missing", "apt install sudo"},
	} {
		t.Run(test.name, func(t *testing.T) {
			w := w.In(t)
			rules[0](test.sudoers)
			h.Shell(t, "cd /usr/bin; "+test.change)
			r := w.Run(3, "", "check", "staging")
			assert.Contains(t, r.Screen(), "web1: connect: sudo ")
			assert.Contains(t, r.Screen(), test.says)
			assert.Contains(t, r.Screen(), test.hint)
		})
	}
}

// line is the line of a hint that has a text in it, as a person would paste it.
func line(t *testing.T, r testenv.Result, text string) string {
	t.Helper()
	for l := range strings.Lines(r.Screen()) {
		if strings.Contains(l, text) {
			return strings.TrimPrefix(strings.TrimSpace(l), "hint: ")
		}
	}
	require.FailNow(t, fmt.Sprintf("no line with %q", text))
	return ""
}

// TestSudoThatIsOddAndLetsUsIn_H12: what sudo says or does besides must not matter.
func TestSudoThatIsOddAndLetsUsIn_H12(t *testing.T) {
	t.Parallel()
	w, rules := becoming(t, 1)
	all := ""
	for _, test := range []struct{ name, sudoers string }{
		{"a lecture", "Defaults lecture=always\n"},
		{"a terminal of its own", "Defaults use_pty\n"},
		{"a strict umask", "Defaults umask=0077, umask_override\n"},
		{"the login's environment", "Defaults !env_reset\n"},
		{"a log of all that runs", "Defaults log_input, log_output, iolog_dir=" + t.TempDir() + "\n"},
	} {
		all += test.sudoers
		t.Run(test.name, func(t *testing.T) {
			rules[0](test.sudoers + allowed)
			w.In(t).Run(0, "", "check", "staging")
		})
	}
	rules[0](all + allowed)
	w.Run(0, "hello-0.3", "push", "staging", "--sdist", w.Archive())
	w.Run(0, "", "status", "staging")
}

// TestBecomeLeavesNothingOfARunThatIsKilled: sudo stands between sshd and the agent, which has to see the end of its input all the same.
func TestBecomeLeavesNothingOfARunThatIsKilled(t *testing.T) {
	t.Parallel()
	w, rules := becoming(t, 1)
	h := w.Hosts[0]
	rules[0]("Defaults use_pty, log_input, log_output, iolog_dir=" + t.TempDir() + "\n" + allowed)
	h.Shell(t, "mount -t tmpfs -o mode=1777 none /srv")
	w.Inventory(testenv.InventoryText(w.Hosts, "become: "+webapp+"\nverify: [\": >/srv/reached; tail -f /dev/null\"]\n"))
	s := w.Start("push", "staging", "--sdist", w.Archive())
	require.Eventually(t, func() bool {
		_, err := os.Stat(h.Inside("/srv/reached"))
		return err == nil
	}, time.Minute, 20*time.Millisecond, "%s", s.Screen())
	s.Signal(syscall.SIGKILL)
	assert.Equal(t, -1, s.End(time.Minute).Exit)
	left := func() string {
		return h.Shell(t, fmt.Sprintf("ps -o args= -u %d || true; pgrep -a sudo || true", webappUID))
	}
	assert.Eventually(t, func() bool { return left() == "" }, time.Minute, 50*time.Millisecond, "%s", left())
	s.Watch.Check(oracle.Expect{Exit: -1, Within: time.Minute})
	w.Inventory(testenv.InventoryText(w.Hosts, "become: "+webapp+"\n"))
	w.Run(0, "hello-0.3", "push", "staging", "--sdist", w.Archive())
}

// TestACommandThatKisMayNotKillIsNotWaitedFor_K11: it has made itself another user's. It is left alone, and named.
func TestACommandThatKisMayNotKillIsNotWaitedFor_K11(t *testing.T) {
	t.Parallel()
	w := testenv.New(t, 2, hosttest.Options{})
	w.Hosts[1].Shell(t, "install -m 4755 /usr/bin/setpriv /home/kistest/other")
	w.Inventory(`
stages:
  staging:
    hosts: [web1, web2]
    after_link: ["case $PWD in *0.4) test ! -e ~/hang || exec ~/other --reuid=0 --regid=0 --clear-groups sh -c 'touch /home/kistest/began; exec sleep 1000';; esac"]
`)
	w.Earlier("0.3")
	w.Version("0.4")
	archive := w.Archive()
	mark := filepath.Join(w.Hosts[1].Home, "hang")
	require.NoError(t, os.WriteFile(mark, nil, 0o644))
	s := w.Start("push", "staging", "--sdist", archive)
	require.Eventually(t, func() bool {
		_, err := os.Stat(filepath.Join(w.Hosts[1].Home, "began"))
		return err == nil
	}, time.Minute, 20*time.Millisecond)
	s.Signal(syscall.SIGINT)
	r := s.End(time.Minute)
	require.Equal(t, 4, r.Exit)
	assert.Contains(t, r.Err, "canceled, and cannot be killed by this user: process ")
	assert.Equal(t, w.All("hello-0.3"), w.Links())
	w.Hosts[1].Shell(t, "pkill -x sleep")
	require.NoError(t, os.Remove(mark))
	w.Run(0, "hello-0.4", "push", "staging", "--sdist", archive)
}
