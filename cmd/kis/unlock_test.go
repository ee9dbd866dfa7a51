package main

import (
	"testing"

	"github.com/stretchr/testify/assert"

	"github.com/keep-it-simple/kis/internal/fleet"
	"github.com/keep-it-simple/kis/remote"
)

// TestOnlyTheRunThatWasShownIsEnded: while somebody thinks about the answer one run may end, and the next take the lock.
func TestOnlyTheRunThatWasShownIsEnded(t *testing.T) {
	t.Parallel()
	held := func(run string) *remote.Holder { return &remote.Holder{Who: "ann@laptop", Run: run} }
	shown := []fleet.Unlocked{{Host: "web1", Holder: held("r1")}, {Host: "web2", Holder: held("r1")}}
	assert.False(t, taken(shown, shown))
	assert.False(t, taken(shown, []fleet.Unlocked{{Host: "web1", Holder: held("r1")}, {Host: "web2"}}), "it has ended there by itself")
	assert.False(t, taken(shown, []fleet.Unlocked{{Host: "web1", Holder: held("r1")}, {Host: "web2", Failure: &fleet.Failure{}}}))
	assert.True(t, taken(shown, []fleet.Unlocked{{Host: "web1", Holder: held("r1")}, {Host: "web2", Holder: held("r2")}}))
}
