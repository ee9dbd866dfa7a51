//go:build !race

package testenv

// raced is whether the tests are built with the race detector.
const raced = false
