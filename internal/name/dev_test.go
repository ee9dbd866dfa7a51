package name

import (
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestADevelopmentPackageHasALocalVersion(t *testing.T) {
	t.Parallel()
	const commit, digest = "1a2b3c4d5e6f", "d5e6f7a8b9c0d1e2"
	for _, c := range []struct{ from, commit, want string }{
		{"blog-0.4", commit, "blog-0.4+g1a2b3c4.dd5e6f7a8"},
		{"blog-0.4", "", "blog-0.4+dd5e6f7a8"},
		{"blog-0.4+acme.1", commit, "blog-0.4+acme.1.g1a2b3c4.dd5e6f7a8"},
	} {
		p, err := ParsePackage(c.from)
		require.NoError(t, err)
		assert.False(t, p.IsDev(), c.from)
		dev, err := p.Dev(c.commit, digest)
		require.NoError(t, err)
		assert.Equal(t, c.want, dev.String())
		assert.True(t, dev.IsDev(), c.want)
		assert.Equal(t, p.Project(), dev.Project())
		assert.Equal(t, p.Version(), dev.ProjectVersion())
		assert.Equal(t, p.Version(), p.ProjectVersion())
	}
}
