package remote_test

import (
	"io"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/keep-it-simple/kis/remote"
)

// TestUsersOfDirectoryServicesAreQuotedInRemedies, for a shell and for sudoers(5).
func TestUsersOfDirectoryServicesAreQuotedInRemedies(t *testing.T) {
	t.Parallel()
	for _, test := range []struct{ become, said, hint string }{
		{"", "This account is currently not available.", `sudo usermod -s /bin/sh 'CORP\jane'`},
		{"app", "sudo: account expired", `sudo chage -l 'CORP\jane'; sudo chage -l app`},
		{"app", "sudo: a password is required", "\n" + `CORP\\jane ALL=(app) NOPASSWD: /bin/sh`},
		{"app", "sudo: sorry, you must have a tty to run sudo", "\n" + `Defaults:CORP\\jane !requiretty`},
	} {
		assert.Contains(t, startError(t, remote.Login{Host: "web1", User: `CORP\jane`, Become: test.become}, test.said).Hint, test.hint)
	}
}

// startError is what Start says of a host that prints something and hangs up.
func startError(t *testing.T, login remote.Login, said string) *remote.StartError {
	t.Helper()
	in, host := newPipes()
	go host.swallow()
	go func() {
		_, _ = io.WriteString(host.said, said+"\n")
		host.hangUp()
	}()
	streams := host.streams(in)
	streams.Login = login
	_, err := remote.Start(t.Context(), streams)
	var start *remote.StartError
	require.ErrorAs(t, err, &start)
	return start
}

// Package compat checks the messages of real login shells, sshd, sudo and account tools. This test
// checks which remedy belongs to which message.
func TestStartErrorsHaveTheirRemedy(t *testing.T) {
	t.Parallel()
	allow := "add this line on web1, with: sudo visudo -f /etc/sudoers.d/kis\ndeploy ALL=(app) NOPASSWD: /bin/sh"
	for _, test := range []struct{ become, said, message, hint string }{
		{"", "This account is currently not available.", "the account has no shell", "give it one on web1: sudo usermod -s /bin/sh deploy"},
		{"", "Your account has expired; please contact your system administrator.", "the account has expired", "on web1: sudo chage -E -1 deploy"},
		{"", "WARNING: Your password has expired.", "password has expired", "on web1: sudo chage -M -1 -d today deploy"},
		{"", "This service allows sftp connections only.", "SFTP only", "remove ForceCommand internal-sftp for deploy from sshd_config of web1"},
		{"", "rbash: line 1: exec: restricted", "restricted", "on web1: sudo usermod -s /bin/sh deploy"},
		{"", "", "the command was not run", "start-up script of deploy on web1? bash reads ~/.bashrc"},
		{"", "sudo: a password is required", "the command was not run", "try: ssh web1 true"}, // what a login script does is no become
		{"app", "sudo: a password is required", "sudo does not let deploy run /bin/sh as app without a password", allow},
		{"root", "sudo: a password is required", "as root without a password", "with it deploy is root; better: `become` a user of the application's own"},
		{"app", "sudo: Ein Passwort ist notwendig", "sudo did not let deploy run /bin/sh as app", allow},
		{"app", "sudo: unable to resolve host web1\nsudo: sorry, you must have a tty to run sudo", "sudo wants a terminal of deploy", "Defaults:deploy !requiretty"},
		{"app", "Sorry, user deploy is not allowed to execute '/bin/sh -s -- python3' as app on web1.", "sudo does not let deploy run", allow},
		{"app", "sudo-rs: I'm sorry deploy. I'm afraid I can't do that", "sudo does not let deploy run /bin/sh as app", allow},
		{"app", "sudo: unknown user app", "user app does not exist", "on web1: sudo useradd --system app"},
		{"app", "/usr/bin/env: 'sudo': No such file or directory", "sudo is missing", "install it on web1"},
		{"app", "env: can't execute 'sudo': No such file or directory", "sudo is missing", "remove `become`"},
		{"app", "sudo: unable to resolve host web1: Name or service not known", "the command was not run", "bash reads ~/.bashrc"},
		{"app", "/bin/sh: 12: exec: /usr/bin/python3: Permission denied", "nothing that it starts", "Defaults!/bin/sh !noexec"},
	} {
		t.Run(test.become+" "+test.said, func(t *testing.T) {
			t.Parallel()
			start := startError(t, remote.Login{Host: "web1", User: "deploy", Become: test.become}, test.said)
			assert.Contains(t, start.Message, test.message)
			assert.Contains(t, start.Hint, test.hint)
			assert.NotContains(t, start.Message+start.Hint, "%!", "see package fmt")
			if test.said != "" {
				assert.Equal(t, strings.Split(test.said, "\n"), start.Tail, "the host's own words are shown too")
			}
		})
	}
}
