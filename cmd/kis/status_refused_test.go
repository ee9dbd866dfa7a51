package main

import (
	"crypto/ed25519"
	"encoding/pem"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"golang.org/x/crypto/ssh"

	"github.com/keep-it-simple/kis/internal/sshtest"
)

// keyOf makes a key pair, with the private one in a file.
func (p project) keyOf(name string) ssh.PublicKey {
	p.t.Helper()
	public, private, err := ed25519.GenerateKey(nil)
	require.NoError(p.t, err)
	block, err := ssh.MarshalPrivateKey(private, "")
	require.NoError(p.t, err)
	p.write(name, string(pem.EncodeToMemory(block)))
	key, err := ssh.NewPublicKey(public)
	require.NoError(p.t, err)
	return key
}

// hosts starts hosts that accept the key, and writes an inventory with them as stage live. Their
// host keys are known unless unknown is set.
func (p project) hosts(key ssh.PublicKey, unknown bool, names ...string) {
	p.t.Helper()
	var config, known, inventory strings.Builder
	for _, name := range names {
		home := filepath.Join(p.dir, name)
		require.NoError(p.t, os.MkdirAll(filepath.Join(home, "webcode"), 0o755))
		h, err := sshtest.Start(sshtest.Options{Home: home, AuthorizedKeys: []ssh.PublicKey{key}})
		require.NoError(p.t, err)
		p.t.Cleanup(func() { assert.NoError(p.t, h.Close()) })
		fmt.Fprintf(&config, "Host %s\n  Port %d\n", name, h.Port())
		fmt.Fprintf(&known, "[127.0.0.1]:%d %s", h.Port(), ssh.MarshalAuthorizedKey(h.HostKey()))
		fmt.Fprintf(&inventory, "  %s: {root: %s}\n", name, filepath.Join(home, "webcode"))
	}
	fmt.Fprintf(&config, "Host *\n  HostName 127.0.0.1\n  Port 1\n  IdentityFile %s\n  IdentitiesOnly yes\n  IdentityAgent none\n  UserKnownHostsFile %s\n  GlobalKnownHostsFile /dev/null\n",
		filepath.Join(p.dir, "key"), filepath.Join(p.dir, "known_hosts"))
	p.write("ssh_config", config.String())
	if !unknown {
		p.write("known_hosts", known.String())
	}
	p.write("inventory.yaml", fmt.Sprintf("stages: {live: {hosts: [%s]}}\nhosts:\n%s", strings.Join(names, ", "), inventory.String()))
}

// TestStatusOfHostsThatRefuse: the hint is the same for all of them and printed once, and no hint
// is to wait until they are reachable.
func TestStatusOfHostsThatRefuse(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		unknown, stranger, open bool
		more                    string // a host of the stage that is not there
		hints                   int
		says, next              []string
	}{
		"unknown keys":                         {true, false, false, "", 4, []string{"hint: web1: compare the fingerprint", "hint: web2, web3: likewise"}, nil},
		"refused login":                        {false, true, false, "", 2, []string{"hint: web1: is one of your keys in", "hint: web2, web3: likewise"}, nil},
		"others may write there":               {false, false, true, "", 2, []string{"hint: web1: ", "hint: web2, web3: likewise"}, nil},
		"unknown keys and an unreachable host": {true, false, false, "gone", 5, []string{"hint: gone: does sshd run on the host", "hint: web2, web3: likewise"}, []string{"next: kis status live    # when gone is reachable"}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			p := newProject(t, "")
			key := p.keyOf("key")
			if test.stranger {
				p.keyOf("key")
			}
			p.hosts(key, test.unknown, "web1", "web2", "web3")
			for _, h := range []string{"web1", "web2", "web3"} {
				if test.open {
					require.NoError(t, os.Chmod(filepath.Join(p.dir, h, "webcode"), 0o777))
				}
			}
			if test.more != "" {
				text, err := os.ReadFile(filepath.Join(p.dir, "inventory.yaml"))
				require.NoError(t, err)
				p.write("inventory.yaml", strings.Replace(string(text), "web3]", "web3, "+test.more+"]", 1))
			}
			a, out, errs := p.app()
			assert.Equal(t, 5, execute(t.Context(), a, p.args("status")))
			assert.Equal(t, test.hints, strings.Count(out.String(), "hint: "), out.String())
			for _, text := range append(test.says, test.next...) {
				assert.Contains(t, out.String(), text)
			}
			assert.Equal(t, len(test.next), strings.Count(out.String(), "next: "), out.String())
			assert.Empty(t, errs.String())
		})
	}
}
