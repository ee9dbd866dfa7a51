package ui

import (
	"os"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// TestLinesInAPipeAreWhole: programs read them, and a broken line is not found by grep.
func TestLinesInAPipeAreWhole(t *testing.T) {
	t.Parallel()
	in, out, err := os.Pipe()
	require.NoError(t, err)
	defer in.Close()  //nolint:errcheck // only a test
	defer out.Close() //nolint:errcheck // only a test
	assert.Nil(t, NewStreams(in, out, out).Columns)
	assert.Equal(t, []string{"a  b"}, wrapped([][]string{{"a", "b", ""}}, 0), "and end with text")
}
