package inventory

import (
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestExtrasAreNormalized(t *testing.T) {
	t.Parallel()
	inv := accepted(t, "install: {extras: [Postgres, s3_cache, a.-b]}\n"+ok)
	assert.Equal(t, []string{"postgres", "s3-cache", "a-b"}, inv.Install().Extras)
}

func TestRefusedExtrasAndIndexes(t *testing.T) {
	t.Parallel()
	runRefusals(t, []refusal{
		{"extra with a comma", "install: {extras: ['a,b']}\n" + ok, []string{`1:20 install.extras: "a,b" is not the name of an extra; use A-Z a-z 0-9 . _ -`}},
		{"extra twice", "install: {extras: [a_b, A-b]}\n" + ok, []string{`1:25 install.extras: "a-b" is already in the list`}},
		{"extras as text", "install: {extras: a}\n" + ok, []string{`1:19 install.extras: want a list of the application's extras, got text`}},
		{"no extras", "install: {extras: []}\n" + ok, []string{`1:19 install.extras: the list is empty; give it an item or remove it`}},
		{"extra index", "install: {extra_index_urls: ['/srv/x']}\n" + ok, []string{`1:30 install.extra_index_urls: not an http:// or https:// URL with a host`}},
		{"variable in small letters", "install: {index_url: 'https://${token}@h/x'}\n" + ok, []string{"1:22 install.index_url: has a ${ that begins no variable; a variable is ${NAME}, of A-Z 0-9 _"}},
		{"variable for a scheme", "install: {index_url: '${INDEX}'}\n" + ok, []string{"1:22 install.index_url: not an http:// or https:// URL with a host"}},
	})
}

func TestInstaller(t *testing.T) {
	t.Parallel()
	assert.Equal(t, InstallerUV, accepted(t, "install: {installer: uv}\n"+ok).Install().Installer)
	assert.Equal(t, InstallerAuto, accepted(t, "install: {installer: auto}\n"+ok).Install().Installer)
	runRefusals(t, []refusal{{"pip", "install: {installer: pip}\n" + ok, []string{`1:22 install.installer: unknown value "pip"; known: auto, uv`}}})
}

func TestVariablesOfIndexes(t *testing.T) {
	t.Parallel()
	const secret = "hunter2"
	inv := accepted(t, "install:\n  index_url: https://ci:${TOKEN}@${HOST_1}:${PORT}/simple\n  extra_index_urls:\n    - https://b/${TOKEN}/x\n    - https://c/\n"+ok)
	getenv := func(name string) string {
		return map[string]string{"TOKEN": secret, "HOST_1": "pypi.example", "PORT": "8443"}[name]
	}
	install, err := inv.Expand(getenv)
	require.NoError(t, err)
	assert.Equal(t, "https://ci:hunter2@pypi.example:8443/simple", install.IndexURL)
	assert.Equal(t, []string{"https://b/hunter2/x", "https://c/"}, install.ExtraIndexURLs)
	assert.Equal(t, []string{"https://${HOST_1}:${PORT}/simple", "https://b/${TOKEN}/x", "https://c/"}, install.IndexIdentity())
	assert.Equal(t, install.IndexIdentity(), inv.Install().IndexIdentity())
	assert.Equal(t, "https://ci:${TOKEN}@${HOST_1}:${PORT}/simple", inv.Install().IndexURL, "the inventory has changed")
	assert.NotContains(t, sprint("%v %+v %#v", install, install, install), "ci:"+secret)
}

func TestMissingVariablesOfIndexes(t *testing.T) {
	t.Parallel()
	inv := accepted(t, "install:\n  index_url: https://ci:${TOKEN}@h/x\n  extra_index_urls:\n    - https://b/\n    - https://${USER_2}@c/\n"+ok)
	_, err := inv.Expand(func(string) string { return "" })
	require.EqualError(t, err, "dir/inventory.yaml:2:14: install.index_url: needs the environment variable TOKEN, which is not set\n"+
		"dir/inventory.yaml:5:7: install.extra_index_urls: needs the environment variable USER_2, which is not set")
	for _, value := range []string{"hunter2/x", "hunter2#", "hunter2?", "hunter 2", "hunter2\n"} {
		_, err = inv.Expand(func(string) string { return value })
		require.ErrorContains(t, err, "dir/inventory.yaml:2:14: install.index_url: is no http:// or https:// URL with the values of its variables", value)
		assert.NotContains(t, err.Error(), "hunter")
	}
}

func TestIndexesWithoutVariables(t *testing.T) {
	t.Parallel()
	for _, src := range []string{ok, "install: {index_url: 'https://u:p@h/x'}\n" + ok, "install: {extra_index_urls: ['https://u:p@h/x']}\n" + ok} {
		inv := accepted(t, src)
		install, err := inv.Expand(func(string) string { return "" })
		require.NoError(t, err)
		assert.Equal(t, inv.Install().IndexURL, install.IndexURL)
		assert.Equal(t, inv.Install().ExtraIndexURLs, install.ExtraIndexURLs)
		assert.Equal(t, inv.Install().IndexIdentity(), install.IndexIdentity())
	}
}
