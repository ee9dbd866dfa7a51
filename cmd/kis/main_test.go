package main

import (
	"context"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/keep-it-simple/kis/internal/testenv/hermetic"
	"github.com/keep-it-simple/kis/internal/ui"
)

// panicAt makes this program kis, with an output that panics at a text. Arguments are in panicArgs,
// one a line.
const panicAt, panicArgs = "KIS_TEST_PANIC_AT", "KIS_TEST_PANIC_ARGS"

func TestMain(m *testing.M) {
	if text, set := os.LookupEnv(panicAt); set {
		s := ui.Streams{Out: ui.NewPrinter(panics{os.Stdout, text}), Err: ui.NewPrinter(os.Stderr)}
		os.Exit(run(context.Background(), strings.Split(os.Getenv(panicArgs), "\n"), s, os.Exit))
	}
	if filepath.Base(os.Args[0]) == "kis" {
		main()
	}
	os.Exit(hermetic.Main(m))
}
