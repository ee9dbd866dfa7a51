package main

import (
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/keep-it-simple/kis/internal/runlog"
)

// TestLogOfARun: by its name and by its path, without asking any host; what is no run is a stage.
func TestLogOfARun(t *testing.T) {
	t.Parallel()
	p := newProject(t, "stages: {live: {hosts: [web1]}}\n")
	run := func(args ...string) (exit int, out, errs string) {
		a, o, e := p.app()
		exit = executeAll(t.Context(), a, p.args(args...))
		return exit, o.String(), e.String()
	}
	exit, _, _ := run("link", "live", "app-1")
	require.Equal(t, 3, exit)
	logs, err := filepath.Glob(filepath.Join(p.dir, "state", "runs", "*.jsonl"))
	require.NoError(t, err)
	require.Len(t, logs, 1)
	read, err := runlog.Read(logs[0])
	require.NoError(t, err)
	for _, which := range []string{logs[0], read.Events[0].Run} {
		exit, out, errs := run("log", which)
		assert.Equal(t, 0, exit, errs)
		assert.Regexp(t, `\A\S+ \S+ \S+ by \S+@\S+\nlink app-1 to live on web1\n`, out)
		assert.Regexp(t, `(?s)web1: connect: .*connection refused.*kis: aborted before link.*\n  now:  kis status live\n\z`, errs)
	}
	exit, _, errs := run("log", "live")
	assert.Equal(t, 5, exit, "the journals of hosts that do not answer")
	assert.Contains(t, errs, "1 of 1 hosts did not answer")
	exit, _, errs = run("log", "nosuch")
	assert.Equal(t, 2, exit)
	assert.Contains(t, errs, `unknown stage "nosuch"`)
	exit, _, errs = run("log", filepath.Join(p.dir, "nosuch.jsonl"))
	assert.Equal(t, 2, exit)
	assert.Contains(t, errs, "nosuch.jsonl: no such file or directory")
}
