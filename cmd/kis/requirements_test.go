package main

import (
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/keep-it-simple/kis/internal/testenv/testcache"
	"github.com/keep-it-simple/kis/inventory"
)

// TestRequirementsThatHostsCannotUse are refused before anything is built, with file and line.
func TestRequirementsThatHostsCannotUse(t *testing.T) {
	t.Parallel()
	p := newProject(t, "install: {requirements: r.txt}\nstages: {live: {hosts: [web1]}}\n")
	p.write("pyproject.toml", "[project]\nname = 'projecta'\n")
	p.write("r.txt", "flask\n-f vendor\n-e .\nx=1\n--index-url https://ann:hunter2@h/x --nothing\n")
	for _, command := range []string{"push", "check"} {
		a, out, errs := p.app()
		assert.Equal(t, 2, execute(t.Context(), a, p.args(command, "live")))
		r := filepath.Join(p.dir, "r.txt")
		assert.Equal(t, "kis: "+
			r+`:2: "-f vendor" names a directory of this machine, which hosts do not have; name it in install.wheels of the inventory`+"\n"+
			r+`:4: "x=1" has "=1" where a version such as ==1.0 is expected`+"\n"+
			r+`:5: "--index-url https://*****@h/x --nothing" has the option --nothing, which pip does not have in requirements files`+"\n", errs.String())
		assert.Empty(t, out.String())
	}
}

// TestVariablesOfIndexesAreNeeded by push and check; other commands do without them. No value is
// shown.
func TestVariablesOfIndexesAreNeeded(t *testing.T) {
	p := newProject(t, "install:\n  index_url: https://ci:${KIS_TEST_TOKEN}@h/x\nstages: {live: {hosts: [web1]}}\n")
	p.write("pyproject.toml", "[project]\nname = 'projecta'\n")
	for _, command := range []string{"push", "check"} {
		a, _, errs := p.app()
		assert.Equal(t, 2, execute(t.Context(), a, p.args(command, "live")))
		assert.Equal(t, "kis: "+filepath.Join(p.dir, "inventory.yaml")+":2:14: install.index_url: needs the environment variable KIS_TEST_TOKEN, which is not set\n", errs.String())
	}
	a, _, _ := p.app()
	assert.Equal(t, 5, execute(t.Context(), a, p.args("status", "live")), "the host does not answer")
	t.Setenv("KIS_TEST_TOKEN", "hunter2/")
	a, out, errs := p.app()
	assert.Equal(t, 2, execute(t.Context(), a, p.args("push", "live")))
	assert.Contains(t, errs.String(), "install.index_url: is no http:// or https:// URL with the values of its variables")
	assert.NotContains(t, errs.String()+out.String(), "hunter2")
}

// TestFilesOfARevisionAreThereUntilTheEnd: wheels of its checkout are read when hosts get them.
func TestFilesOfARevisionAreThereUntilTheEnd(t *testing.T) {
	p := newProject(t, "install: {wheels: vendor}\nstages: {live: {hosts: [web1]}}\n")
	t.Setenv("XDG_CACHE_HOME", testcache.Dir(t))
	require.NoError(t, os.CopyFS(p.dir, os.DirFS("../../internal/demo/sample")))
	p.write("VERSION", "1.0\n")
	require.NoError(t, os.Mkdir(filepath.Join(p.dir, "vendor"), 0o700))
	p.write("vendor/x-1-py3-none-any.whl", "x")
	for _, args := range [][]string{{"init", "-q"}, {"add", "-A"}, {"-c", "user.name=x", "-c", "user.email=x@x", "commit", "-q", "-m", "x"}} {
		out, err := exec.CommandContext(t.Context(), "git", append([]string{"-C", p.dir}, args...)...).CombinedOutput()
		require.NoError(t, err, "%s", out)
	}
	temp := t.TempDir()
	t.Setenv("TMPDIR", temp)
	a, _, _ := p.app()
	a.inventoryPath, a.project = filepath.Join(p.dir, "inventory.yaml"), p.dir
	inv, err := inventory.Load(a.inventoryPath, inventory.Options{})
	require.NoError(t, err)
	s := source{rev: "HEAD"}
	plan, err := s.plan(t.Context(), a, inv, a.ui.View())
	require.NoError(t, err)
	defer plan.Archive.Close() //nolint:errcheck // only read
	wheels := func() []string {
		found, err := filepath.Glob(filepath.Join(temp, "kis-checkout-*", "*", "vendor", "*.whl"))
		require.NoError(t, err)
		return found
	}
	require.Len(t, wheels(), 1)
	s.close()
	require.Empty(t, wheels())
}
