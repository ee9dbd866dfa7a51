package main

import (
	"bytes"
	"context"
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// place is a project's folder with an inventory, and what reaches its hosts.
type place struct {
	t      *testing.T
	folder string
}

// newPlace writes an inventory.
func newPlace(t *testing.T, inventory string) place {
	t.Helper()
	p := place{t: t, folder: t.TempDir()}
	p.write("inventory.yaml", inventory)
	p.write("ssh_config", "Host *\n  HostName 127.0.0.1\n  Port 1\n  IdentityAgent none\n") // nobody listens there
	return p
}

func (p place) write(name, text string) {
	p.t.Helper()
	require.NoError(p.t, os.WriteFile(filepath.Join(p.folder, name), []byte(text), 0o600))
}

// app is kis in the place, with screens of its own.
func (p place) app() (a *app, out, errs *bytes.Buffer) {
	out, errs = &bytes.Buffer{}, &bytes.Buffer{}
	return &app{streams: streams{Out: printer{out}, Err: printer{errs}}, signals: &signals{next: make(chan struct{})}, bugs: &bugs{}, stateFolder: filepath.Join(p.folder, "state")}, out, errs
}

// args are the arguments of a command that is run in the place.
func (p place) args(args ...string) []string {
	return append([]string{"-i", filepath.Join(p.folder, "inventory.yaml"), "--ssh-config", filepath.Join(p.folder, "ssh_config")}, args...)
}

// TestWhatIsGivenEmptyIsRefused: a variable that is not set, in a script, must not mean what leaving the flag or the argument out means.
func TestWhatIsGivenEmptyIsRefused(t *testing.T) {
	t.Parallel()
	p := newPlace(t, "stages: {live: {hosts: [web1]}}\n")
	for says, args := range map[string][]string{
		"--to is empty":            {"rollback", "live", "--to", ""},
		"--hosts is empty":         {"status", "--hosts="},
		"--sdist is empty":         {"push", "live", "--sdist", ""},
		"--inventory is empty":     {"status", "-i", ""},
		"--ssh-config is empty":    {"status", "--ssh-config", ""},
		"--output is empty":        {"status", "-o", ""},
		"--color is empty":         {"status", "--color", ""},
		"the package is empty":     {"link", "live", ""},
		"the stage is empty":       {"list", ""},
		"the pattern is empty":     {"hosts", ""},
		"the stage is missing":     {"link"},
		"unexpected argument \"\"": {"status", "live", ""},
	} {
		a, out, errs := p.app()
		assert.Equal(t, 2, execute(t.Context(), a, p.args(args...)), says)
		assert.Contains(t, errs.String(), "kis: "+says+"\n  hint: usage: kis "+args[0])
		assert.Empty(t, out.String(), says)
	}
}

// TestInterruptedBeforeAnyHostHasAnsweredIs130: for every command that asks hosts, or only how they are reached.
func TestInterruptedBeforeAnyHostHasAnsweredIs130(t *testing.T) {
	t.Parallel()
	p := newPlace(t, "stages: {live: {hosts: [web1, web2]}}\nhosts: {web2: {ssh: {identity_file: none}}}\n")
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	for _, args := range [][]string{{"link", "live", "app-1"}, {"rollback", "live"}, {"unlock", "live"}, {"status"}, {"list"}, {"log", "live"}, {"hosts"}} {
		a, out, errs := p.app()
		assert.Equal(t, 130, execute(ctx, a, p.args(args...)), args)
		assert.Equal(t, "kis: interrupted\n", errs.String(), args)
		assert.Empty(t, out.String(), args)
	}
}
