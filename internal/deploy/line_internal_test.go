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
	l.measure(minMeasured-1, time.Hour)
	assert.False(t, l.isKnown())
	l.measure(1<<20, 100*time.Millisecond)
	l.measure(3<<20, 100*time.Millisecond)
	assert.True(t, l.isKnown())
	assert.Equal(t, time.Second, l.lasts(20<<20))
}

// TestProbeFirst: it is large enough to tell something, and small enough for a slow line.
func TestProbeFirst(t *testing.T) {
	t.Parallel()
	small, middle, large, least := upload{sha256: "s", size: minMeasured - 1}, upload{sha256: "m", size: 1 << 20}, upload{sha256: "l", size: probeSize + 1}, upload{sha256: "t", size: minMeasured}
	for _, c := range []struct {
		files []upload
		want  string
	}{
		{nil, ""},
		{[]upload{small, large}, "sl"},
		{[]upload{least, middle, small, large}, "mtsl"},
	} {
		order := func(h *host) (names string) {
			for _, u := range h.probeFirst(c.files) {
				names += u.sha256
			}
			return names
		}
		assert.Equal(t, c.want, order(new(host)))
		known := &host{line: line{bytes: 1, took: 1}}
		var given string
		for _, u := range c.files {
			given += u.sha256
		}
		assert.Equal(t, given, order(known), "of a line that is known")
	}
}
