package transfer

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

func TestWindowFollowsAIMD(t *testing.T) {
	t.Parallel()
	s := newSender()
	window := func(blocks int, took time.Duration) int {
		for range blocks {
			s.acquire()
			s.release(took)
		}
		return s.window
	}
	require.Equal(t, maxWindow, window(100, 50*time.Millisecond))
	require.Equal(t, maxWindow, window(100, 3*time.Second), "neither fast nor slow")
	require.Equal(t, 1, window(10, 20*time.Second))
	require.Equal(t, 11, window(10, time.Second))
}
