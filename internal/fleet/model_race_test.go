//go:build race

package fleet

// schedules is how many schedules the model tries. The race detector makes each several times slower, and sees in few what it sees in many.
const schedules = 3_000
