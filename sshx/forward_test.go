package sshx_test

import (
	"net"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/keep-it-simple/kis/internal/opensshtest"
	"github.com/keep-it-simple/kis/sshx"
)

func TestNothingIsForwardedWhateverTheConfigurationSays(t *testing.T) {
	t.Parallel()
	s := opensshtest.Start(t, opensshtest.Options{Config: []string{"AllowAgentForwarding yes", "X11Forwarding yes", "AllowTcpForwarding yes"}})
	l, err := (&net.ListenConfig{}).Listen(t.Context(), "tcp", "127.0.0.1:0")
	require.NoError(t, err)
	free := l.Addr().String()
	require.NoError(t, l.Close())
	config := filepath.Join(t.TempDir(), "config")
	require.NoError(t, os.WriteFile(config, []byte(strings.Join([]string{
		"Host web1", "HostName 127.0.0.1", "Port " + strconv.Itoa(s.Port), "User " + s.User, "IdentityFile " + s.UserKey,
		"UserKnownHostsFile " + knownHosts(t, s.HostKeyLine(t, 0)), "IdentityAgent " + startSSHAgent(t),
		"ForwardAgent yes", "ForwardX11 yes", "LocalForward " + free + " 127.0.0.1:1", "RemoteForward 127.0.0.1:0 127.0.0.1:1", "",
	}, "\n")), 0o600))
	for _, reader := range []string{"", "none"} { // ssh -G, and our own
		r := sshx.Resolver{ConfigFile: config, SSH: reader}
		target, err := r.Resolve(deadline(t), sshx.Host{Name: "web1"})
		require.NoError(t, err)
		var never []string
		for _, setting := range target.Settings {
			if setting.Value == "never" {
				never = append(never, setting.Name)
			}
		}
		assert.Equal(t, []string{"forwardagent", "forwardx11", "localforward", "remoteforward"}, never)

		c := dial(t, newDialer(t), target)
		out, _, err := sh(t, c, "echo agent:$SSH_AUTH_SOCK display:$DISPLAY")
		require.NoError(t, err)
		assert.Equal(t, "agent: display:\n", out)
		_, err = (&net.Dialer{}).DialContext(deadline(t), "tcp", free)
		require.Error(t, err)
	}
}
