package remote_test

import (
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/keep-it-simple/kis/internal/timeouts"
	"github.com/keep-it-simple/kis/remote"
)

// TestSiteSettingsDoNotDecideWhereThingsGo: those of pip's configuration and of the login's variables that say where packages
// come from count, and no others. pip starts another one for build requirements, which reads them as well.
func TestSiteSettingsDoNotDecideWhereThingsGo(t *testing.T) {
	t.Parallel()
	address := index(t, "", "")
	project, err := os.ReadFile("../scripts/testdata/tiny/pyproject.toml")
	require.NoError(t, err)
	a := changed(t, map[string]string{"pyproject.toml": strings.Replace(string(project), "requires = []", `requires = ["dep"]`, 1)})
	const where = "target = ELSEWHERE\nprefix = ELSEWHERE\nroot = ELSEWHERE\nuser = true\nsrc = ELSEWHERE\nlog = ELSEWHERE/log\n"
	const what = "no-deps = true\ndry-run = true\nrequire-virtualenv = true\n"
	source := "index-url = http://" + address + "/simple\n"
	for name, test := range map[string]struct{ config, variables string }{
		"of the file": {"[global]\n" + where + what + "[install]\n" + source + where + what, ""},
		"of the variables": {"[global]\n" + source, "PIP_TARGET=ELSEWHERE PIP_PREFIX=ELSEWHERE PIP_ROOT=ELSEWHERE PIP_USER=1 PIP_LOG=ELSEWHERE/log PIP_PYTHON=ELSEWHERE " +
			"PYTHONUSERBASE=ELSEWHERE PYTHONPATH=ELSEWHERE PYTHONHOME=ELSEWHERE VIRTUAL_ENV=ELSEWHERE"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			elsewhere, config := filepath.Join(t.TempDir(), "elsewhere"), filepath.Join(t.TempDir(), "pip.conf")
			require.NoError(t, os.WriteFile(config, []byte(strings.ReplaceAll(test.config, "ELSEWHERE", elsewhere)), 0o600))
			start := command()
			start.Env = append(os.Environ(), "PIP_CONFIG_FILE="+config, "PIP_FIND_LINKS=")
			start.Env = append(start.Env, strings.Fields(strings.ReplaceAll(test.variables, "ELSEWHERE", elsewhere))...)
			root := pushed(t)
			l, err := launchOver(t, start, root, func(out io.Reader) io.Reader { return out }, timeouts.Default())
			require.NoError(t, err)
			require.NoError(t, l.Open(t.Context(), root))
			l.root = root
			l.lock(t, "staging")
			l.unpack(t, a)
			var said []string
			installed, err := l.environment(t.Context(), t, a, remote.Recipe{Mode: remote.Editable}, func(line string) { said = append(said, line) })
			require.NoError(t, err, "%v", said)
			assert.Equal(t, []string{"dep==1.0", "tiny==1.0"}, installed)
			assert.FileExists(t, filepath.Join(root, "tiny-1.0/.venv/bin/tiny"))
			assert.NoDirExists(t, elsewhere)
		})
	}
}
