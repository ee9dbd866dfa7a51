package faults_test

import (
	"flag"
	"os"
	"testing"

	"github.com/keep-it-simple/kis/internal/site"
)

// everything runs every variant of every fault, as `make test-recovery` does. Without it a part of
// them is run that stands for the others and takes some minutes: nothing that has to wait for a
// minute's deadline, and of faults that other packages have too only one.
//
//nolint:gochecknoglobals // a flag of the test binary
var everything = flag.Bool("everything", false, "run every variant of every fault")

// long leaves a test to -everything. Without that flag other tests cover what it is about, with less patience.
func long(t *testing.T) {
	t.Helper()
	if !*everything {
		t.Skip("only with -everything, as in make test-recovery")
	}
}

func TestMain(m *testing.M) { os.Exit(site.Main(m, false)) }
