package faults_test

import (
	"flag"
	"os"
	"testing"

	"github.com/keep-it-simple/kis/internal/site"
)

// everything runs every variant of every fault, as `make faults` does. Without it each fault is there once, and those that have to wait for a
// minute's deadline are not.
//
//nolint:gochecknoglobals // a flag of the test binary
var everything = flag.Bool("everything", false, "run the whole fault matrix")

// long leaves a test to -everything. Without that flag other tests cover what it is about, with less patience.
func long(t *testing.T) {
	t.Helper()
	if !*everything {
		t.Skip("only with -everything, as in make faults")
	}
}

func TestMain(m *testing.M) { os.Exit(site.Main(m)) }
