package compat

import (
	"flag"
	"os"
	"testing"

	"github.com/keep-it-simple/kis/internal/testenv"
)

// everything gives every odd host a life, as `make test-compat` does, every tenth with the way back. Without it, most of those that take a push are
// only checked: that brings the agent up, which is where hosts differ; what comes then runs in an environment that the agent has made.
var everything = flag.Bool("everything", false, "give every odd host a life") //nolint:gochecknoglobals // a flag of the test program

func TestMain(m *testing.M) { os.Exit(testenv.Main(m, false)) }
