package sshx_test

import (
	"fmt"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/keep-it-simple/kis/internal/testenv/opensshtest"
	"github.com/keep-it-simple/kis/sshx"
	"github.com/keep-it-simple/kis/sshx/internal/sshxtest"
)

// strictServer is an sshd that knows one algorithm of each kind.
func strictServer(t *testing.T, overrides ...string) *opensshtest.Server {
	t.Helper()
	return opensshtest.Start(t, opensshtest.Options{HostKeyTypes: []string{"ed25519", "rsa"}, Overrides: overrides})
}

func TestAlgorithmsOfTheConfigurationAreTheOnlyOnes(t *testing.T) {
	t.Parallel()
	s := strictServer(t, "KexAlgorithms ecdh-sha2-nistp384", "Ciphers aes256-ctr", "MACs hmac-sha2-512", "HostKeyAlgorithms rsa-sha2-512")
	for _, c := range []struct{ directive, right, wrong string }{
		{"KexAlgorithms", "ecdh-sha2-nistp256,ecdh-sha2-nistp384", "curve25519-sha256"},
		{"Ciphers", "-aes128*", "-aes256*"},
		{"MACs", "+hmac-sha1", "hmac-sha2-256"},
		{"HostKeyAlgorithms", "^rsa-sha2-512", "ssh-ed25519"},
	} {
		t.Run(c.directive, func(t *testing.T) {
			t.Parallel()
			for value, want := range map[string]bool{c.right: true, c.wrong: false} {
				withSSH, without := sshxtest.Resolvers(t, fmt.Sprintf("Host web1\n HostName 127.0.0.1\n Port %d\n User %s\n IdentityFile %s\n IdentityAgent none\n UserKnownHostsFile %s\n %s %s\n",
					s.Port, s.User, s.UserKey, sshxtest.KnownHosts(t, s.HostKeyLine(t, 1)), c.directive, value))
				for _, r := range []sshx.Resolver{withSSH, without} {
					target, err := r.Resolve(t.Context(), sshx.Host{Name: "web1"})
					require.NoError(t, err)
					client, err := sshxtest.NewDialer(t).Dial(sshxtest.Deadline(t), target)
					if !want {
						require.ErrorContains(t, err, "no common algorithm for ", value)
						continue
					}
					require.NoError(t, err, value)
					require.NoError(t, client.Close())
				}
			}
		})
	}
}

// Algorithms with SHA-1 or CBC are not used unless the configuration requests them, and signatures
// with SHA-1 are not used even then.
func TestOldAlgorithmsAreRefusedByDefault(t *testing.T) {
	t.Parallel()
	for _, old := range []string{"KexAlgorithms diffie-hellman-group14-sha1", "Ciphers aes128-cbc", "HostKeyAlgorithms ssh-rsa"} {
		t.Run(old, func(t *testing.T) {
			t.Parallel()
			s := strictServer(t, old)
			target := sshxtest.TargetOn(t, s)
			target.UserKnownHostsFiles = []string{sshxtest.KnownHosts(t, s.HostKeyLine(t, 0), s.HostKeyLine(t, 1))}
			_, err := sshxtest.NewDialer(t).Dial(sshxtest.Deadline(t), target)
			var e *sshx.DialError
			require.ErrorAs(t, err, &e)
			assert.Equal(t, sshx.PhaseHandshake, e.Phase)
			require.ErrorContains(t, err, "no common algorithm")
		})
	}
}
