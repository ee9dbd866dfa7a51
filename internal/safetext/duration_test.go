package safetext_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/assert"

	"github.com/keep-it-simple/kis/internal/safetext"
)

func TestDurationsHaveOneFormat(t *testing.T) {
	t.Parallel()
	for want, d := range map[string]time.Duration{
		"0 s":        0,
		"1 ms":       time.Millisecond,
		"94 ms":      94 * time.Millisecond,
		"0.1 s":      95 * time.Millisecond,
		"0.3 s":      300 * time.Millisecond,
		"3 s":        3 * time.Second,
		"9.9 s":      9949 * time.Millisecond,
		"10 s":       9950 * time.Millisecond,
		"33 s":       32900 * time.Millisecond,
		"1 min 00 s": 59501 * time.Millisecond,
		"2 min 05 s": 125 * time.Second,
		"1 h 00 min": time.Hour - time.Millisecond,
		"1 h 02 min": 3725 * time.Second,
		"3 d 04 h":   76*time.Hour + 59*time.Minute,
	} {
		assert.Equal(t, want, safetext.Duration(d), d)
	}
}
