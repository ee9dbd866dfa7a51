//go:build unix

package sshx

import (
	"io/fs"
	"os"
	"syscall"
)

// isMine tells whether the user who runs kis owns a file. ssh minds the mode of
// a key only then: whoever mounts keys of another owner has decided about them.
func isMine(info fs.FileInfo) bool {
	s, ok := info.Sys().(*syscall.Stat_t)
	return !ok || int(s.Uid) == os.Getuid()
}
