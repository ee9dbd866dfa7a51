package transfer

import (
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

func TestAThinLineGetsFewBlocksAtATimeAndAThickOneMany(t *testing.T) {
	t.Parallel()
	s := &sender{allowed: first}
	s.landed = sync.NewCond(&s.flying)
	lands := func(blocks int, took time.Duration) int {
		for range blocks {
			s.depart()
			s.land(took)
		}
		return s.allowed
	}
	require.Equal(t, parallel, lands(100, 50*time.Millisecond))
	require.Equal(t, parallel, lands(100, 3*time.Second), "what is neither quick nor slow is left as it is")
	require.Equal(t, 1, lands(10, 20*time.Second))
	require.Equal(t, 11, lands(10, time.Second))
}
