//go:build !linux

package sshx

import "net"

// acknowledge does nothing: only Linux lets a program decide when it acknowledges.
func acknowledge(net.Conn) {}
