package deploy

import (
	"sync"
	"time"
)

// line is how fast files get from this machine to a host, or from hosts to it, measured by those that were sent.
type line struct {
	bytes int64
	took  time.Duration
}

// A smaller file shows how long an answer takes, not how fast the line is.
const minMeasured = 256 << 10 // bytes

// measure adds a file that was sent.
func (l *line) measure(bytes int64, took time.Duration) {
	if bytes >= minMeasured {
		l.bytes, l.took = l.bytes+bytes, l.took+took
	}
}

// isKnown reports whether a file was sent that tells how fast the line is.
func (l *line) isKnown() bool { return l.bytes > 0 }

// lasts is how long it takes to send so many bytes, if the line is known.
func (l *line) lasts(bytes int64) time.Duration {
	return time.Duration(float64(l.took) / float64(l.bytes) * float64(bytes))
}

// sharedLine is a line that several goroutines measure.
type sharedLine struct {
	mu       sync.Mutex
	measured line
}

func (l *sharedLine) measure(bytes int64, took time.Duration) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.measured.measure(bytes, took)
}

// now is what was measured so far.
func (l *sharedLine) now() line {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.measured
}
