package tail_test

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/keep-it-simple/kis/internal/tail"
)

// FuzzLines: however output is cut into writes, the same lines are kept of it, few and short.
func FuzzLines(f *testing.F) {
	f.Add([]byte("a\nb\r\n\n c "), uint8(1))
	f.Add([]byte(strings.Repeat("x", 1000)+"\n\xff\x00"), uint8(7))
	f.Add([]byte(strings.Repeat("line\n", 50)), uint8(3))
	f.Fuzz(func(t *testing.T, output []byte, size uint8) {
		var at, once tail.Lines
		_, err := once.Write(output)
		require.NoError(t, err)
		for rest := output; len(rest) > 0; {
			n := min(len(rest), 1+int(size))
			written, err := at.Write(rest[:n])
			require.NoError(t, err)
			require.Equal(t, n, written)
			rest = rest[n:]
		}
		lines := at.Lines()
		require.Equal(t, once.Lines(), lines)
		require.LessOrEqual(t, len(lines), tail.MaxLines)
		for _, line := range lines {
			require.LessOrEqual(t, len(line), tail.MaxWidth)
			require.NotEmpty(t, line)
			require.NotContains(t, line, "\n")
		}
	})
}
