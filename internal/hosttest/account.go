package hosttest

import (
	"errors"
	"io/fs"
	"os"
	"os/exec"
	"os/user"
	"strconv"
	"syscall"
	"testing"

	"github.com/stretchr/testify/require"
)

// The deploying user's account: not root, because most sites do not deploy as root, and because root may do what others may not.
const (
	accountName = "kistest"
	accountNote = "deploying user of the tests of kis"
)

// These files are the same for all tests of the machine, wherever they keep their temporary files.
const (
	lockFile   = "/tmp/kis-hosttest.lock"
	makingFile = "/tmp/kis-hosttest.making.lock" // held while something is made
)

// account is the deploying user, and the empty folder that hosts mount their package repositories on. Both belong to the machine, so that
// all tests of all processes share them: whoever uses them holds a shared lock, and the last one removes them.
type account struct {
	name     string
	home     string
	uid, gid int
}

// useAccount makes what is missing. It is released when the test ends, after everything that was registered later.
func useAccount(tb testing.TB) *account {
	tb.Helper()
	needs(tb)
	lock, err := os.OpenFile(lockFile, os.O_RDWR|os.O_CREATE, 0o600)
	require.NoError(tb, err)
	tb.Cleanup(func() { release(tb, lock) })
	require.NoError(tb, syscall.Flock(int(lock.Fd()), syscall.LOCK_SH))
	if a := find(tb); a != nil {
		return a
	}
	// Nobody removes anything as long as the shared lock is held. To make it an exclusive one would be to wait for the end of all other tests.
	making, err := os.OpenFile(makingFile, os.O_RDWR|os.O_CREATE, 0o600)
	require.NoError(tb, err)
	defer making.Close() //nolint:errcheck // only a lock
	require.NoError(tb, syscall.Flock(int(making.Fd()), syscall.LOCK_EX))
	create(tb)
	a := find(tb)
	require.NotNil(tb, a)
	return a
}

// create makes what is missing.
func create(tb testing.TB) {
	tb.Helper()
	require.NoError(tb, os.MkdirAll(Repository, 0o755)) //nolint:gosec // only a place to mount on
	if _, err := user.Lookup(accountName); err == nil {
		return // left by a run that was killed
	}
	// "*" is no password and no lock: sshd refuses keys for a locked account when it does not use PAM.
	Run(tb, "/usr/sbin/useradd", "--create-home", "--shell", "/bin/bash", "--password", "*", "--comment", accountNote, accountName)
}

// find returns nil when the account or the folder is not there.
func find(tb testing.TB) *account {
	tb.Helper()
	u, err := user.Lookup(accountName)
	if err != nil {
		return nil
	}
	if _, err := os.Stat(Repository); err != nil {
		return nil
	}
	require.Equal(tb, accountNote, u.Name, "the account %s is not one that these tests have made", accountName)
	a := &account{name: u.Username, home: u.HomeDir}
	a.uid, err = strconv.Atoi(u.Uid)
	require.NoError(tb, err)
	a.gid, err = strconv.Atoi(u.Gid)
	require.NoError(tb, err)
	return a
}

// release removes the account and the folder, unless others still use them.
func release(tb testing.TB, lock *os.File) {
	tb.Helper()
	defer func() { require.NoError(tb, lock.Close()) }()
	err := syscall.Flock(int(lock.Fd()), syscall.LOCK_EX|syscall.LOCK_NB)
	if errors.Is(err, syscall.EWOULDBLOCK) {
		return
	}
	require.NoError(tb, err)
	// A machine that really has packages there keeps them.
	if err := os.Remove(Repository); err != nil && !errors.Is(err, syscall.ENOTEMPTY) && !errors.Is(err, fs.ErrNotExist) {
		require.NoError(tb, err)
	}
	out, err := exec.Command("/usr/sbin/userdel", "--remove", accountName).CombinedOutput() //nolint:noctx // the test's context has ended
	require.NoError(tb, err, "%s", out)
}

// give makes a file or a folder the deploying user's.
func (a *account) give(tb testing.TB, path string) {
	tb.Helper()
	require.NoError(tb, os.Lchown(path, a.uid, a.gid))
}
