package recovery

import (
	"flag"
	"math/rand/v2"
	"os"
	"testing"

	"github.com/keep-it-simple/kis/internal/testenv"
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

// long leaves a test to -everything. Without that flag other tests cover what it is about, with less patience.
func long(t *testing.T) {
	t.Helper()
	if !*everything {
		t.Skip("only with -everything, as in make test-recovery")
	}
}

// The test binary is also the tracer that the sweeps put between a program and the kernel.
func TestMain(m *testing.M) {
	if order := os.Getenv(orderVariable); order != "" {
		os.Exit(traced(order))
	}
	os.Exit(testenv.Main(m, false))
}
