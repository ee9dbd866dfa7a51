package remote_test

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/keep-it-simple/kis/remote"
)

// forge replaces a module among those that the agent has kept, with a valid digest.
const forge = `import hashlib, marshal, sys
path = sys.argv[1]
with open(path, "rb") as f:
    known = marshal.loads(f.read()[32:])
known["kisagent.platforms"] = marshal.dumps(compile("def platform(): return 'kept'", "x", "exec"))
data = marshal.dumps(known)
with open(path, "wb") as f:
    f.write(hashlib.sha256(data).digest() + data)
`

// TestAgentKeepsItsModulesCompiled, once a run has worked in the repository, and takes them only as it left them.
func TestAgentKeepsItsModulesCompiled(t *testing.T) {
	t.Parallel()
	root := unused(t)
	kept := func() []string {
		t.Helper()
		found, err := filepath.Glob(filepath.Join(root, ".kis", "agent-*"))
		require.NoError(t, err)
		return found
	}
	platform := func() string {
		t.Helper()
		l := opened(t, root)
		facts, err := l.Check(t.Context(), remote.CheckRequest{})
		require.NoError(t, err)
		require.NoError(t, l.Close())
		l.requireEnd(t)
		return facts.Platform
	}
	real := platform()
	require.Empty(t, kept(), "who only reads changes nothing")
	require.NoError(t, os.MkdirAll(filepath.Join(root, ".kis"), 0o700))
	require.NoError(t, os.WriteFile(filepath.Join(root, ".kis", "agent-0123456789abcdef.cpython-38"), nil, 0o600))
	l := owner(t, root)
	require.NoError(t, l.Close())
	l.requireEnd(t)
	require.Len(t, kept(), 1, "that of another kis is gone")
	path := kept()[0]
	info, err := os.Stat(path)
	require.NoError(t, err)
	assert.Equal(t, os.FileMode(0o600), info.Mode())

	sh(t, "/", "python3 - "+path+" <<'END'\n"+forge+"END")
	require.Equal(t, "kept", platform(), "they are used: otherwise this test shows nothing")
	for name, spoil := range map[string]string{
		"writable by others": "chmod 602 " + path, "readable by others": "chmod 604 " + path, "another's": "chown nobody " + path,
		"a link": "mv " + path + " " + root + "/x; ln -s " + root + "/x " + path, "open directory": "chmod 755 " + root + "/.kis",
		"cut": "truncate -s -1 " + path, "changed": "printf x | dd of=" + path + " bs=1 seek=40 conv=notrunc status=none", "empty": ": >" + path, "a pipe": "rm " + path + "; mkfifo " + path,
	} {
		sh(t, "/", "cp -a "+path+" "+root+"/saved; "+spoil)
		assert.Equal(t, real, platform(), name)
		sh(t, "/", "chmod 700 "+root+"/.kis; rm -f "+path+"; mv "+root+"/saved "+path)
	}
	require.Equal(t, "kept", platform())
}
