package crash

import (
	"flag"
	"os"
	"testing"

	"github.com/keep-it-simple/kis/internal/site"
)

// everything runs every case of every sweep, as `make faults` does, instead of those that stand for the others.
//
//nolint:gochecknoglobals // a flag of the test binary
var everything = flag.Bool("everything", false, "run every case of every sweep")

// The test binary is also the tracer that the sweeps put between a program and the kernel.
func TestMain(m *testing.M) {
	if order := os.Getenv(orderVariable); order != "" {
		os.Exit(traced(order))
	}
	os.Exit(site.Main(m))
}
