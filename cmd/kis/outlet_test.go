package main

import (
	"io/fs"
	"os"
	"syscall"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/keep-it-simple/kis/internal/ui"
)

// fullDisk is a file that takes so many bytes.
type fullDisk struct{ free int }

func (d *fullDisk) Write(p []byte) (int, error) {
	if len(p) > d.free {
		return d.free, &fs.PathError{Op: "write", Path: "/dev/stdout", Err: syscall.ENOSPC}
	}
	d.free -= len(p)
	return len(p), nil
}

// TestOutputThatCouldNotBeWrittenIsAnError of a command that only inspects. A run that may have
// changed something reports the state of the hosts.
func TestOutputThatCouldNotBeWrittenIsAnError(t *testing.T) {
	t.Parallel()
	p := newProject(t, "stages: {live: {hosts: [web1]}}\n")
	for _, test := range []struct {
		args []string
		exit int // with an output that takes everything
		full int // and with one that does not
	}{
		{[]string{"hosts"}, 0, 2},
		{[]string{"hosts", "-v"}, 0, 2},
		{[]string{"hosts", "-o", "json"}, 0, 2},
		{[]string{"version"}, 0, 2},
		{[]string{"help", "push"}, 0, 2},
		{[]string{"status", "--help"}, 0, 2},
		{[]string{"completion", "bash"}, 0, 2},
		{[]string{"status"}, 5, 2},
		{[]string{"status", "-o", "json"}, 5, 2},
		{[]string{"list", "-o", "json"}, 5, 2},
		{[]string{"link", "live", "app-1", "--dry-run"}, 3, 2},
		{[]string{"link", "live", "app-1"}, 3, 3},
		{[]string{"link", "live", "app-1", "-o", "json"}, 3, 3},
	} {
		for _, room := range []int{0, 20} {
			a, _, errs := p.app()
			a.ui.Out = ui.NewPrinter(&fullDisk{free: room})
			assert.Equal(t, test.full, executeAll(t.Context(), a, p.args(test.args...)), test.args)
			assert.Regexp(t, `(?m)^kis: cannot write the output: no space left on device\n\z`, errs.String(), test.args)
			assert.NotContains(t, errs.String(), "/dev/stdout", "it is reported once")
		}
		a, _, errs := p.app()
		read, write, err := os.Pipe()
		require.NoError(t, err)
		require.NoError(t, read.Close())
		a.ui.Out = ui.NewPrinter(write)
		assert.Equal(t, test.exit, executeAll(t.Context(), a, p.args(test.args...)), test.args)
		assert.NotContains(t, errs.String(), "output", "who reads it had enough")
		require.NoError(t, write.Close())
	}
}
