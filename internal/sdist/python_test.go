package sdist_test

import (
	"encoding/json"
	"os/exec"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/keep-it-simple/kis/internal/sdist"
)

// asPip has pip's own code decide; null where it cannot read the specifier.
const asPip = `
import glob, json, sys
sys.path[:0] = glob.glob("/usr/share/python-wheels/pip-*.whl") + glob.glob(sys.base_prefix + "/lib/python3*/ensurepip/_bundled/pip-*.whl")
from pip._vendor.packaging.specifiers import InvalidSpecifier, SpecifierSet
def decide(text, version):
    try:
        return SpecifierSet(text).contains(version, prereleases=True)
    except InvalidSpecifier:
        return None
specifiers, versions = json.load(sys.stdin)
json.dump([[decide(s, v) for v in versions] for s in specifiers], sys.stdout)
`

func TestWhetherAPythonWillDoIsDecidedAsByPip(t *testing.T) {
	t.Parallel()
	versions := []string{"3.0.0", "3.7.17", "3.8.0", "3.8.1", "3.8.10", "3.9.0", "3.10.0", "3.10.12", "3.11.2", "3.13.0", "4.0.0"}
	specifiers := []string{"", ",", " , >=3.8,", ">=3.8, <4", ">=3.8,!=3.9.*,!=3.10.0", "~=3.8", "~= 3.8.1", ">3.8", "<3.10", "<=3.8", "==3.8", "==3.8.*", "==3.*", "!=3.8.0,>=3.7"}
	for _, operator := range []string{">=", "<=", ">", "<", "==", "!=", "~="} {
		for _, number := range []string{"3", "3.0", "3.8", "3.8.0", "3.8.1", "3.10", "3.10.12", "3.08", "4", "3.8.0.0", "3.8.*", "3.*", "3.8.10.*", "3.8.0.0.*", "3.8.1.0.0.*"} {
			prefix, equality := strings.HasSuffix(number, ".*"), operator == "==" || operator == "!="
			if prefix && !equality || operator == "~=" && !strings.Contains(number, ".") {
				continue // old pips read them in their own way, and new ones do not
			}
			specifiers = append(specifiers, operator+number)
		}
	}
	// What is left to pip.
	odd := []string{">=3.99rc1", "===3.8", "=3.8", "3.8", ">=3.99 || <2", ">=99999999999999999999", ">=3.99.dev0", ">=0!3.99", ">=v3.99", ">= 3.99 , nonsense", "~=4", ">=3.99.*", "~=3.99.*"}
	input, err := json.Marshal([][]string{specifiers, versions})
	require.NoError(t, err)
	command := exec.CommandContext(t.Context(), "/usr/bin/python3", "-c", asPip)
	stdin, err := command.StdinPipe()
	require.NoError(t, err)
	go func() { _, _ = stdin.Write(input); _ = stdin.Close() }()
	out, err := command.Output()
	require.NoError(t, err)
	var pip [][]*bool
	require.NoError(t, json.Unmarshal(out, &pip))
	decided := 0
	for i, text := range specifiers {
		for j, version := range versions {
			got := (&sdist.Archive{RequiresPython: text}).TakesPython(version)
			if pip[i][j] == nil {
				assert.True(t, got, "%q and %s: pip cannot read it", text, version)
				continue
			}
			decided++
			assert.Equal(t, *pip[i][j], got, "%q and %s", text, version)
		}
	}
	assert.Greater(t, decided, 800)
	for _, text := range odd {
		assert.True(t, (&sdist.Archive{RequiresPython: text}).TakesPython("3.8.1"), text)
	}
	assert.True(t, (&sdist.Archive{RequiresPython: ">=3.99"}).TakesPython("3.14.0rc1"), "pip decides about pre-releases")
}
