package debhost_test

import (
	"testing"

	"github.com/stretchr/testify/assert"

	"github.com/keep-it-simple/kis/internal/testenv/debhost"
)

// TestAHostHasASystemdOfItsOwn with units, users and sudo, and another than its neighbor's.
func TestAHostHasASystemdOfItsOwn(t *testing.T) {
	hosts := debhost.New(t, debhost.Bookworm, 2)
	for _, h := range hosts {
		h.Write(t, "/etc/systemd/system/sleeper.service", "[Service]\nExecStart=/bin/sleep 1000\n", 0o644)
		h.Shell(t, "systemctl daemon-reload")
		assert.Equal(t, h.Name+"\n", h.As(t, "hostname"))
	}
	hosts[0].Shell(t, "systemctl start sleeper")
	assert.Equal(t, "active\n", hosts[0].As(t, "systemctl is-active sleeper"))
	assert.Equal(t, "inactive\n", hosts[1].As(t, "systemctl is-active sleeper || true"))
}
