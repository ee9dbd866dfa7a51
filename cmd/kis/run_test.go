package main

import (
	"bytes"
	"context"
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/keep-it-simple/kis/internal/event"
	"github.com/keep-it-simple/kis/internal/runlog"
	"github.com/keep-it-simple/kis/internal/ui"
)

// project is a project's directory with an inventory, and an ssh_config that reaches no host.
type project struct {
	t   *testing.T
	dir string
}

// newProject writes an inventory.
func newProject(t *testing.T, inventory string) project {
	t.Helper()
	p := project{t: t, dir: t.TempDir()}
	p.write("inventory.yaml", inventory)
	p.write("ssh_config", "Host *\n  HostName 127.0.0.1\n  Port 1\n  IdentityAgent none\n") // a closed port
	return p
}

func (p project) write(name, text string) {
	p.t.Helper()
	require.NoError(p.t, os.WriteFile(filepath.Join(p.dir, name), []byte(text), 0o600))
}

// app is kis in the project, with its own output.
func (p project) app() (a *app, out, errs *bytes.Buffer) {
	out, errs = &bytes.Buffer{}, &bytes.Buffer{}
	a = newApp(ui.Streams{Out: ui.NewPrinter(out), Err: ui.NewPrinter(errs)}, &signals{next: make(chan struct{})}, event.NewStream("", nil))
	a.logs = runlog.Dir(filepath.Join(p.dir, "state"))
	return a, out, errs
}

// args are the arguments of a command that runs in the project.
func (p project) args(args ...string) []string {
	return append([]string{"-i", filepath.Join(p.dir, "inventory.yaml"), "--ssh-config", filepath.Join(p.dir, "ssh_config"), "--project", p.dir}, args...)
}

// TestInterruptedBeforeAnyHostHasAnsweredIs130: for every command that asks hosts, or only how they
// are reached.
func TestInterruptedBeforeAnyHostHasAnsweredIs130(t *testing.T) {
	t.Parallel()
	p := newProject(t, "stages: {live: {hosts: [web1, web2]}}\nhosts: {web2: {ssh: {identity_file: none}}}\n")
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	for _, args := range [][]string{{"link", "live", "app-1"}, {"rollback", "live"}, {"unlock", "live"}, {"prune"}, {"remove", "app-1"}, {"status"}, {"list"}, {"log", "live"}, {"hosts"}} {
		a, out, errs := p.app()
		assert.Equal(t, 130, execute(ctx, a, p.args(args...)), args)
		assert.Equal(t, "kis: interrupted\n", errs.String(), args)
		assert.Empty(t, out.String(), args)
	}
}

func TestJSONIsWantedWhateverElseIsWrong(t *testing.T) {
	t.Parallel()
	for _, args := range [][]string{{"push", "--x", "-o", "json"}, {"-ojson"}, {"--output=json", "--x"}, {"--output", "json"}} {
		assert.True(t, wantsJSON(args), args)
	}
	for _, args := range [][]string{{"push"}, {"-o", "text"}, {"--", "-o", "json"}, {"-o"}} {
		assert.False(t, wantsJSON(args), args)
	}
}
