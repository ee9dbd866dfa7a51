package crash

import (
	"flag"
	"math/rand/v2"
	"os"
	"testing"

	"github.com/keep-it-simple/kis/internal/site"
)

// The sweeps go over all calls of a push, hundreds of them. How many of them are broken is a matter of patience.
//
//nolint:gochecknoglobals // flags of the test binary
var (
	everything = flag.Bool("everything", false, "break more calls, as make test-recovery does")
	everyCall  = flag.Bool("every-call", false, "break every call in every way; takes hours")
)

// What the random tests draw from, so that a failing one can be done again.
//
//nolint:gochecknoglobals // flags of the test binary
var (
	seed   = flag.Uint64("seed", rand.Uint64(), "seed of what is drawn at random")
	rounds = flag.Int("rounds", 2, "number of random rounds")
)

// The test binary is also the tracer that the sweeps put between a program and the kernel.
func TestMain(m *testing.M) {
	if order := os.Getenv(orderVariable); order != "" {
		os.Exit(traced(order))
	}
	os.Exit(site.Main(m, false))
}
