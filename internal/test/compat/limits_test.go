package compat

import (
	"testing"

	"github.com/stretchr/testify/assert"

	"github.com/keep-it-simple/kis/internal/testenv"
	"github.com/keep-it-simple/kis/internal/testenv/hosttest"
)

// TestWhatKisLeavesToOthers: what docs/limits.md proposes instead does it.
func TestWhatKisLeavesToOthers(t *testing.T) {
	t.Parallel()
	w := testenv.New(t, 2, hosttest.Options{})
	w.Inventory(testenv.InventoryText(w.Hosts, `  production:
    hosts: [web1, web2]
    before_link: [mkdir -p ../shared && touch ../shared/maintenance]
    after_link: [rm -f ../shared/maintenance, 'test "$KIS_VAR_ROLE" != worker || touch ../shared/warm']
hosts:
  web2: {vars: {role: worker}}
`))
	w.Stage = "production"
	archive := w.Archive()

	w.On("web1").Run(0, "hello-0.3", "push", "production", "--sdist", archive, "--hosts", "web1")
	r := w.Kis("status", "production")
	assert.Contains(t, r.Out, "a run was narrowed by --hosts")
	r = w.Run(0, "hello-0.3", "push", "production", "--sdist", archive, "-o", "json")
	for _, e := range r.Events(t) {
		assert.False(t, e.Step == "unpack" && e.Host == "web1", "nothing is built twice")
	}
	const there = "cd /var/webcode/shared; ls"
	assert.Empty(t, w.Hosts[0].Shell(t, there), "neither maintenance nor worker")
	assert.Equal(t, "warm\n", w.Hosts[1].Shell(t, there))

	w.Hosts[1].Shell(t, "touch /var/webcode/shared/maintenance") // as a run leaves it that stops in between
	assert.Equal(t, 0, w.Kis("restart", "production").Exit)
	assert.Equal(t, "warm\n", w.Hosts[1].Shell(t, there))
}
