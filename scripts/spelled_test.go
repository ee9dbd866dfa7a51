package scripts_test

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// spell answers how the environment of its first argument spells the distribution of its second one,
// and whether this Python finds that.
const spell = `
import importlib.metadata, sys
sys.dont_write_bytecode = True
sys.path.insert(0, ".")
from kisagent import seal
name = seal.spelled(sys.argv[1], sys.argv[2])
path = seal.site_directories(sys.argv[1])
print(name, len(list(importlib.metadata.distributions(name=name, path=path))))
`

// TestDistributionsAreFoundUnderTheirSpelling: a wheel's directory may be called my_app or my.app for
// the project My.App, and Python 3.8 and 3.9 find one only by that name, in any case.
func TestDistributionsAreFoundUnderTheirSpelling(t *testing.T) {
	t.Parallel()
	for _, directory := range []string{"my_app-1.0.dist-info", "my.app-1.0.dist-info", "My.App-1.0.dist-info", "My_App-1.0-py3.11.egg-info", "my_app.egg-info"} {
		environment := t.TempDir()
		site := filepath.Join(environment, "lib", "python3.9", "site-packages")
		require.NoError(t, os.MkdirAll(site, 0o700))
		for name, text := range map[string]string{"my-1.dist-info": "Name: my\n", directory: "Name: My.App\n", "my_app_more-1.dist-info": "Name: my-app-more\n", "x.py": ""} {
			place := filepath.Join(site, name)
			if name != "x.py" {
				require.NoError(t, os.MkdirAll(place, 0o700))
				place = filepath.Join(place, "METADATA")
				if strings.HasSuffix(name, ".egg-info") {
					place = filepath.Join(site, name, "PKG-INFO")
				}
			}
			require.NoError(t, os.WriteFile(place, []byte(text), 0o600))
		}
		for _, name := range []string{"My.App", "my-app", "my_app", "MY--APP"} {
			said, err := exec.CommandContext(t.Context(), "/usr/bin/python3", "-c", spell, environment, name).CombinedOutput()
			require.NoError(t, err, "%s", said)
			words := strings.Fields(string(said))
			require.Len(t, words, 2, "%s", said)
			assert.Equal(t, "1", words[1], "%s: %s", directory, said)
			// Prepared and search_prepared in importlib/metadata.py of Python 3.8 and 3.9
			prefix := strings.ReplaceAll(strings.ToLower(words[0]), "-", "_")
			low := strings.ToLower(directory)
			assert.True(t, strings.HasPrefix(low, prefix+"-") || low == prefix+".egg-info", "%s is not found as %s", directory, words[0])
		}
	}
	said, err := exec.CommandContext(t.Context(), "/usr/bin/python3", "-c", spell, t.TempDir(), "My.App").CombinedOutput()
	require.NoError(t, err, "%s", said)
	assert.Equal(t, "My.App 0\n", string(said))
}
