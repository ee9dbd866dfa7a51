package ansible

import (
	"os"
	"path/filepath"
	"slices"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// inventories are those in testdata. Beside each, NAME.json is what ansible-inventory printed of
// it; the tests with the tag compat compare that with an Ansible that is installed now.
func inventories() map[string]string {
	return map[string]string{
		"ini": "testdata/ini/hosts.ini", "precedence": "testdata/precedence/hosts",
		"quirks": "testdata/quirks/hosts.ini", "yaml": "testdata/yaml/hosts.yml", "directory": "testdata/directory/inventory",
	}
}

// TestSameAsAnsible compares groups and connections with what Ansible itself says.
func TestSameAsAnsible(t *testing.T) {
	t.Parallel()
	for name, path := range inventories() {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			recorded, err := os.ReadFile(filepath.Join("testdata", name+".json"))
			require.NoError(t, err)
			compare(t, path, recorded)
		})
	}
}

func compare(t *testing.T, path string, printed []byte) {
	t.Helper()
	own, err := Read(path, false)
	require.NoError(t, err)
	theirs, err := ReadJSON(printed)
	require.NoError(t, err)
	require.ElementsMatch(t, theirs.Hosts(), own.Hosts())
	assert.ElementsMatch(t, theirs.Groups(), own.Groups())
	for _, group := range theirs.Groups() {
		assert.ElementsMatch(t, theirs.Members(group), own.Members(group), group)
	}
	for _, host := range theirs.Hosts() {
		want, got := theirs.Connection(host), own.Connection(host)
		assert.Equal(t, settingsOf(want), settingsOf(got), host)
		want.Problems, got.Problems = nil, nil
		assert.Equal(t, want, got, host)
	}
}

func settingsOf(c Connection) []Setting {
	var all []Setting
	for _, p := range c.Problems {
		all = append(all, p.Setting)
	}
	slices.Sort(all)
	return all
}
