package crash

import (
	"flag"
	"math/rand/v2"
	"os"
	"testing"

	"github.com/keep-it-simple/kis/internal/site"
)

// everything runs every case of every sweep, as `make faults` does, instead of those that stand for the others.
//
//nolint:gochecknoglobals // a flag of the test binary
var everything = flag.Bool("everything", false, "run every case of every sweep")

// What the random tests draw from, so that a failing one can be done again.
//
//nolint:gochecknoglobals // flags of the test binary
var (
	seed   = flag.Uint64("seed", rand.Uint64(), "seed of what is drawn at random")
	rounds = flag.Int("rounds", 3, "number of random rounds")
)

// The test binary is also the tracer that the sweeps put between a program and the kernel.
func TestMain(m *testing.M) {
	if order := os.Getenv(orderVariable); order != "" {
		os.Exit(traced(order))
	}
	os.Exit(site.Main(m))
}
