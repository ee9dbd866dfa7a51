package deploy_test

import (
	"fmt"
	"os"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/keep-it-simple/kis/internal/fleet"
	"github.com/keep-it-simple/kis/internal/name"
	"github.com/keep-it-simple/kis/internal/survey"
	"github.com/keep-it-simple/kis/internal/testenv/hosttest"
	"github.com/keep-it-simple/kis/inventory"
	"github.com/keep-it-simple/kis/remote"
	"github.com/keep-it-simple/kis/sshx"
)

// One dead jump host is one failure of many hosts: views fold what reads the same, however many
// connections are made at a time.
func TestADeadJumpHostIsOneFailureOfAllHostsBehindIt(t *testing.T) {
	t.Parallel()
	port := hosttest.Port(t)
	config := t.TempDir() + "/config"
	text := fmt.Sprintf("Host web*\n ProxyJump bastion\nHost bastion\n HostName 127.0.0.1\n Port %d\nHost *\n IdentityFile none\n IdentityAgent none\n", port)
	require.NoError(t, os.WriteFile(config, []byte(text), 0o600))
	var hosts []inventory.Host
	for i := range 64 {
		hosts = append(hosts, inventory.Host{Name: fmt.Sprintf("web%d", i), Root: "/var/webcode", Python: name.Python3()})
	}
	dialer := &sshx.Dialer{}
	f := &fleet.Fleet{Resolver: sshx.Resolver{ConfigFile: config}, Dialer: dialer, Forks: 8}
	seen := map[[2]string]int{}
	for _, l := range survey.Read(t.Context(), f, hosts, remote.StateRequest{}) {
		require.NotNil(t, l.Failure)
		seen[[2]string{l.Failure.Message, l.Failure.Hint}]++
	}
	require.NoError(t, dialer.Close())
	assert.Equal(t, map[[2]string]int{
		{
			fmt.Sprintf("jump host bastion: connect: 127.0.0.1:%d: connection refused", port),
			"does sshd run on the host, on this port? no host behind it can be reached; try: ssh bastion",
		}: 64,
	}, seen)
}
