package testenv

import (
	"os"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// Chapter is one step of a story: it finds what those before it have left.
type Chapter struct {
	Name string
	Tell func(w *Env)
}

// Tell tells the chapters in order, each as a subtest, and ends with the first that fails.
func (w *Env) Tell(story []Chapter) {
	w.T.Helper()
	for _, c := range story {
		if !w.T.Run(c.Name, func(t *testing.T) { c.Tell(w.In(t)) }) {
			return
		}
	}
}

// Project replaces the sample application by the project in dir.
func (w *Env) Project(dir, version string) {
	w.T.Helper()
	require.NoError(w.T, os.RemoveAll(w.Dir))
	require.NoError(w.T, os.CopyFS(w.Dir, os.DirFS(dir)))
	w.Version(version)
}

// Uniform checks that status says that all hosts are linked to the package, and that they are.
func (w *Env) Uniform(pkg string) {
	w.T.Helper()
	r := w.Run(0, "", "status", "staging", "-o", "json")
	events := r.Events(w.T)
	require.Len(w.T, events, 1)
	s := events[0].Status
	assert.Equal(w.T, "uniform", s.Verdict)
	for _, h := range s.Hosts {
		assert.Equal(w.T, pkg, h.Linked)
		assert.True(w.T, h.Confirmed)
	}
	assert.Equal(w.T, w.All(pkg), w.Links())
}
