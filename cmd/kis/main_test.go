package main

import (
	"context"
	"os"
	"strings"
	"testing"

	"github.com/keep-it-simple/kis/internal/testenv/hermetic"
)

// panicAt makes this program kis, with an output that panics at a text. Arguments are in panicArgs, one a line.
const panicAt, panicArgs = "KIS_TEST_PANIC_AT", "KIS_TEST_PANIC_ARGS"

func TestMain(m *testing.M) {
	if text, set := os.LookupEnv(panicAt); set {
		s := streams{In: os.Stdin, Out: printer{panics{os.Stdout, text}}, Err: printer{os.Stderr}}
		os.Exit(run(context.Background(), strings.Split(os.Getenv(panicArgs), "\n"), s, os.Exit))
	}
	os.Exit(hermetic.Main(m))
}
