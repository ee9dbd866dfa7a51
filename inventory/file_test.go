package inventory

import (
	"fmt"
	"os"
	"regexp"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// exampleFile explains every key to users.
const exampleFile = "../inventory.example.yaml"

// disabled matches a setting after a bare #; comments have a space there.
var disabled = regexp.MustCompile(`(?m)^( *)#(\S)`)

// completed returns the example with all disabled settings enabled.
func completed(t *testing.T) *Inventory {
	t.Helper()
	src, err := os.ReadFile(exampleFile)
	require.NoError(t, err)
	inv, err := Parse(exampleFile, disabled.ReplaceAll(src, []byte("$1$2")), nil)
	require.NoError(t, err)
	return inv
}

func TestExampleFileIsAccepted(t *testing.T) {
	t.Parallel()
	inv, err := Load(exampleFile, Options{})
	require.NoError(t, err)
	assert.Equal(t, []string{"staging", "production"}, inv.StageNames())
	hosts, err := inv.Select("production", "")
	require.NoError(t, err)
	assert.Equal(t, []string{"web1", "web2", "db1"}, names(hosts))
	hosts, err = inv.Select("production", "web*,!web2")
	require.NoError(t, err)
	assert.Equal(t, []string{"web1"}, names(hosts), "the pattern that the file shows")
}

// Every default in a comment of the file must be the value of a file without the key.
func TestExampleFileShowsTheDefaults(t *testing.T) {
	t.Parallel()
	minimal, full := accepted(t, "stages: {s: {hosts: [h]}}"), completed(t)
	h := hostNamed(t, minimal, "h")
	s, err := minimal.Stage("s")
	require.NoError(t, err)
	shown, err := full.Stage("production")
	require.NoError(t, err)

	src, err := os.ReadFile(exampleFile)
	require.NoError(t, err)
	for key, value := range map[string]string{
		"root": h.Root, "python": h.Python.String(), "build": string(minimal.Build()),
		"mode":    string(minimal.Install().Mode),
		"confirm": fmt.Sprint(s.Confirm), "on_partial": string(s.OnPartial),
	} {
		comment := regexp.MustCompile(`((?:\n *# [^\n]*)+)\n *#?` + key + `: `).FindSubmatch(src)
		require.NotNil(t, comment, "a comment above %s", key)
		text := regexp.MustCompile(`\n *# `).ReplaceAllString(string(comment[1]), " ")
		assert.Regexp(t, `Default: `+regexp.QuoteMeta(value)+`\b`, text)
	}
	assert.Equal(t, minimal.Build(), full.Build())
	assert.Equal(t, minimal.Install().Mode, full.Install().Mode)
	assert.Equal(t, s.OnPartial, shown.OnPartial)
	assert.Equal(t, h.Root, hostNamed(t, full, "db1").Root)
	assert.Equal(t, h.Python, hostNamed(t, full, "db1").Python)
}

// Every key of the schema is in the file.
func TestExampleFileHasEveryKey(t *testing.T) {
	t.Parallel()
	src, err := os.ReadFile(exampleFile)
	require.NoError(t, err)
	for _, k := range schema() {
		assert.Regexp(t, `(?m)[ #{,]`+k.name+`: |^ *#?`+k.name+`:`, string(src), k.name)
	}
}

// All keys of the file must work together.
func TestExampleFileWorksWithAllKeys(t *testing.T) {
	t.Parallel()
	inv := completed(t)
	s, err := inv.Stage("production")
	require.NoError(t, err)
	assert.Equal(t, []Command{{Run: "python -m pytest -q -p no:cacheprovider", Timeout: 10 * time.Minute}}, inv.Verify())
	assert.Equal(t, []Command{{Run: "python manage.py check --deploy"}}, s.Verify)
	assert.Equal(t, "https://ci:${PYPI_TOKEN}@pypi.example.com/simple", inv.Install().IndexURL)
	assert.Equal(t, "www", hostNamed(t, inv, "web1").Become.String())
}
