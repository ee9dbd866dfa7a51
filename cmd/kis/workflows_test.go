package main

import (
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// TestActionsArePinned: workflows name an action by its commit, with the version it belongs to as a
// comment, and the same commit everywhere. A tag can be moved by whoever takes over its repository.
func TestActionsArePinned(t *testing.T) {
	t.Parallel()
	workflows, err := filepath.Glob("../../.github/workflows/*.yml")
	require.NoError(t, err)
	require.NotEmpty(t, workflows)
	pinned := regexp.MustCompile(`^([\w./-]+)@([0-9a-f]{40} # v\d+\.\d+\.\d+)$`)
	versions := map[string]string{}
	for _, path := range workflows {
		text, err := os.ReadFile(path)
		require.NoError(t, err)
		for line := range strings.Lines(string(text)) {
			_, action, found := strings.Cut(strings.TrimSpace(line), "uses:")
			if action = strings.TrimSpace(action); !found || strings.HasPrefix(action, "./") {
				continue
			}
			match := pinned.FindStringSubmatch(action)
			if !assert.NotNil(t, match, "%s: %s: write NAME@COMMIT # vX.Y.Z", path, action) {
				continue
			}
			if other, seen := versions[match[1]]; seen {
				assert.Equal(t, other, match[2], "%s: %s", path, match[1])
			}
			versions[match[1]] = match[2]
		}
	}
	assert.NotEmpty(t, versions)
}
