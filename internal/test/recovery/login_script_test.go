package recovery

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/keep-it-simple/kis/internal/testenv"
	"github.com/keep-it-simple/kis/internal/testenv/hosttest"
)

func TestLoginScriptPrints_H1(t *testing.T) {
	t.Parallel()
	w := testenv.New(t, 2, hosttest.Options{})
	// What sshd runs for everybody who has none of her own, before the command and before SFTP, see sshd(8).
	w.Hosts[0].Shell(t, "mount -t tmpfs -o mode=755 none /srv; cp -a /etc/ssh /srv; echo 'echo welcome to all' >/srv/ssh/sshrc; mount --bind /srv/ssh /etc/ssh")
	const script = "echo welcome to web2; printf '\\033]0;title\\007no line end'; echo careful >&2\n"
	require.NoError(t, os.WriteFile(filepath.Join(w.Hosts[1].Home, ".bashrc"), []byte(script), 0o644))
	r := w.Run(0, "hello-0.3", "push", "staging", "--sdist", w.Archive())
	assert.Contains(t, r.Err, "kis: web2: the login shell prints text without a terminal: welcome to web2")
	assert.Contains(t, r.Err, "kis: web1: the login shell prints text without a terminal: welcome to all")
	assert.Equal(t, 2, strings.Count(r.Screen(), "the login shell prints text without a terminal"), "each host once")
	assert.Equal(t, w.All("hello-0.3"), w.Links())
}
