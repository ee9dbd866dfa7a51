package e2e

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/keep-it-simple/kis/internal/testenv"
	"github.com/keep-it-simple/kis/internal/testenv/hosttest"
)

// TestApplicationsThatWouldNotRun_V1_B14 are refused by the first push, whatever their build backend calls their module.
func TestApplicationsThatWouldNotRun_V1_B14(t *testing.T) {
	t.Parallel()
	w := testenv.New(t, 1, hosttest.Options{Bare: true})
	backend, err := os.ReadFile(filepath.Join(w.Dir, "build_backend/backend.py"))
	require.NoError(t, err)
	const listed = `members[own + "top_level.txt"] = "hello\n"`
	require.Contains(t, string(backend), listed)
	scripts := strings.Replace(string(backend), listed, `members[own + "entry_points.txt"] = "[console_scripts]\nprojecta = hello:nope\n"`, 1)
	unlisted := strings.NewReplacer(listed, "pass", `"hello/`, `"service/`).Replace(string(backend))
	for _, test := range []struct {
		name  string
		files map[string]string
		exit  int
		says  []string
	}{
		{"V1: a module with another name than the project", map[string]string{"build_backend/backend.py": unlisted, "service/__init__.py": "import no_such_module\n", "service/__main__.py": ""}, 3, []string{"the application does not import: module service", "No module named 'no_such_module'"}},
		{"V1: a script without its function", map[string]string{"build_backend/backend.py": scripts}, 3, []string{"the application does not import: script projecta = hello:nope"}},
		{"B14: an application that writes beside itself", map[string]string{"hello/__init__.py": "open(__file__ + '.cache', 'w')\n"}, 3, []string{"module hello writes hello/__init__.py.cache in the package when it is imported", "ROOT/shared"}},
		{"nothing to import", map[string]string{"build_backend/backend.py": strings.ReplaceAll(string(backend), `if path.startswith("hello/")`, "if not path")}, 0, []string{"verification of hello-0.3 imported nothing: its distribution contains no packages or modules"}},
	} {
		t.Run(test.name, func(t *testing.T) {
			in := w.In(t)
			in.Dir = t.TempDir()
			require.NoError(t, os.CopyFS(in.Dir, os.DirFS(w.Dir)))
			for name, text := range test.files {
				in.Write(name, text)
			}
			in.Inventory(testenv.InventoryText(w.Hosts, "install: {mode: "+map[bool]string{true: "regular", false: "editable"}[test.exit == 0]+"}\n"))
			to := ""
			if test.exit == 0 {
				to = "hello-0.3"
			}
			r := in.Run(test.exit, to, "push", "staging", "--sdist", in.Archive())
			for _, part := range test.says {
				assert.Contains(t, r.Screen(), part)
			}
		})
	}
}
