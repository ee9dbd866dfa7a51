package deploy_test

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/keep-it-simple/kis/internal/deploy"
	"github.com/keep-it-simple/kis/inventory"
)

// TestPipInstallsTheApplicationOnEveryHost: for an editable application that this machine has made no wheel of, each
// host has the files that pip reads, and not only the one that makes the wheels.
func TestPipInstallsTheApplicationOnEveryHost(t *testing.T) {
	t.Parallel()
	w := newWorld(t, embedded, 2)
	dir := t.TempDir()
	require.NoError(t, os.Mkdir(filepath.Join(dir, "wheels"), 0o755))
	require.NoError(t, os.WriteFile(filepath.Join(dir, "wheels", "dep-1.0-py3-none-any.whl"), wheelOf(t, "dep", map[string]string{"dep.py": ""}), 0o600))
	require.NoError(t, os.WriteFile(filepath.Join(dir, "requirements.txt"), []byte("dep\n"), 0o600))
	plan := push(t, "1.0")
	install := inventory.Install{Mode: inventory.ModeEditable, Requirements: "requirements.txt", Wheels: "wheels"}
	recipe, err := deploy.NewRecipe(t.Context(), install, inventory.Shared{}, nil, deploy.Sources{Dir: dir})
	require.NoError(t, err)
	plan.Recipe = recipe
	require.Empty(t, w.run(t.Context(), t, plan, nil).Failures)
	for _, h := range w.hosts {
		found, err := filepath.Glob(filepath.Join(h.Root, "hello-1.0", ".venv", "lib", "python3*", "site-packages", "hello-1.0.dist-info", "direct_url.json"))
		require.NoError(t, err)
		require.Len(t, found, 1)
		text, err := os.ReadFile(found[0])
		require.NoError(t, err)
		assert.Contains(t, string(text), `"editable": true`)
	}
}
