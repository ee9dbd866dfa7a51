// Kis deploys Python applications by push over SSH: it prepares a package on every host, and
// switches the stage's link on all hosts at the same time, only if every host succeeded. See `kis
// help` and the README.
package main

import (
	"context"
	"os"

	"github.com/keep-it-simple/kis/internal/ui"
)

func main() {
	os.Exit(run(context.Background(), os.Args[1:], ui.NewStreams(os.Stdin, os.Stdout, os.Stderr), os.Exit))
}
