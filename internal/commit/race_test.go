//go:build race

package commit_test

// simDefault is how many schedules the simulation tries by itself. The race detector makes each ten times as slow.
const simDefault = 200
