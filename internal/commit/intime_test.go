package commit

import (
	"testing"
	"time"
	"unsafe"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/keep-it-simple/kis/internal/event"
	"github.com/keep-it-simple/kis/internal/timeouts"
)

// asleep is a moment after a machine was suspended for a while: its monotonic clock has stood
// still, and the one on the wall has not. Package time has no way to make one, so this reaches into
// its representation.
func asleep(since time.Time, d time.Duration) time.Time {
	later := since.Add(d)
	(*struct {
		wall uint64
		ext  int64 // the monotonic clock
		loc  *time.Location
	})(unsafe.Pointer(&later)).ext -= int64(d)
	return later
}

func TestNothingIsLinkedAfterTooMuchTime(t *testing.T) {
	t.Parallel()
	armed := time.Now()
	suspended := asleep(armed, 40*time.Second)
	require.Zero(t, suspended.Sub(armed), "the monotonic clock stood still")
	require.Equal(t, 40*time.Second, suspended.Round(0).Sub(armed.Round(0)))
	for name, c := range map[string]struct {
		now    time.Time
		inTime bool
	}{
		"at once":             {armed, true},
		"soon":                {armed.Add(24 * time.Second), true},
		"hosts were slow":     {armed.Add(26 * time.Second), false},
		"asleep for a while":  {asleep(armed, 20*time.Second), true},
		"asleep for long":     {suspended, false},
		"a clock that is set": {asleep(armed, -time.Hour), false},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			said := ""
			stream := event.NewStream("run", func(e event.Event) { said = e.Message })
			coordinator := &Coordinator{armedAt: armed, Timeouts: timeouts.Default(), Stream: stream}
			assert.Equal(t, c.inTime, coordinator.inTime(c.now))
			assert.Equal(t, c.inTime, said == "", said)
		})
	}
}
