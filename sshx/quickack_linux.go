package sshx

import (
	"net"
	"syscall"
)

// acknowledge acknowledges what a TCP connection has received now, see tcp(7) about TCP_QUICKACK. sshd sends several
// small packets in a row after a login, each only when the one before is acknowledged (Nagle's
// algorithm), and Linux delays an acknowledgement by 40 ms where it has nothing to send itself: each
// session would begin that much later. The kernel forgets the wish, and so it is repeated.
func acknowledge(nc net.Conn) {
	tcp, ok := nc.(*net.TCPConn)
	if !ok {
		return
	}
	raw, err := tcp.SyscallConn()
	if err != nil {
		return
	}
	_ = raw.Control(func(fd uintptr) {
		_ = syscall.SetsockoptInt(int(fd), syscall.IPPROTO_TCP, syscall.TCP_QUICKACK, 1) // without it, a session only begins later
	})
}
