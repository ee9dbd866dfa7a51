package remote_test

import (
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/keep-it-simple/kis/internal/timeouts"
	"github.com/keep-it-simple/kis/remote"
)

// TestInterpreterThatChangedUnderAPackageIsNamed, with the remedy, before the package is linked.
func TestInterpreterThatChangedUnderAPackageIsNamed(t *testing.T) {
	t.Parallel()
	root, python := pushed(t), filepath.Join(t.TempDir(), "python3")
	own := "cp -L /usr/bin/python3 " + python
	sh(t, "/", own)
	start := func() *local {
		t.Helper()
		// The agent itself runs under another one: that of the package may be gone.
		l, err := launchOver(t, command(), root, func(out io.Reader) io.Reader { return out }, timeouts.Default())
		require.NoError(t, err)
		require.NoError(t, l.Open(t.Context(), root))
		l.root = root
		return l
	}
	l, err := launchOver(t, exec.Command("/bin/sh", "-s", "--", python), root, func(out io.Reader) io.Reader { return out }, timeouts.Default())
	require.NoError(t, err)
	require.NoError(t, l.Open(t.Context(), root))
	l.root = root
	l.lock(t, "staging")
	a := tiny(t, "")
	l.unpack(t, a)
	wheel := dep(t)
	l.place(t, wheel)
	_, err = l.environment(t.Context(), t, a, remote.Recipe{Mode: remote.Regular, Wheels: []remote.Wheel{{Name: "dep-1.0-py3-none-any.whl", SHA256: digest(wheel)}}}, nil)
	require.NoError(t, err)
	l.freeze(t)
	_, err = l.Seal(t.Context(), a.Source, remote.Provenance{})
	require.NoError(t, err)
	require.NoError(t, l.Close())
	require.NoError(t, os.Symlink("tiny-1.0", filepath.Join(root, "staging")))

	verdict := func() (status *remote.Problem, begun, rehashed error) {
		t.Helper()
		l := start()
		facts, err := l.Check(t.Context(), remote.CheckRequest{Stage: stage(t, "staging")})
		require.NoError(t, err)
		_, rehashed = l.Rehash(t.Context(), a.Package, time.Minute)
		l.lock(t, "staging")
		_, begun = l.Begin(t.Context(), remote.Source{Package: a.Package})
		require.NoError(t, l.Close())
		l.requireEnd(t)
		return facts.Stage.Changed, begun, rehashed
	}
	status, begun, rehashed := verdict()
	require.NoError(t, begun)
	require.NoError(t, rehashed)
	require.Nil(t, status)

	sh(t, "/", "rm "+python+"; "+own+"; touch -d '2001-02-03' "+python)
	status, begun, rehashed = verdict()
	require.NoError(t, begun, "an update of the same series")
	require.NoError(t, rehashed)
	require.Nil(t, status)
	for name, test := range map[string]struct{ change, says string }{
		"another series": {`printf '#!/bin/sh\necho cpython 3.99 .cpython-399-x86_64-linux-gnu.so\n' >` + python, "is cpython 3.99 (cpython-399-x86_64-linux-gnu) now"},
		"gone":           {"rm " + python, "does not run any more"},
		"broken":         {`printf '#!/bin/sh\nexit 1\n' >` + python, "does not run any more"},
	} {
		sh(t, "/", "rm -f "+python+"; "+own+"; "+test.change)
		status, begun, rehashed = verdict()
		requireRefused(t, begun, "other-interpreter")
		requireRefused(t, rehashed, "other-interpreter")
		require.NotNil(t, status, name)
		assert.Equal(t, remote.CodeOtherInterpreter, status.Code)
		assert.Contains(t, status.Message, test.says, name)
		assert.Contains(t, status.Hint, "bump the version")
	}
}

// TestRehashReadsEveryFile, and finds what neither size nor times show.
func TestRehashReadsEveryFile(t *testing.T) {
	t.Parallel()
	l := installed(t, "1")
	path := filepath.Join(l.root, "app-1", "version")
	found, err := l.Rehash(t.Context(), pkg(t, "app-1"), time.Minute)
	require.NoError(t, err)
	require.Empty(t, found)
	sh(t, "/", "chmod u+w "+path+"; touch -r "+path+" "+path+".time; printf 2 | dd of="+path+" conv=notrunc status=none; chmod u-w "+path+"; touch -r "+path+".time "+path+"; rm "+path+".time")
	found, err = l.Rehash(t.Context(), pkg(t, "app-1"), time.Minute)
	require.NoError(t, err)
	require.Equal(t, []string{"version"}, found)
	sh(t, "/", "chmod u+w "+l.root+"/app-1; echo x >"+l.root+"/app-1/new; rm "+path)
	found, err = l.Rehash(t.Context(), pkg(t, "app-1"), time.Minute)
	require.NoError(t, err)
	require.Equal(t, []string{"new", "version"}, found)
	_, err = l.Rehash(t.Context(), pkg(t, "app-2"), time.Minute)
	requireRefused(t, err, "no-package")
}
