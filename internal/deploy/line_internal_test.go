package deploy

import (
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
)

// TestLine: small files do not tell how fast a line is.
func TestLine(t *testing.T) {
	t.Parallel()
	var l line
	l.measure(tells-1, time.Hour)
	assert.False(t, l.isKnown())
	l.measure(1<<20, 100*time.Millisecond)
	l.measure(3<<20, 100*time.Millisecond)
	assert.True(t, l.isKnown())
	assert.Equal(t, time.Second, l.lasts(20<<20))
}

// TestLargestProbe is large enough to tell something, and small enough for a slow line.
func TestLargestProbe(t *testing.T) {
	t.Parallel()
	small, middle, large := upload{sha256: "s", size: tells - 1}, upload{sha256: "m", size: 1 << 20}, upload{sha256: "l", size: probeSize + 1}
	for _, c := range []struct {
		missing []upload
		want    string
	}{
		{nil, ""},
		{[]upload{small, large}, ""},
		{[]upload{{sha256: "t", size: tells}, middle, small, large}, "m"},
	} {
		probe, some := largestProbe(c.missing)
		assert.Equal(t, c.want, probe.sha256)
		assert.Equal(t, c.want != "", some)
	}
}
