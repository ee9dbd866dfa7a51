package userauth_test

import (
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"golang.org/x/crypto/ssh/agent"

	"github.com/keep-it-simple/kis/internal/sshtest"
	"github.com/keep-it-simple/kis/internal/testenv/opensshtest"
	"github.com/keep-it-simple/kis/sshx"
	"github.com/keep-it-simple/kis/sshx/internal/sshxtest"
)

// addRestricted adds a key file to OpenSSH's agent, for one host only: that with the given host key.
func addRestricted(t *testing.T, socket, key, hostKey string) {
	t.Helper()
	known := sshxtest.KnownHosts(t, "there "+hostKey)
	cmd := exec.CommandContext(t.Context(), "ssh-add", "-q", "-h", "there", "-H", known, key)
	cmd.Env = append(os.Environ(), "SSH_AUTH_SOCK="+socket)
	out, err := cmd.CombinedOutput()
	require.NoError(t, err, "%s", out)
}

// TestKeysThatAnAgentRestrictsToAHostLogInThere, with every key exchange and kind of host key, as with
// ssh; keys for other hosts are not offered.
func TestKeysThatAnAgentRestrictsToAHostLogInThere(t *testing.T) {
	t.Parallel()
	s := opensshtest.Start(t, opensshtest.Options{HostKeyTypes: []string{"ed25519", "ecdsa", "rsa"}})
	for _, c := range []struct{ kex, algorithm string }{
		{"", ""},
		{"", "ecdsa-sha2-nistp256"},
		{"", "rsa-sha2-512"},
		{"ecdh-sha2-nistp256", ""},
		{"diffie-hellman-group14-sha256", ""},
		{"diffie-hellman-group-exchange-sha256", ""},
	} {
		t.Run(c.kex+" "+c.algorithm, func(t *testing.T) {
			t.Parallel()
			socket := sshxtest.StartSSHAgent(t)
			for range 7 { // more than sshd would hear of
				foreign := filepath.Join(t.TempDir(), "foreign")
				opensshtest.Keygen(t, foreign, "ed25519")
				addRestricted(t, socket, foreign, opensshtest.PublicKey(t, foreign))
			}
			target := sshxtest.TargetOn(t, s)
			host := map[string]int{"": 0, "ecdsa-sha2-nistp256": 1, "rsa-sha2-512": 2}[c.algorithm]
			target.UserKnownHostsFiles = []string{sshxtest.KnownHosts(t, s.HostKeyLine(t, host))}
			target.IdentityFiles, target.IdentityAgent = nil, socket
			if c.kex != "" {
				target.KexAlgorithms = []string{c.kex}
			}
			e := authError(t, sshxtest.NewDialer(t), target)
			assert.Contains(t, e.Error(), "7 keys are restricted to other hosts (ssh-add -h)")

			addRestricted(t, socket, s.UserKey, s.PublicHostKey(t, host))
			client := sshxtest.Dial(t, sshxtest.NewDialer(t), target)
			assert.NotEmpty(t, client.AuthKey())
		})
	}
}

// TestAKeyInAFileIsOfferedWhereTheAgentsIsRestricted to another host, as by ssh.
func TestAKeyInAFileIsOfferedWhereTheAgentsIsRestricted(t *testing.T) {
	t.Parallel()
	s := opensshtest.Start(t, opensshtest.Options{})
	socket := sshxtest.StartSSHAgent(t)
	addRestricted(t, socket, s.UserKey, opensshtest.PublicKey(t, s.UserKey))
	target := sshxtest.TargetOn(t, s)
	target.IdentityAgent = socket
	sshxtest.Dial(t, sshxtest.NewDialer(t), target)
}

// TestAgentKeysRestrictedToAHostBehindAJumpHost: each login has its own connection to the agent.
func TestAgentKeysRestrictedToAHostBehindAJumpHost(t *testing.T) {
	t.Parallel()
	jump, s := opensshtest.Start(t, opensshtest.Options{}), opensshtest.Start(t, opensshtest.Options{})
	socket := sshxtest.StartSSHAgent(t)
	addRestricted(t, socket, s.UserKey, s.PublicHostKey(t, 0))
	addRestricted(t, socket, jump.UserKey, jump.PublicHostKey(t, 0))
	target, hop := sshxtest.TargetOn(t, s), sshxtest.TargetOn(t, jump)
	for _, one := range []*sshx.Target{&target, &hop} {
		one.IdentityFiles, one.IdentityAgent = nil, socket
	}
	target.Jump = []sshx.Target{hop}
	sshxtest.Dial(t, sshxtest.NewDialer(t), target)
}

// unbindable is an agent that refuses to be bound to a host.
type unbindable struct{ agent.ExtendedAgent }

func (unbindable) Extension(string, []byte) ([]byte, error) {
	return nil, agent.ErrExtensionUnsupported
}

// TestAnAgentThatCannotBeBoundIsUsed, as by ssh.
func TestAnAgentThatCannotBeBoundIsUsed(t *testing.T) {
	t.Parallel()
	k := sshxtest.NewKey(t)
	h := sshxtest.StartHost(t, sshtest.Options{}, k)
	target := sshxtest.Target(t, h)
	target.IdentityAgent = sshxtest.ServeAgent(t, unbindable{keyringOf(t, agent.AddedKey{PrivateKey: k.Private})})
	sshxtest.Dial(t, sshxtest.NewDialer(t), target)
}
