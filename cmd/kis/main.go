// Kis deploys Python applications by push over SSH: it prepares a package on every host, and switches the stage's link on all hosts at the
// same moment, only if every host succeeded. See `kis help` and the README.
package main

import (
	"context"
	"os"
)

func main() {
	s := streams{In: os.Stdin, Out: printer{os.Stdout}, Err: printer{os.Stderr}, Terminal: isTerminal(os.Stdin) && isTerminal(os.Stderr), Color: isTerminal(os.Stdout), Columns: columns(os.Stdout)}
	os.Exit(run(context.Background(), os.Args[1:], s, os.Exit))
}
