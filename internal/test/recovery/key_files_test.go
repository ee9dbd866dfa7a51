package recovery

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/keep-it-simple/kis/internal/testenv"
	"github.com/keep-it-simple/kis/internal/testenv/hosttest"
)

// TestKeyFilesThatCannotBeUsed_N13: ssh_config names one, and the host would take no other. It is named, with what is wrong with it.
func TestKeyFilesThatCannotBeUsed_N13(t *testing.T) {
	t.Parallel()
	w := testenv.New(t, 1, hosttest.Options{})
	archive := w.Archive()
	dir := t.TempDir()
	good, err := os.ReadFile(w.Client.Key)
	require.NoError(t, err)
	for _, c := range []struct {
		name string
		make func(path string)
		says string
	}{
		{"open", func(path string) {
			require.NoError(t, os.WriteFile(path, good, 0o600))
			require.NoError(t, os.Chmod(path, 0o644))
		}, "others can read it (mode 0644); run: chmod 600 "},
		{"locked", func(path string) {
			require.NoError(t, os.WriteFile(path, good, 0o600))
			hosttest.Run(t, "ssh-keygen", "-q", "-p", "-P", "", "-N", "secret", "-f", path)
		}, "encrypted, and kis cannot ask for the passphrase; run: ssh-add "},
		{"folder", func(path string) { require.NoError(t, os.Mkdir(path, 0o700)) }, "is a directory, not a key"},
		{"missing", func(string) {}, "no such file"},
	} {
		t.Run(c.name, func(t *testing.T) {
			w := w.In(t)
			w.Client.Key = filepath.Join(dir, c.name)
			c.make(w.Client.Key)
			w.Client.SetPort(t, "web1", w.Hosts[0].Port) // writes ssh_config
			before := w.Trees()
			r := w.Run(3, "", "push", "staging", "--sdist", archive)
			assert.Contains(t, r.Err, "web1: connect: authentication: login as kistest refused")
			assert.Contains(t, r.Err, w.Client.Key)
			assert.Contains(t, r.Err, c.says)
			assert.Equal(t, before, w.Trees())
		})
	}
}

// TestARefusedLoginIsTriedOnce_N11: each try counts against us at a host that bans.
func TestARefusedLoginIsTriedOnce_N11(t *testing.T) {
	t.Parallel()
	w := testenv.New(t, 1, hosttest.Options{Config: []string{"LogLevel VERBOSE"}})
	h := w.Hosts[0]
	proxy := h.Proxy(t)
	w.Client.SetPort(t, h.Name, proxy.Port())
	require.NoError(t, os.Remove(filepath.Join(h.Home, ".ssh", "authorized_keys")))
	w.Run(3, "", "push", "staging", "--sdist", w.Archive())
	assert.Len(t, proxy.Connections(), 1)
	assert.Equal(t, 1, strings.Count(h.Log(), "Failed publickey for kistest"), h.Log())
}
