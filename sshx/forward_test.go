package sshx_test

import (
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/keep-it-simple/kis/internal/sshtest"
	"github.com/keep-it-simple/kis/internal/testenv/hosttest"
	"github.com/keep-it-simple/kis/internal/testenv/opensshtest"
	"github.com/keep-it-simple/kis/sshx"
	"github.com/keep-it-simple/kis/sshx/internal/sshxtest"
)

func TestNothingIsForwardedWhateverTheConfigurationSays(t *testing.T) {
	t.Parallel()
	s := opensshtest.Start(t, opensshtest.Options{Config: []string{"AllowAgentForwarding yes", "X11Forwarding yes", "AllowTcpForwarding yes"}})
	free := net.JoinHostPort("127.0.0.1", strconv.Itoa(hosttest.Port(t)))
	config := filepath.Join(t.TempDir(), "config")
	require.NoError(t, os.WriteFile(config, []byte(strings.Join([]string{
		"Host web1", "HostName 127.0.0.1", "Port " + strconv.Itoa(s.Port), "User " + s.User, "IdentityFile " + s.UserKey,
		"UserKnownHostsFile " + sshxtest.KnownHosts(t, s.HostKeyLine(t, 0)), "IdentityAgent " + sshxtest.StartSSHAgent(t),
		"ForwardAgent yes", "ForwardX11 yes", "LocalForward " + free + " 127.0.0.1:1", "RemoteForward 127.0.0.1:0 127.0.0.1:1", "",
	}, "\n")), 0o600))
	for _, reader := range []string{"", "none"} { // ssh -G, and our own
		r := sshx.Resolver{ConfigFile: config, SSH: reader}
		target, err := r.Resolve(sshxtest.Deadline(t), sshx.Host{Name: "web1"})
		require.NoError(t, err)
		var never []string
		for _, setting := range target.Settings {
			if setting.Value == "never" {
				never = append(never, setting.Name)
			}
		}
		assert.Equal(t, []string{"forwardagent", "forwardx11", "localforward", "remoteforward"}, never)

		c := sshxtest.Dial(t, sshxtest.NewDialer(t), target)
		out, _, err := sshxtest.Run(t, c, "echo agent:$SSH_AUTH_SOCK display:$DISPLAY")
		require.NoError(t, err)
		assert.Equal(t, "agent: display:\n", out)
		_, err = (&net.Dialer{}).DialContext(sshxtest.Deadline(t), "tcp", free)
		require.Error(t, err)
	}
}

// A configuration that makes ssh forward everything makes kis forward nothing.
func TestNoConfigurationAddsRequestsToTheHost(t *testing.T) {
	t.Parallel()
	k := sshxtest.NewKey(t)
	h := sshxtest.StartHost(t, sshtest.Options{Forward: true, Faults: sshtest.Faults{OpenChannels: []string{"auth-agent@openssh.com", "x11", "forwarded-tcpip", "tun@openssh.com"}}}, k)
	local := filepath.Join(t.TempDir(), "local")
	withSSH, without := sshxtest.Resolvers(t, fmt.Sprintf(`Host web1
 HostName 127.0.0.1
 Port %d
 User deploy
 IdentityFile %s
 IdentityAgent none
 UserKnownHostsFile %s
 ForwardAgent yes
 ForwardX11 yes
 ForwardX11Trusted yes
 LocalForward 127.0.0.1:1 127.0.0.1:2
 RemoteForward 127.0.0.1:3 127.0.0.1:4
 DynamicForward 127.0.0.1:5
 Tunnel yes
 RequestTTY force
 SendEnv *
 SetEnv SECRET=canary
 RemoteCommand touch %s
 PermitLocalCommand yes
 LocalCommand touch %s
`, h.Port(), k.File, sshxtest.KnownHosts(t, h.KnownHostsLine()), local, local))
	for i, r := range []sshx.Resolver{withSSH, without} {
		target, err := r.Resolve(t.Context(), sshx.Host{Name: "web1"})
		require.NoError(t, err)
		c := sshxtest.Dial(t, sshxtest.NewDialer(t), target)
		_, _, err = sshxtest.Run(t, c, "exit 0")
		require.NoError(t, err)
		s, err := c.SFTP(sshxtest.Deadline(t))
		require.NoError(t, err)
		require.NoError(t, s.Close())
		require.Eventually(t, func() bool { return len(h.Record().Opened) == 4*(i+1) }, 10*time.Second, time.Second/200)
	}
	r := h.Record()
	assert.Equal(t, []string{"session", "session", "session", "session"}, r.Channels)
	assert.Equal(t, []string{"exec", "subsystem", "exec", "subsystem"}, r.Requests)
	assert.Equal(t, []string{"exec /bin/sh -s", "exec /bin/sh -s"}, r.Execs)
	assert.Subset(t, []string{"keepalive@openssh.com"}, r.Globals)
	for _, o := range r.Opened {
		assert.False(t, o.Accepted, o.Type)
	}
	assert.NoFileExists(t, local)
	_, err := os.Stat(filepath.Join(h.Home(), "local"))
	require.ErrorIs(t, err, os.ErrNotExist)
}
