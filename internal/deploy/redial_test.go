package deploy_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"golang.org/x/crypto/ssh"

	"github.com/keep-it-simple/kis/internal/event"
	"github.com/keep-it-simple/kis/internal/sshtest"
)

// TestReconnectingUsesBackoff: an answer is lost at the switch, and from then on something else
// answers at the host's address, which counts the connections. A no ends the attempts; where there
// is none they become rare.
func TestReconnectingUsesBackoff(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		host  sshtest.Options
		known bool // by its key
		most  int  // connections
		says  string
	}{
		"the login is refused":     {known: true, most: 1, says: "login as deploy refused"},
		"another host key":         {most: 1, says: "host key: changed"},
		"this address is rejected": {host: sshtest.Options{Faults: sshtest.Faults{Greeting: "Not allowed at this time\r\n"}}, most: 1, says: "Not allowed at this time"},
		// After 0, 0.5, 1.5, 3.5 and 7.5 s of eight, and once to read the link at the end.
		"no answer that says anything": {host: sshtest.Options{Faults: sshtest.Faults{Greeting: "busy\r\n"}}, most: 6, says: "busy"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t, embedded, 1)
			w.install(t, "1.0")
			test.host.Home = t.TempDir()
			other, err := sshtest.Start(test.host)
			require.NoError(t, err)
			t.Cleanup(func() { require.NoError(t, other.Close()) })
			if test.known {
				w.know(t, "web1", other.HostKey())
			}
			c := cut{step: event.StepLink}
			report := w.run(t.Context(), t, push(t, "1.0"), func(e event.Event) {
				if e.Type == event.TypeStep && e.Host == "web1" && e.Step == event.StepLink && e.State == event.Started {
					w.proxy["web1"].Lead(other.Addr())
				}
				c.on(w, "web1")(e)
			})
			assert.Equal(t, event.Split, report.Outcome)
			require.NotEmpty(t, report.Failures)
			assert.Contains(t, report.Failures[len(report.Failures)-1].Message, test.says)
			connections := other.Record().Connections
			assert.Positive(t, connections)
			assert.LessOrEqual(t, connections, test.most)
		})
	}
}

// know adds a key to those that a host is known by.
func (w *world) know(t *testing.T, host string, key ssh.PublicKey) {
	t.Helper()
	path := filepath.Join(filepath.Dir(w.config), "known_hosts")
	text, err := os.ReadFile(path)
	require.NoError(t, err)
	line := host + " " + strings.TrimSpace(string(ssh.MarshalAuthorizedKey(key))) + "\n"
	require.NoError(t, os.WriteFile(path, append(text, line...), 0o600))
}
