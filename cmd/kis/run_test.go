package main

import (
	"bytes"
	"context"
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

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
	a = newApp(ui.Streams{Out: ui.NewPrinter(out), Err: ui.NewPrinter(errs)}, &signals{next: make(chan struct{})}, &bugs{})
	a.logs = runlog.Dir(filepath.Join(p.dir, "state"))
	return a, out, errs
}

// args are the arguments of a command that runs in the project.
func (p project) args(args ...string) []string {
	return append([]string{"-i", filepath.Join(p.dir, "inventory.yaml"), "--ssh-config", filepath.Join(p.dir, "ssh_config"), "--project", p.dir}, args...)
}

// TestWhatIsGivenEmptyIsRefused: a variable that is not set, in a script, must not mean what
// leaving the flag or the argument out means.
func TestWhatIsGivenEmptyIsRefused(t *testing.T) {
	t.Parallel()
	p := newProject(t, "stages: {live: {hosts: [web1]}}\n")
	for says, args := range map[string][]string{
		"--to is empty":               {"rollback", "live", "--to", ""},
		"--hosts is empty":            {"status", "--hosts="},
		"--sdist is empty":            {"push", "live", "--sdist", ""},
		"--inventory is empty":        {"status", "-i", ""},
		"--ssh-config is empty":       {"status", "--ssh-config", ""},
		"--output is empty":           {"status", "-o", ""},
		"--color is empty":            {"status", "--color", ""},
		"the package is empty":        {"link", "live", ""},
		"the stage is empty":          {"list", ""},
		"the pattern is empty":        {"hosts", ""},
		"the stage is missing":        {"link"},
		"the package is missing":      {"remove"},
		"--keep is at least 1, not 0": {"prune", "--keep", "0"},
		"unexpected argument \"\"":    {"status", "live", ""},
	} {
		a, out, errs := p.app()
		assert.Equal(t, 2, execute(t.Context(), a, p.args(args...)), says)
		assert.Contains(t, errs.String(), "kis: "+says+"\n  hint: usage: kis "+args[0])
		assert.Empty(t, out.String(), says)
	}
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

func TestListAndLogOfHostsThatDoNotAnswer(t *testing.T) {
	t.Parallel()
	p := newProject(t, "stages: {live: {hosts: [web1, web2]}}\n")
	for _, args := range [][]string{{"list", "live"}, {"log", "live"}} {
		a, out, errs := p.app()
		assert.Equal(t, 5, execute(t.Context(), a, p.args(args...)))
		assert.Empty(t, out.String(), "no host answered")
		assert.Contains(t, errs.String(), "kis: 2 of 2 hosts did not answer\n")
	}
}

// A host that does not answer keeps a prune from none of the others; remove asks all first.
func TestPruneAndRemoveOfHostsThatDoNotAnswer(t *testing.T) {
	t.Parallel()
	p := newProject(t, "stages: {live: {hosts: [web1, web2]}}\n")
	for status, args := range map[int][]string{5: {"prune", "live"}, 3: {"remove", "app-1"}} {
		a, out, errs := p.app()
		assert.Equal(t, status, execute(t.Context(), a, p.args(args...)))
		assert.Empty(t, out.String())
		assert.Contains(t, errs.String(), "web1, web2: connect: ")
		assert.Contains(t, errs.String(), "kis: nothing was removed\n")
	}
}
