package main

import (
	"testing"

	"github.com/stretchr/testify/assert"
)

// TestPinnedHostKeysAreCheckedWithTheInventory: the inventory names the place, sshx what is wrong.
func TestPinnedHostKeysAreCheckedWithTheInventory(t *testing.T) {
	t.Parallel()
	p := newProject(t, "ssh: {host_key: 'MD5:x'}\nstages: {live: {hosts: [web1]}}\n")
	for _, args := range [][]string{{"hosts"}, {"status"}, {"link", "live", "app-1"}} {
		a, out, errs := p.app()
		assert.Equal(t, 2, execute(t.Context(), a, p.args(args...)), args)
		assert.Contains(t, errs.String(), `inventory.yaml:1:17: ssh.host_key: host key "MD5:x": write the fingerprint`)
		assert.Contains(t, errs.String(), "\n  ssh: {host_key: 'MD5:x'}\n                  ^\n")
		assert.Empty(t, out.String(), args)
	}
}
