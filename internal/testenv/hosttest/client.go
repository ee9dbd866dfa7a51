package hosttest

import (
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// Client is what a person's machine has to know to reach hosts: files for `kis --ssh-config` and `ssh -F`.
type Client struct {
	Config     string // path of an ssh_config(5) that names every host and the deploying user
	KnownHosts string // path of the known_hosts(5) that it uses
	Key        string // path of the private key that it uses

	addresses map[string]string // host's name → host:port
	jumps     map[string]string // host's name → the host that leads to it
	order     []string
	user      string
	options   string
}

// NewClient writes the files for hosts.
func NewClient(tb testing.TB, hosts []*Host) *Client {
	tb.Helper()
	dir := tb.TempDir()
	c := &Client{Config: filepath.Join(dir, "ssh_config"), KnownHosts: filepath.Join(dir, "known_hosts"), addresses: map[string]string{}, jumps: map[string]string{}}
	var known strings.Builder
	for _, h := range hosts {
		c.Key, c.user = h.UserKey, h.User
		c.order, c.addresses[h.Name] = append(c.order, h.Name), h.Addr
		known.WriteString(h.KnownHostsLine(tb) + "\n")
	}
	require.NoError(tb, os.WriteFile(c.KnownHosts, []byte(known.String()), 0o600))
	c.write(tb)
	return c
}

// SetPort leads a host's name to another port of 127.0.0.1: that of a proxy, or of nothing. The host's key stays known under its name.
func (c *Client) SetPort(tb testing.TB, name string, port int) {
	tb.Helper()
	if _, known := c.addresses[name]; !known {
		c.order = append(c.order, name)
	}
	c.addresses[name] = net.JoinHostPort("127.0.0.1", strconv.Itoa(port))
	c.write(tb)
}

// Jump leads to a host over another one.
func (c *Client) Jump(tb testing.TB, name, over string) {
	tb.Helper()
	c.jumps[name] = over
	c.write(tb)
}

// Set adds a line of ssh_config(5) for all hosts, as "Keyword value".
func (c *Client) Set(tb testing.TB, line string) {
	tb.Helper()
	c.options += "  " + line + "\n"
	c.write(tb)
}

func (c *Client) write(tb testing.TB) {
	tb.Helper()
	var text strings.Builder
	for _, name := range c.order {
		address, port, err := net.SplitHostPort(c.addresses[name])
		require.NoError(tb, err)
		fmt.Fprintf(&text, "Host %s\n  HostName %s\n  Port %s\n  HostKeyAlias %s\n", name, address, port, name)
		if over := c.jumps[name]; over != "" {
			fmt.Fprintf(&text, "  ProxyJump %s\n", over)
		}
	}
	if c.user == "" { // without hosts, what names lead to is a port where nothing listens
		text.WriteString("Host *\n  HostName 127.0.0.1\n  Port 1\n  IdentityAgent none\n")
		require.NoError(tb, os.WriteFile(c.Config, []byte(text.String()), 0o600))
		return
	}
	fmt.Fprintf(&text, "Host *\n  User %s\n  IdentityFile %s\n  IdentitiesOnly yes\n  IdentityAgent none\n  StrictHostKeyChecking yes\n"+
		"  UserKnownHostsFile %s\n  GlobalKnownHostsFile /dev/null\n%s", c.user, c.Key, c.KnownHosts, c.options)
	require.NoError(tb, os.WriteFile(c.Config, []byte(text.String()), 0o600))
}
