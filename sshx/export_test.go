package sshx

import "net"

// UseResolver makes the dialer ask another name server than the system's.
func (d *Dialer) UseResolver(r *net.Resolver) { d.state.resolver = r }
