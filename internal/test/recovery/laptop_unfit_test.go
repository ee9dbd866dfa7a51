package recovery

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/keep-it-simple/kis/internal/testenv"
	"github.com/keep-it-simple/kis/internal/testenv/hosttest"
	"github.com/keep-it-simple/kis/internal/testenv/proxytest"
)

// TestUnfitMachineFoundBeforeAnyHost_N13_K9, also when it is about one host of several.
func TestUnfitMachineFoundBeforeAnyHost_N13_K9(t *testing.T) {
	t.Parallel()
	w := testenv.New(t, 2, hosttest.Options{})
	var proxies []*proxytest.Proxy
	for _, h := range w.Hosts {
		p := h.Proxy(t)
		w.Client.SetPort(t, h.Name, p.Port())
		proxies = append(proxies, p)
	}
	contacted := func() (n int) {
		for _, p := range proxies {
			n += len(p.Connections())
		}
		return n
	}
	archive := w.Archive()
	key := func(name, passphrase string, mode os.FileMode) string {
		path := filepath.Join(w.Home, name)
		hosttest.Run(t, "ssh-keygen", "-q", "-t", "ed25519", "-N", passphrase, "-f", path)
		require.NoError(t, os.Chmod(path, mode))
		return path
	}
	for name, test := range map[string]struct{ key, says string }{
		"others can read it": {key("open", "", 0o644), "others can read it (mode 0644); run: chmod 600 "},
		"a folder":           {w.Home, "is a directory, not a key"},
		"missing":            {filepath.Join(w.Home, "none"), "no such file"},
		"encrypted":          {key("sealed", "secret", 0o600), "encrypted, and kis cannot ask for the passphrase; run: ssh-add "},
	} {
		w.Inventory(testenv.InventoryText(w.Hosts, "") + fmt.Sprintf("hosts: {web2: {ssh: {identity_file: %s}}}\n", test.key))
		r := w.Run(2, "", "push", "staging", "--sdist", archive)
		assert.Contains(t, r.Err, "kis: web2: ", name)
		assert.Contains(t, r.Err, test.key, name)
		assert.Contains(t, r.Err, test.says, name)
		assert.NotContains(t, r.Screen(), "web1", name)
	}
	assert.Zero(t, contacted())

	w.Inventory(testenv.InventoryText(w.Hosts, ""))
	few := func(files string) testenv.Result {
		cmd := w.Command(t.Context(), "check", "staging")
		cmd.Args = append([]string{"prlimit", "--nofile=" + files + ":" + files, cmd.Path}, cmd.Args[1:]...)
		path, err := exec.LookPath("prlimit")
		require.NoError(t, err)
		cmd.Path = path
		return w.Wait(cmd)
	}
	r := few("32")
	assert.Equal(t, 2, r.Exit)
	assert.Zero(t, contacted())
	remedy := regexp.MustCompile(`hint: ulimit -n (\d+) `).FindStringSubmatch(r.Err)
	require.NotEmpty(t, remedy, r.Err)
	assert.Equal(t, 0, few(remedy[1]).Exit, "what it asks for is enough")
	assert.NotZero(t, contacted())
}
