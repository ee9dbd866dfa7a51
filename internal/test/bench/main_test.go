//go:build bench

// Package bench measures jobs of kis beside the same job done by hand with ssh(1), and by each
// rival that is installed, in one run: only ratios mean something on another machine. `make bench`
// runs it.
package bench

import (
	"flag"
	"os"
	"testing"

	"github.com/keep-it-simple/kis/internal/testenv"
)

var (
	rounds = flag.Int("rounds", 5, "how often each job is done; medians are printed")
	most   = flag.Int("most", 64, "leave out jobs on more hosts than this")
	beside = flag.String("rivals", "ansible,fabric,pyinfra,capistrano,spot", "which rivals to measure, if they are installed")
)

func TestMain(m *testing.M) {
	flag.Parse()
	describeRivals()
	os.Exit(testenv.Main(m))
}
