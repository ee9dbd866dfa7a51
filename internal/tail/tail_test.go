package tail_test

import (
	"fmt"
	"strings"
	"sync"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/keep-it-simple/kis/internal/tail"
)

func TestLinesBoundsLinesAndNumber(t *testing.T) {
	t.Parallel()
	var l tail.Lines
	assert.Empty(t, l.Lines())
	for i := range 25 {
		_, _ = fmt.Fprintf(&l, " %d\r\n\n  \n", i)
	}
	_, _ = fmt.Fprint(&l, strings.Repeat("x", 1e6))
	for range 2 { // reading changes nothing
		lines := l.Lines()
		require.Len(t, lines, tail.MaxLines)
		assert.Equal(t, " 6", lines[0])
		assert.Equal(t, strings.Repeat("x", tail.MaxWidth), lines[tail.MaxLines-1])
	}
	_, _ = fmt.Fprint(&l, "\nlast\n")
	assert.Equal(t, "last", l.Lines()[tail.MaxLines-1])
	l.Reset()
	assert.Empty(t, l.Lines())
}

func TestLinesIsSafeForSeveralGoroutines(t *testing.T) {
	t.Parallel()
	var l tail.Lines
	var writers sync.WaitGroup
	for range 4 {
		writers.Go(func() {
			for range 100 {
				_, _ = fmt.Fprintln(&l, "line")
				_ = l.Lines()
			}
		})
	}
	writers.Wait()
	assert.Len(t, l.Lines(), tail.MaxLines)
}
