//go:build !unix

package sshx

import "io/fs"

// isMine is false where modes do not tell who can read a file.
func isMine(fs.FileInfo) bool { return false }
