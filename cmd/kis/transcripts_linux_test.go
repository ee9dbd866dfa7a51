package main

import (
	"testing"

	"github.com/keep-it-simple/kis/internal/testenv/transcript"
)

// TestTranscripts are those of commands that reach no host.
func TestTranscripts(t *testing.T) {
	t.Parallel()
	transcript.RunItself(t, "*.txtar")
}
