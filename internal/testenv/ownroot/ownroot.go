// Package ownroot gives the servers of tests a root of their own, so that nothing of them is
// written to the machine: /home, /run and /var are overlays whose changes stay in memory, and /etc
// has accounts of its own. The temporary directory is the machine's.
//
// It needs root and a mount namespace; both are the caller's business. The root is no sandbox: what
// is not named above is the machine's own.
package ownroot

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/stretchr/testify/require"
)

// Root is a root that can be entered any number of times. What was written below /home, /run and
// /var is lost every time, as by a start of the machine.
type Root struct {
	accounts string // directory with the account files of /etc
	shared   string // the machine's temporary directory
}

// Account is a user of a root and the user's group of the same name. It replaces an account of the
// machine with that name.
type Account struct {
	Name     string
	UID, GID int
	Home     string
	Shell    string
	Password string // as in shadow(5); "" is none that could be typed
}

// New writes the account files. They are those of the machine, with some accounts more.
func New(tb testing.TB, accounts ...Account) Root {
	tb.Helper()
	shared, err := filepath.EvalSymlinks(os.TempDir())
	require.NoError(tb, err)
	r := Root{accounts: tb.TempDir(), shared: shared}
	for _, name := range []string{"passwd", "group", "shadow", "gshadow"} {
		if _, err := os.Stat("/etc/" + name); err == nil { // not every system has the last one
			r.write(tb, name, accounts)
		}
	}
	return r
}

// write writes one account file, with the owner and the mode of the machine's.
func (r Root) write(tb testing.TB, name string, accounts []Account) {
	tb.Helper()
	info, err := os.Stat("/etc/" + name)
	require.NoError(tb, err)
	text, err := os.ReadFile("/etc/" + name)
	require.NoError(tb, err)
	var out strings.Builder
	for line := range strings.Lines(string(text)) {
		if !concerns(line, accounts) {
			out.WriteString(line)
		}
	}
	for _, a := range accounts {
		out.WriteString(a.line(name) + "\n")
	}
	path := filepath.Join(r.accounts, name)
	require.NoError(tb, os.WriteFile(path, []byte(out.String()), info.Mode()))
	require.NoError(tb, os.Chmod(path, info.Mode())) // whatever the umask is
	owner := info.Sys().(*syscall.Stat_t)
	require.NoError(tb, os.Chown(path, int(owner.Uid), int(owner.Gid)))
}

// concerns reports whether a line of an account file is about one of the accounts.
func concerns(line string, accounts []Account) bool {
	for _, a := range accounts {
		if strings.HasPrefix(line, a.Name+":") {
			return true
		}
	}
	return false
}

// line is the account in one of the account files.
func (a Account) line(file string) string {
	switch file {
	case "passwd":
		return fmt.Sprintf("%s:x:%d:%d::%s:%s", a.Name, a.UID, a.GID, a.Home, a.Shell)
	case "group":
		return fmt.Sprintf("%s:x:%d:", a.Name, a.GID)
	case "shadow":
		// "*" is no password and no lock: sshd refuses keys for a locked account when it does not
		// use PAM.
		password := a.Password
		if password == "" {
			password = "*"
		}
		return a.Name + ":" + password + ":19000:0:99999:7:::"
	}
	return a.Name + ":!::"
}

// enter is run as the first program of a mount namespace. What is mounted does not reach the
// machine. The temporary directory may be below one of the overlays, where what is written would
// stay in memory; so it is mounted again on top.
const enter = `set -eu
umask 022
mount --make-rprivate /
mount -t proc proc /proc
accounts=$1 shared=$2
shift 2
mount -t tmpfs -o mode=755 none /mnt
mkdir /mnt/shared
mount --rbind "$shared" /mnt/shared
for top in /home /run /var; do
	mkdir -p "/mnt/upper$top" "/mnt/work$top"
	mount -t overlay -o "lowerdir=$top,upperdir=/mnt/upper$top,workdir=/mnt/work$top" overlay "$top"
done
mkdir -p "$shared" /run/sshd # sshd wants it; a service manager would make it
mount --move /mnt/shared "$shared"
umount /mnt
for file in "$accounts"/*; do
	mount --bind "$file" "/etc/${file##*/}"
done
exec "$@"
`

// Command is the command line that runs a program in the root. It has to be started in a mount
// namespace of its own, and becomes the program.
func (r Root) Command(argv ...string) []string {
	return append([]string{"/bin/sh", "-c", enter, "enter", r.accounts, r.shared}, argv...)
}
