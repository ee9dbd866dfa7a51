package main

import (
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/assert"
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
