//go:build !race

package commit_test

// simDefault is how many schedules the simulation tries by itself.
const simDefault = 3000
