package userauth_test

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"golang.org/x/crypto/ssh"

	"github.com/keep-it-simple/kis/internal/sshtest"
	"github.com/keep-it-simple/kis/internal/testenv/opensshtest"
	"github.com/keep-it-simple/kis/sshx"
	"github.com/keep-it-simple/kis/sshx/internal/sshxtest"
)

// dialerWith asks p.
func dialerWith(t *testing.T, p *sshxtest.User) *sshx.Dialer {
	t.Helper()
	d := sshxtest.NewDialer(t)
	d.Prompt = p.Prompt
	return d
}

func TestAPasswordIsAskedForOncePerAccount(t *testing.T) {
	t.Parallel()
	for _, method := range []string{"password", "keyboard-interactive"} {
		t.Run(method, func(t *testing.T) {
			t.Parallel()
			h := sshxtest.StartHost(t, sshtest.Options{Password: "secret"})
			target := sshxtest.Target(t, h)
			target.PreferredAuthentications = []string{method}
			other := target
			other.Name = "www" // another name of the same account
			p := &sshxtest.User{Answers: []string{"wrong", "secret"}}
			d := dialerWith(t, p)
			var dials sync.WaitGroup
			for _, to := range []sshx.Target{target, other, target} {
				dials.Go(func() {
					c, err := d.Dial(sshxtest.Deadline(t), to)
					if assert.NoError(t, err) {
						assert.NoError(t, c.Close())
					}
				})
			}
			dials.Wait()
			sshxtest.Dial(t, d, target) // as after a lost connection
			assert.Len(t, p.Questions(), 2)
		})
	}
}

func TestAPasswordOfOneAccountIsNotTriedOnAnother(t *testing.T) {
	t.Parallel()
	p := &sshxtest.User{Answers: []string{"secret"}}
	d := dialerWith(t, p)
	first := sshxtest.StartHost(t, sshtest.Options{Password: "secret"})
	sshxtest.Dial(t, d, sshxtest.Target(t, first))
	as := sshxtest.Target(t, first)
	as.User = "www"
	sshxtest.Dial(t, d, as)
	sshxtest.Dial(t, d, sshxtest.Target(t, sshxtest.StartHost(t, sshtest.Options{Password: "secret"})))
	assert.Len(t, p.Questions(), 3)
}

func TestThreeWrongPasswordsEndTheLoginsToAnAccount(t *testing.T) {
	t.Parallel()
	h := sshxtest.StartHost(t, sshtest.Options{Password: "secret"})
	target := sshxtest.Target(t, h)
	target.PreferredAuthentications = []string{"password"}
	p := &sshxtest.User{Answers: []string{"wrong"}}
	d := dialerWith(t, p)
	require.ErrorContains(t, authError(t, d, target), "password: refused 3 times")
	again := "Password for deploy@web1 (the last was not accepted):"
	assert.Equal(t, []string{"Password for deploy@web1:", again, again}, p.Questions())
	require.ErrorContains(t, authError(t, d, target), "password: no answer (not accepted before in this run)")
	assert.Len(t, p.Questions(), 3)
}

func TestNumberOfPasswordPromptsIsHonored(t *testing.T) {
	t.Parallel()
	h := sshxtest.StartHost(t, sshtest.Options{Password: "secret"})
	p := &sshxtest.User{Answers: []string{"wrong"}}
	target := sshxtest.Target(t, h)
	target.PreferredAuthentications, target.PasswordPrompts = []string{"password"}, 1
	require.ErrorContains(t, authError(t, dialerWith(t, p), target), "password: refused;")
	assert.Len(t, p.Questions(), 1)
}

func TestOneTimeCodesAreAskedForAgain(t *testing.T) {
	t.Parallel()
	h := sshxtest.StartHost(t, sshtest.Options{Keyboard: func(ask ssh.KeyboardInteractiveChallenge) error {
		answers, err := ask("", "", []string{"Verification code: "}, []bool{false})
		if err != nil || answers[0] != "123456" {
			return errors.New("wrong")
		}
		return nil
	}})
	p := &sshxtest.User{Answers: []string{"123456"}}
	d := dialerWith(t, p)
	sshxtest.Dial(t, d, sshxtest.Target(t, h))
	sshxtest.Dial(t, d, sshxtest.Target(t, h))
	assert.Len(t, p.Questions(), 2)
}

func TestPromptsOfHostsAreSafeAndNameTheAccount(t *testing.T) {
	t.Parallel()
	var echoed []bool
	var asked []string
	h := sshxtest.StartHost(t, sshtest.Options{Keyboard: func(ask ssh.KeyboardInteractiveChallenge) error {
		_, err := ask("Login\x1b[2J", "line one\n\u200bline two", []string{"Name\x07: ", "Code: ", strings.Repeat("x", 9999)}, []bool{true, false, false})
		return err
	}})
	d := sshxtest.NewDialer(t)
	d.Prompt = func(_ context.Context, question string, echo bool) (string, error) {
		asked, echoed = append(asked, question), append(echoed, echo)
		return "", nil
	}
	sshxtest.Dial(t, d, sshxtest.Target(t, h))
	require.Len(t, asked, 3)
	assert.Equal(t, `deploy@web1: Login\x1b[2J line one \u200bline two Name\a:`, asked[0])
	assert.Equal(t, "deploy@web1: Code:", asked[1])
	assert.Less(t, len(asked[2]), 500)
	assert.Equal(t, []bool{true, false, false}, echoed)
}

func TestInstructionsWithoutAQuestionAreShown(t *testing.T) {
	t.Parallel()
	h := sshxtest.StartHost(t, sshtest.Options{Keyboard: func(ask ssh.KeyboardInteractiveChallenge) error {
		_, err := ask("", "confirm on your phone\x1b[2J", nil, nil)
		return err
	}})
	var said []string
	d := dialerWith(t, &sshxtest.User{})
	d.Warn = func(text string) { said = append(said, text) }
	sshxtest.Dial(t, d, sshxtest.Target(t, h))
	assert.Equal(t, []string{`deploy@web1: confirm on your phone\x1b[2J`}, said)
}

func TestPromptsOfManyHostsDoNotOverlap(t *testing.T) {
	t.Parallel()
	var mu sync.Mutex
	d := sshxtest.NewDialer(t)
	d.Prompt = func(context.Context, string, bool) (string, error) {
		if !assert.True(t, mu.TryLock(), "two questions at once") {
			return "", errors.New("two at once")
		}
		defer mu.Unlock()
		return "secret", nil
	}
	var dials sync.WaitGroup
	for range 6 {
		target := sshxtest.Target(t, sshxtest.StartHost(t, sshtest.Options{Password: "secret"}))
		dials.Go(func() {
			c, err := d.Dial(sshxtest.Deadline(t), target)
			if assert.NoError(t, err) {
				assert.NoError(t, c.Close())
			}
		})
	}
	dials.Wait()
}

func TestErrorReportsAMissingTerminal(t *testing.T) {
	t.Parallel()
	h := sshxtest.StartHost(t, sshtest.Options{Password: "secret"})
	target := sshxtest.Target(t, h)
	require.ErrorContains(t, authError(t, sshxtest.NewDialer(t), target), "password: not tried because there is no terminal")
	target.BatchMode = true
	require.ErrorContains(t, authError(t, sshxtest.NewDialer(t), target), "password: not tried because of BatchMode")
}

func TestUnansweredPassphrasePromptsAreNotRepeated(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name, want string
		p          *sshxtest.User
	}{
		{"no answer", "signing failed: passphrase: no answer", &sshxtest.User{}},
		{"nothing typed", "signing failed: no passphrase was given", &sshxtest.User{Answers: []string{""}}},
		{"three times wrong", "signing failed: wrong passphrase", &sshxtest.User{Answers: []string{"wrong"}}},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			k := sshxtest.NewEncryptedKey(t, "open sesame")
			d := dialerWith(t, c.p)
			require.ErrorContains(t, authError(t, d, sshxtest.Target(t, sshxtest.StartHost(t, sshtest.Options{}, k), k)), c.want)
			n := len(c.p.Questions())
			require.ErrorContains(t, authError(t, d, sshxtest.Target(t, sshxtest.StartHost(t, sshtest.Options{}, k), k)), c.want)
			assert.Len(t, c.p.Questions(), n)
		})
	}
}

func TestEncryptedKeysOfEveryFormat(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name, typ string
		args      []string
		refusal   string // why the key cannot be used; "" if it can
	}{
		{"OpenSSH", "ed25519", []string{"-a", "1"}, ""},
		{"OpenSSH, CBC", "ed25519", []string{"-a", "1", "-Z", "aes256-cbc"}, ""},
		{"OpenSSH, a cipher that is not there", "ed25519", []string{"-Z", "aes256-gcm@openssh.com"}, ": encrypted with aes256-gcm@openssh.com, which kis cannot decrypt; run: ssh-add "},
		{"PEM", "rsa", []string{"-m", "PEM"}, ""},
		{"PKCS #8", "rsa", []string{"-m", "PKCS8"}, ": this kind of key cannot be used from a file"},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			file := filepath.Join(t.TempDir(), "id")
			opensshtest.Keygen(t, file, c.typ, append([]string{"-N", "open sesame"}, c.args...)...)
			public, _, _, _, err := ssh.ParseAuthorizedKey([]byte(sshxtest.ReadText(t, file+".pub")))
			require.NoError(t, err)
			h := sshxtest.StartHost(t, sshtest.Options{AuthorizedKeys: []ssh.PublicKey{public}})
			target := sshxtest.Target(t, h)
			target.IdentityFiles = []string{file}
			p := &sshxtest.User{Answers: []string{"open sesame"}}
			d := dialerWith(t, p)
			if c.refusal != "" {
				require.ErrorContains(t, authError(t, d, target), file+c.refusal)
				assert.Empty(t, p.Questions())
				return
			}
			sshxtest.Dial(t, d, target)
			assert.Len(t, p.Questions(), 1)
		})
	}
}

func TestAnEncryptedPEMKeyWithoutItsPublicHalfIsNamed(t *testing.T) {
	t.Parallel()
	file := filepath.Join(t.TempDir(), "id")
	opensshtest.Keygen(t, file, "rsa", "-m", "PEM", "-N", "open sesame")
	require.NoError(t, os.Remove(file+".pub"))
	target := sshxtest.Target(t, sshxtest.StartHost(t, sshtest.Options{}))
	target.IdentityFiles = []string{file}
	assert.ErrorContains(t, authError(t, sshxtest.NewDialer(t), target), file+": encrypted, and "+file+".pub is missing; run: ssh-keygen -y -f ")
}
