package main

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/keep-it-simple/kis/internal/dynamic"
)

// cloud writes a program that prints an inventory, and says that it ran.
func (p project) cloud(script string) {
	p.t.Helper()
	p.write("cloud", "#!/bin/sh\ntouch ran\n"+script+"\n")
	require.NoError(p.t, os.Chmod(filepath.Join(p.dir, "cloud"), 0o755))
}

func (p project) ran() bool {
	_, err := os.Stat(filepath.Join(p.dir, "ran"))
	return err == nil
}

const printsWeb = `echo '{"web": ["web1"], "_meta": {"hostvars": {"web1": {"ansible_user": "deploy"}}}}'`

// TestNoCommandOfAnInventoryRunsUnlessAllowed: --yes does not allow it, and completion runs
// nothing.
func TestNoCommandOfAnInventoryRunsUnlessAllowed(t *testing.T) {
	p := newProject(t, "dynamic: ./cloud --list\nstages: {live: {hosts: [web]}}\n")
	p.cloud(printsWeb)
	where := filepath.Join(p.dir, "inventory.yaml") + ":1:10: dynamic: "
	for _, more := range [][]string{nil, {"--yes"}} {
		a, out, errs := p.app()
		assert.Equal(t, 2, execute(t.Context(), a, p.args(append(more, "hosts")...)))
		assert.Equal(t, "kis: "+where+"./cloud --list: this command of the inventory has not been allowed to run on this machine\n"+
			"  hint: run kis at a terminal, which asks once; in CI: export KIS_ALLOW_DYNAMIC='./cloud --list'\n", errs.String())
		assert.Empty(t, out.String())
	}
	t.Setenv("KIS_ALLOW_DYNAMIC", "./cloud")
	a, _, errs := p.app()
	assert.Equal(t, 2, execute(t.Context(), a, p.args("hosts")))
	assert.Contains(t, errs.String(), "KIS_ALLOW_DYNAMIC allows another one")

	t.Setenv("KIS_ALLOW_DYNAMIC", "./cloud --list")
	for _, args := range [][]string{{"status", ""}, {"status", "--hosts", ""}} {
		a, _, _ = p.app()
		execute(t.Context(), a, append([]string{"__complete"}, p.args(args...)...))
	}
	assert.False(t, p.ran())

	a, out, _ := p.app()
	assert.Equal(t, 0, execute(t.Context(), a, p.args("hosts")))
	assert.Contains(t, out.String(), "web1")
	assert.True(t, p.ran())

	require.NoError(t, os.Remove(filepath.Join(p.dir, "ran")))
	a, out, _ = p.app()
	execute(t.Context(), a, append([]string{"__complete"}, p.args("status", "--hosts", "")...))
	assert.Regexp(t, `\Aweb1\n@all\n@web\n`, out.String(), "as it has printed the last time")
	assert.False(t, p.ran())
	kept, err := filepath.Glob(filepath.Join(p.dir, "state", "dynamic", "*.json"))
	require.NoError(t, err)
	require.Len(t, kept, 1)
	text, err := os.ReadFile(kept[0])
	require.NoError(t, err)
	assert.JSONEq(t, `{"web": {"hosts": ["web1"]}, "_meta": {"hostvars": {}}}`, string(text), "without variables, which may be secret")
}

func TestAFailedCommandOfAnInventoryIsReported(t *testing.T) {
	p := newProject(t, "dynamic: ./cloud\nstages: {live: {hosts: [web]}}\n")
	t.Setenv("KIS_ALLOW_DYNAMIC", "./cloud")
	where := filepath.Join(p.dir, "inventory.yaml") + ":1:10: dynamic: "
	for script, want := range map[string]string{
		"echo 'no credentials' >&2; exit 1": "./cloud: exit status 1\n    | no credentials\n",
		"echo hello":                        "the output is not the JSON of an Ansible inventory: it does not begin with {\n",
		`echo '{"web": []}'`:                `the output has no _meta; print {"_meta": {"hostvars": {}}} with the variables of the hosts, as ansible-inventory --list does` + "\n",
	} {
		p.cloud(script)
		a, _, errs := p.app()
		assert.Equal(t, 2, execute(t.Context(), a, p.args("hosts")))
		assert.Equal(t, "kis: "+where+want, errs.String())
	}
}

func TestTheUserIsAskedOnceForACommand(t *testing.T) {
	t.Parallel()
	allowed := dynamic.Allowed(filepath.Join(t.TempDir(), "dynamic"))
	c, err := dynamic.Parse("/srv/shop", "./cloud --list")
	require.NoError(t, err)
	asked := []string{}
	answering := func(answer string, err error) func(context.Context, string, bool) (string, error) {
		return func(_ context.Context, question string, _ bool) (string, error) {
			asked = append(asked, question)
			return answer, err
		}
	}
	for _, answer := range []string{"", "n", "ye"} {
		require.EqualError(t, allow(t.Context(), c, allowed, "", answering(answer, nil)), "the command of the inventory was not allowed to run")
	}
	gone := errors.New("no answer")
	require.ErrorIs(t, allow(t.Context(), c, allowed, "", answering("y", gone)), gone)
	require.NoError(t, allow(t.Context(), c, allowed, "", answering("y", nil)))
	require.NoError(t, allow(t.Context(), c, allowed, "", nil), "it is remembered")
	assert.Len(t, asked, 5)
	assert.Contains(t, asked[0], "./cloud --list (in /srv/shop)? [y/N]")
}
