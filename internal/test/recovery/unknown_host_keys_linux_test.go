package recovery

import (
	"os"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/keep-it-simple/kis/internal/testenv"
	"github.com/keep-it-simple/kis/internal/testenv/hosttest"
	"github.com/keep-it-simple/kis/internal/testenv/ttytest"
)

// strangers are two hosts whose keys the person has never seen.
func strangers(t *testing.T) *testenv.Env {
	t.Helper()
	w := testenv.New(t, 2, hosttest.Options{})
	config, err := os.ReadFile(w.Client.Config)
	require.NoError(t, err)
	// As for most people; the test's own files say yes.
	text := strings.ReplaceAll(string(config), "StrictHostKeyChecking yes", "StrictHostKeyChecking ask")
	require.NoError(t, os.WriteFile(w.Client.Config, []byte(text), 0o600))
	require.NoError(t, os.Remove(w.Client.KnownHosts))
	return w
}

// atTerminal runs kis at a terminal where the person is asked about keys and gives the answer, but a y first if hasty.
func atTerminal(t *testing.T, w *testenv.Env, hasty bool, answer string, args ...string) (screen string, exit int) {
	t.Helper()
	terminal := ttytest.New(t)
	cmd := w.Command(t.Context(), args...)
	terminal.Control(cmd)
	require.NoError(t, cmd.Start())
	terminal.See("[yes/no]")
	if hasty {
		terminal.Type("y\n")
		terminal.See("please type the whole word")
	}
	terminal.Type(answer + "\n")
	ended := make(chan struct{})
	go func() { // ends with kis
		defer close(ended)
		_ = cmd.Wait() // its status is what the test looks at
	}()
	terminal.See("web2") // kis goes on, or says whom it has refused
	<-ended
	return terminal.Screen(), cmd.ProcessState.ExitCode()
}

func TestAPersonIsAskedOnceAboutUnknownHostKeys(t *testing.T) {
	t.Parallel()
	w := strangers(t)
	for _, no := range []string{"no", ""} {
		screen, exit := atTerminal(t, w, false, no, "check", "staging")
		assert.Equal(t, 3, exit, screen)
		assert.NoFileExists(t, w.Client.KnownHosts)
	}
	screen, exit := atTerminal(t, w, true, "yes", "check", "staging")
	assert.Equal(t, 0, exit, screen)
	assert.Equal(t, 1, strings.Count(screen, "[yes/no]"))
	assert.Contains(t, screen, "please type the whole word", "a y is no yes")
	for _, h := range w.Hosts {
		assert.Regexp(t, h.Name+` +ssh-ed25519 +SHA256:[A-Za-z0-9+/]{43}`, screen)
	}
	known, err := os.ReadFile(w.Client.KnownHosts)
	require.NoError(t, err)
	for _, h := range w.Hosts {
		assert.Contains(t, string(known), strings.TrimSpace(h.KnownHostsLine(t)))
	}
	assert.Equal(t, 0, w.Kis("check", "staging").Exit, "and nobody has to be asked again")
}

func TestNobodyIsAskedAboutHostKeysWithYesOrWithoutATerminal(t *testing.T) {
	t.Parallel()
	w := strangers(t)
	said := w.Kis("check", "staging")
	assert.Equal(t, 3, said.Exit)
	for _, part := range []string{"host key: unknown: the host shows ssh-ed25519 SHA256:", "run: ssh -F " + w.Client.Config + " web1", "ssh: {host_key: \"SHA256:"} {
		assert.Contains(t, said.Screen(), part)
	}
	terminal := ttytest.New(t)
	cmd := w.Command(t.Context(), "--yes", "check", "staging")
	terminal.Control(cmd)
	require.NoError(t, cmd.Start())
	terminal.See("staging is not ready for a push on ")
	require.Error(t, cmd.Wait())
	assert.Equal(t, 3, cmd.ProcessState.ExitCode())
	assert.NotContains(t, terminal.Screen(), "[yes/no]")
	assert.NoFileExists(t, w.Client.KnownHosts)
}
