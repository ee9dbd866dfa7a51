package userauth_test

import (
	"context"
	"errors"
	"io"
	"net"
	"os"
	"path/filepath"
	"sync"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/keep-it-simple/kis/internal/testenv/opensshtest"
	"github.com/keep-it-simple/kis/internal/testenv/ownroot"
	"github.com/keep-it-simple/kis/sshx"
	"github.com/keep-it-simple/kis/sshx/internal/sshxtest"
)

func TestOpenSSHAsksForTwoKeys(t *testing.T) {
	t.Parallel()
	s := opensshtest.Start(t, opensshtest.Options{Config: []string{"AuthenticationMethods publickey,publickey"}})
	first, wrong, second := sshxtest.NewKey(t), sshxtest.NewKey(t), sshxtest.NewEncryptedKey(t, "open sesame")
	require.NoError(t, os.WriteFile(s.UserKey+".pub", []byte(first.Line()+second.Line()), 0o600))
	target := sshxtest.TargetOn(t, s)
	target.IdentityFiles = []string{first.File, wrong.File, second.File}
	sshxtest.Dial(t, dialerWith(t, &sshxtest.User{Answers: []string{"open sesame"}}), target)

	target.IdentityFiles = []string{first.File}
	require.ErrorContains(t, authError(t, sshxtest.NewDialer(t), target), "from "+first.File+": accepted, but not sufficient")
}

// graceError is how a login ends that the host cuts because of its LoginGraceTime.
const graceError = `(the host closed the connection|reset by the host) while kis waited \d+ s for an answer of the user; LoginGraceTime`

func TestOpenSSHLoginGraceTimeIsReported(t *testing.T) {
	t.Parallel()
	k := sshxtest.NewEncryptedKey(t, "open sesame")
	s := opensshtest.Start(t, opensshtest.Options{Config: []string{"LoginGraceTime 5"}})
	require.NoError(t, os.WriteFile(s.UserKey+".pub", []byte(k.Line()), 0o600))
	addr, hungUp := relay(t, s.Addr)
	target := sshxtest.TargetOn(t, s)
	target.IdentityFiles, target.HostKeyAlias, target.Port = []string{k.File}, "alias", sshxtest.TargetAt(addr).Port
	target.UserKnownHostsFiles = []string{sshxtest.KnownHosts(t, "alias "+s.PublicHostKey(t, 0))}
	d := sshxtest.NewDialer(t)
	d.Prompt = func(ctx context.Context, _ string, _ bool) (string, error) {
		select {
		case <-hungUp:
			return "open sesame", nil
		case <-ctx.Done():
			return "", context.Cause(ctx)
		}
	}
	_, err := d.Dial(sshxtest.Deadline(t), target)
	var e *sshx.DialError
	require.ErrorAs(t, err, &e)
	assert.Equal(t, sshx.PhaseAuthenticate, e.Phase)
	assert.Regexp(t, graceError, err.Error())
}

// relay forwards one connection and reports when the server has closed it.
func relay(t *testing.T, to string) (addr string, hungUp <-chan struct{}) {
	t.Helper()
	l, err := (&net.ListenConfig{}).Listen(t.Context(), "tcp", "127.0.0.1:0")
	require.NoError(t, err)
	ended := make(chan struct{})
	var serving sync.WaitGroup
	serving.Go(func() {
		near, err := l.Accept()
		if err != nil {
			return
		}
		far, err := (&net.Dialer{}).DialContext(t.Context(), "tcp", to)
		if err != nil {
			_ = near.Close()
			return
		}
		serving.Go(func() { _, _ = io.Copy(far, near); _ = far.Close() })
		_, _ = io.Copy(near, far)
		_ = near.Close()
		close(ended)
	})
	t.Cleanup(func() { _ = l.Close(); serving.Wait() })
	return l.Addr().String(), ended
}

func TestOpenSSHClosingTheConnectionCancelsThePrompt(t *testing.T) {
	t.Parallel()
	s := opensshtest.Start(t, opensshtest.Options{Overrides: []string{"LoginGraceTime 5", "PasswordAuthentication yes"}})
	target := sshxtest.TargetOn(t, s)
	target.IdentityFiles = nil
	asked := 0
	d := sshxtest.NewDialer(t)
	d.Prompt = func(ctx context.Context, _ string, _ bool) (string, error) {
		asked++
		<-ctx.Done()
		return "", errors.New("interrupted")
	}
	_, err := d.Dial(sshxtest.Deadline(t), target)
	assert.Regexp(t, graceError, err.Error())
	assert.Equal(t, 1, asked)
}

func TestOpenSSHWithAPasswordAndACode(t *testing.T) {
	t.Parallel()
	const name = "kis-password"
	k := sshxtest.NewKey(t)
	keys := readable(t, k.Line())
	for _, c := range []struct {
		methods string
		asked   []string
	}{
		{"publickey,password", []string{"Password for " + name + "@web1:"}},
		{"publickey,keyboard-interactive", []string{name + "@web1: Password:"}},
		{"password", []string{"Password for " + name + "@web1:"}},
	} {
		t.Run(c.methods, func(t *testing.T) {
			t.Parallel()
			s := opensshtest.Start(t, opensshtest.Options{
				Accounts: []ownroot.Account{{Name: name, UID: 61063, GID: 61063, Home: "/", Shell: "/bin/sh", Password: secret}},
				Overrides: []string{
					"UsePAM yes", "PasswordAuthentication yes", "KbdInteractiveAuthentication yes", "AuthenticationMethods " + c.methods, "AuthorizedKeysFile " + keys,
				},
			})
			target := sshxtest.TargetOn(t, s)
			target.User, target.IdentityFiles = name, []string{k.File}
			p := &sshxtest.User{Answers: []string{"secret"}}
			client := sshxtest.Dial(t, dialerWith(t, p), target)
			out, _, err := sshxtest.Run(t, client, "id -un")
			require.NoError(t, err)
			assert.Equal(t, name+"\n", out)
			assert.Equal(t, c.asked, p.Questions())
		})
	}
}

// readable is a file that other accounts can read, which they cannot in t.TempDir.
func readable(t *testing.T, text string) string {
	t.Helper()
	dir, err := os.MkdirTemp("", "kis") //nolint:usetesting // see above
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, os.RemoveAll(dir)) })
	require.NoError(t, os.Chmod(dir, 0o755))
	file := filepath.Join(dir, "text")
	require.NoError(t, os.WriteFile(file, []byte(text), 0o644))
	return file
}

// secret is the password "secret" as shadow(5) has it: openssl passwd -6 -salt kis secret.
const secret = "$6$kis$5A8giWp8RANKbNWuvowsp.PbYQmDhMdxN2X2D.pOCZFnA31bKqYw9J./0TvVb9JtaGRi6Kgc31Gl2mi1pqV6Z/"
