package hosttest

import (
	"os"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/keep-it-simple/kis/internal/testenv/ownroot"
)

// The deploying user of all hosts: not root, because most sites do not deploy as root, and because
// root may do what others may not. The user exists on the hosts only; on this machine it is a
// number, which no system gives to anybody (systemd, "Users, Groups, UIDs and GIDs").
const (
	userName = "kistest"
	userHome = "/home/kistest"
	userID   = 61060
)

// newRoot is the root that a host is started in.
func newRoot(tb testing.TB) ownroot.Root {
	tb.Helper()
	return ownroot.New(tb, ownroot.Account{Name: userName, UID: userID, GID: userID, Home: userHome, Shell: "/bin/bash"})
}

// give makes a file or a directory the deploying user's.
func give(tb testing.TB, path string) {
	tb.Helper()
	require.NoError(tb, os.Lchown(path, userID, userID))
}
