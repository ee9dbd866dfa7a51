//go:build bench

package bench

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/keep-it-simple/kis/internal/testenv"
	"github.com/keep-it-simple/kis/internal/testenv/hosttest"
)

// site is fresh hosts, and a project on this machine.
type site struct {
	*testenv.Env
	t *testing.T
}

// newSite starts n hosts, which nothing was ever pushed to. more is appended to the inventory.
func newSite(t *testing.T, n int, files map[string]string, more string) site {
	t.Helper()
	w := testenv.New(t, n, hosttest.Options{Env: testenv.Environment(), Bare: true})
	require.NoError(t, os.RemoveAll(w.Dir))
	require.NoError(t, os.Mkdir(w.Dir, 0o755))
	s := site{w, t}
	s.write(files)
	w.Inventory(testenv.InventoryText(w.Hosts, more))
	return s
}

// write writes files of the project.
func (s site) write(files map[string]string) {
	s.t.Helper()
	for name, text := range files {
		s.Write(name, text)
	}
}

// end kills the hosts and removes their files, so that the rounds of a test do not fill the disk.
func (s site) end() {
	s.t.Helper()
	for _, h := range s.Hosts {
		h.Kill()
		require.NoError(s.t, os.RemoveAll(h.Repo))
		require.NoError(s.t, os.RemoveAll(h.Home))
	}
}

// regular is the part of the inventory that every job here has.
const regular = "install: {mode: regular}\n"

// application is a project without requirements, as an old setup.py writes it.
func application(version string) map[string]string {
	return map[string]string{
		"setup.py": "from setuptools import setup\n" +
			"setup(name='projecta', version='" + version + "', packages=['projecta'],\n" +
			"      entry_points={'console_scripts': ['projecta = projecta:main']})\n",
		"projecta/__init__.py":  "def main():\n    print('projecta')\n",
		"projecta/__main__.py":  "from projecta import main\nmain()\n",
		"projecta/templates.py": strings.Repeat("x = 1\n", 2000),
	}
}

// requirements reports whether the project has a requirements.txt.
func (s site) requirements() bool {
	_, err := os.Stat(filepath.Join(s.Dir, "requirements.txt"))
	return err == nil
}

// sizes leaves out the numbers of hosts above -most.
func sizes(all ...int) []int {
	var kept []int
	for _, n := range all {
		if n <= *most {
			kept = append(kept, n)
		}
	}
	return kept
}
