//go:build !race

package fleet

// schedules is how many schedules the model tries.
const schedules = 100_000
