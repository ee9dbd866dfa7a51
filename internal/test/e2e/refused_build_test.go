package e2e

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/keep-it-simple/kis/internal/testenv"
)

// TestLocalBuildFails_K7, and no host has to be there.
func TestLocalBuildFails_K7(t *testing.T) {
	t.Parallel()
	w := testenv.Around(t, nil)
	w.Inventory("stages: {staging: {hosts: [web1]}}\n")
	backend, err := os.ReadFile(filepath.Join(w.Dir, "build_backend", "backend.py"))
	require.NoError(t, err)
	const hook = "def build_sdist(directory, config_settings=None):\n"
	require.Contains(t, string(backend), hook)
	w.Write("build_backend/backend.py", strings.Replace(string(backend), hook, hook+"    raise RuntimeError('libfoo.h is missing')\n", 1))

	r := w.Kis("push", "staging")
	assert.Equal(t, 2, r.Exit)
	assert.Regexp(t, `(?m)^kis: build .*: RuntimeError: libfoo\.h is missing$`, r.Err)
	assert.NotContains(t, r.Screen(), "web1", "no host was contacted")

	r = w.Kis("push", "staging", "-o", "json")
	assert.Equal(t, 2, r.Exit)
	lines := strings.Split(strings.TrimSpace(r.Out), "\n")
	var last struct {
		Type string
		Exit int
		Tail []string
	}
	require.NoError(t, json.Unmarshal([]byte(lines[len(lines)-1]), &last))
	assert.Equal(t, "error", last.Type)
	assert.Equal(t, 2, last.Exit)
	assert.Contains(t, strings.Join(last.Tail, "\n"), "RuntimeError: libfoo.h is missing")
}
