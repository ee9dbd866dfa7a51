package hosttest_test

import (
	"errors"
	"net"
	"os/exec"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/keep-it-simple/kis/internal/testenv/hosttest"
)

// ssh is what OpenSSH's own client gets from a host.
func ssh(t *testing.T, c *hosttest.Client, host string, command ...string) (string, error) {
	t.Helper()
	out, err := exec.CommandContext(t.Context(), "ssh", append([]string{"-F", c.Config, "-o", "BatchMode=yes", host, "--"}, command...)...).CombinedOutput()
	return string(out), err
}

func TestEachHostHasItsOwnNameAndRepository(t *testing.T) {
	t.Parallel()
	hosts := hosttest.New(t, 2, hosttest.Options{Env: []string{"SITE=here", "PIP_X=y"}})
	c := hosttest.NewClient(t, hosts)
	for _, h := range hosts {
		out, err := ssh(t, c, h.Name, "hostname; id -un; echo $SITE; ls /var/webcode; touch /var/webcode/of-$(hostname); pwd")
		require.NoError(t, err, out)
		assert.Equal(t, h.Name+"\n"+h.User+"\nhere\n"+"/home/"+h.User+"\n", out)
		assert.FileExists(t, filepath.Join(h.Repo, "of-"+h.Name))
		assert.FileExists(t, h.Inside("/var/webcode/of-"+h.Name))
	}
}

func TestKillEndsEverythingOnTheHostAndRestartBringsItBack(t *testing.T) {
	t.Parallel()
	hosts := hosttest.New(t, 1, hosttest.Options{})
	c := hosttest.NewClient(t, hosts)
	h := hosts[0]
	out, err := ssh(t, c, "web1", "sleep 1000 >/dev/null 2>&1 & touch /var/webcode/kept")
	require.NoError(t, err, out)
	assert.Equal(t, []string{"sleep 1000"}, h.Processes(t))
	h.Shell(t, "mount -t tmpfs none /var/webcode; touch /var/webcode/lost")
	assert.FileExists(t, h.Inside("/var/webcode/lost"))
	port := h.Port

	h.Kill()
	_, err = ssh(t, c, "web1", "true")
	require.Error(t, err)

	h.Restart(t)
	assert.Equal(t, port, h.Port)
	assert.Empty(t, h.Processes(t))
	assert.NoFileExists(t, h.Inside("/var/webcode/lost"))
	assert.FileExists(t, h.Inside("/var/webcode/kept"))
}

func TestBlockedHostIsSilentAndAnswersLater(t *testing.T) {
	t.Parallel()
	hosts := hosttest.New(t, 2, hosttest.Options{Network: true})
	c := hosttest.NewClient(t, hosts)
	out, err := ssh(t, c, "web1", "true")
	require.NoError(t, err, out)
	assert.NotEqual(t, hosts[0].Addr, hosts[1].Addr)

	h := hosts[0]
	h.Block(t)
	_, err = net.DialTimeout("tcp", h.Addr, 200*time.Millisecond)
	var failed net.Error
	require.ErrorAs(t, err, &failed)
	assert.True(t, failed.Timeout(), "nobody says no: %v", err)
	out, err = ssh(t, c, "web2", "true")
	require.NoError(t, err, "%s: the other host is not concerned", out)

	h.Unblock(t)
	out, err = ssh(t, c, "web1", "hostname")
	require.NoError(t, err, out)
	address := h.Addr
	h.Kill()
	_, err = net.DialTimeout("tcp", address, 10*time.Second)
	require.Error(t, err)
	require.False(t, errors.As(err, &failed) && failed.Timeout(), "nothing leaves this machine: %v", err)
	h.Restart(t)
	assert.Equal(t, address, h.Addr)
	out, err = ssh(t, c, "web1", "hostname")
	require.NoError(t, err, out)
}
