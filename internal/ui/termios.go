package ui

import (
	"os"

	"golang.org/x/sys/unix"
)

// setEcho sets whether the terminal shows what is typed, and discards what was typed before the
// question. golang.org/x/term does the former only together with a read that cannot be interrupted.
// restore undoes both, and discards what of an answer was not read.
func setEcho(tty *os.File, echo bool) (restore func(), err error) {
	raw, err := tty.SyscallConn()
	if err != nil {
		return nil, err
	}
	var before *unix.Termios
	var failed error
	err = raw.Control(func(fd uintptr) {
		if before, failed = unix.IoctlGetTermios(int(fd), getTermios); failed != nil {
			return
		}
		now := *before
		now.Lflag |= unix.ICANON | unix.ISIG | unix.ECHO
		now.Iflag |= unix.ICRNL
		if !echo {
			now.Lflag &^= unix.ECHO | unix.ECHONL
		}
		failed = unix.IoctlSetTermios(int(fd), flushTermios, &now)
	})
	if err == nil {
		err = failed
	}
	return func() {
		_ = raw.Control(func(fd uintptr) { _ = unix.IoctlSetTermios(int(fd), flushTermios, before) })
	}, err
}
