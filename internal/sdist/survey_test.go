//go:build survey

package sdist

import (
	"flag"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// surveyed is a directory of source distributions, as `pip download --no-binary :all: --no-deps`
// fills it.
var surveyed = flag.String("archives", "", "directory of .tar.gz to open, absolute")

// TestSurvey opens every archive of a directory and unpacks it with the tars of hosts. It fails for
// each one that is refused: either the refusal is listed in docs/compatibility.md, or it is wrong.
func TestSurvey(t *testing.T) {
	paths, err := filepath.Glob(filepath.Join(*surveyed, "*.tar.gz"))
	require.NoError(t, err)
	require.NotEmpty(t, paths, "go test -tags survey ./internal/sdist -run Survey -args -archives DIRECTORY")
	for _, path := range paths {
		t.Run(filepath.Base(path), func(t *testing.T) {
			a, err := Open(path)
			require.NoError(t, err)
			defer func() { assert.NoError(t, a.Close()) }()
			c := newComparison(t)
			// Long names have pax headers in most of them.
			c.unpack(t, 0, path, a, filepath.Base(path), false)
			c.compare(t)
		})
	}
}
