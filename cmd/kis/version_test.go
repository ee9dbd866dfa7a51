package main

import (
	"testing"

	"github.com/stretchr/testify/assert"
)

func TestVersionIsTheTag(t *testing.T) {
	t.Parallel()
	const placeholder = "$Format:%(describe:tags)$\n"
	for _, c := range []struct{ recorded, archived, want string }{
		{"v0.1.0", placeholder, "v0.1.0"},
		{"v0.1.1-0.20261129233000-0123456789ab+dirty", placeholder, "v0.1.1-0.20261129233000-0123456789ab+dirty"},
		{"v0.1.0", "v0.0.9\n", "v0.1.0"}, // go install of a module whose archive git made
		{"(devel)", "v0.1.0-3-g0123456\n", "v0.1.0-3-g0123456"},
		{"(devel)", placeholder, "(devel)"},
		{"(devel)", "\n", "(devel)"}, // an archive of a repository without tags
		{"", "", "(devel)"},
	} {
		assert.Equal(t, c.want, versionOf(c.recorded, c.archived), "%q %q", c.recorded, c.archived)
	}
	assert.NotEmpty(t, version())
}
