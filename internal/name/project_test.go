package name_test

import (
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/keep-it-simple/kis/internal/name"
)

func TestAProjectIsTheSameInAnySpelling(t *testing.T) {
	t.Parallel()
	p, err := name.ParsePackage("my_shop-0.4-1")
	require.NoError(t, err)
	for _, text := range []string{"My.Shop", "my--shop", "my_shop", "MY-_.shop"} {
		project, err := name.ParseProject(text)
		require.NoError(t, err)
		assert.Equal(t, p.Project(), project, text)
	}
	other, err := name.ParseProject("my")
	require.NoError(t, err)
	assert.NotEqual(t, p.Project(), other)
	for _, text := range []string{"", "-shop", "shop-", "my shop", "../shop", "ſhop"} {
		_, err := name.ParseProject(text)
		require.Error(t, err, text)
	}
}

func TestCanonicalNamesDoNotDependOnTheirSpelling(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]string{"My.Shop": "my-shop", "my__shop-": "my-shop-", "flask": "flask", "": "", "A-_.B": "a-b"} {
		assert.Equal(t, want, name.Canonical(text))
	}
}
