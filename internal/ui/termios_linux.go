package ui

import "golang.org/x/sys/unix"

// The requests of tcgetattr(3), and of tcsetattr(3) with TCSAFLUSH.
const (
	getTermios   = unix.TCGETS
	flushTermios = unix.TCSETSF
)
