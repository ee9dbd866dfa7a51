package recovery

import (
	"flag"
	"math/rand/v2"
	"os"
	"testing"

	"github.com/keep-it-simple/kis/internal/testenv"
	"github.com/keep-it-simple/kis/internal/testenv/faulttest"
)

// The hosts of a pair.
const web1, web2 = faulttest.Web1, faulttest.Web2

// everyCall breaks every call of a push in every way. Without it the sweeps break some of the hundreds, evenly spread.
//
//nolint:gochecknoglobals // a flag of the test binary
var everyCall = flag.Bool("every-call", false, "break every call in every way; takes hours")

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
	os.Exit(testenv.Main(m))
}
