package main

import (
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/keep-it-simple/kis/internal/testenv/testcache"
	"github.com/keep-it-simple/kis/inventory"
)

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
