package sshtest

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"net"
	"slices"
	"strconv"

	"golang.org/x/crypto/ssh"

	"github.com/keep-it-simple/kis/internal/guard"
)

// serve speaks with one client until either side has had enough.
func (h *Host) serve(c net.Conn) {
	f := h.options.Faults
	if f.Silent {
		_, _ = io.Copy(io.Discard, c)
		return
	}
	if f.Greeting != "" {
		_, _ = io.WriteString(c, f.Greeting)
		return
	}
	server, channels, requests, err := ssh.NewServerConn(c, h.config)
	if err != nil {
		return // the client sees why, and Record has the attempts
	}
	var owned guard.Group
	defer owned.Wait()
	defer func() { _ = server.Close() }()
	owned.Go(func() { h.globals(requests) }, h.crashed)
	for _, typ := range f.OpenChannels {
		owned.Go(func() { h.open(server, typ) }, h.crashed)
	}
	for ch := range channels {
		h.record.add(func(r *Record) { r.Channels = append(r.Channels, ch.ChannelType()) })
		owned.Go(func() {
			h.channel(ch)
			h.record.add(func(r *Record) { r.Closed++ })
		}, h.crashed)
	}
}

func (h *Host) globals(requests <-chan *ssh.Request) {
	for r := range requests {
		h.record.add(func(rec *Record) { rec.Globals = append(rec.Globals, r.Type) })
		if r.WantReply && !h.options.Faults.IgnoreKeepAlive {
			_ = r.Reply(false, nil)
		}
	}
}

// open asks the client for a channel, as a host that wants the client's agent
// or display would.
func (h *Host) open(server *ssh.ServerConn, typ string) {
	ch, requests, err := server.OpenChannel(typ, nil)
	h.record.add(func(r *Record) { r.Opened = append(r.Opened, Opened{Type: typ, Accepted: err == nil}) })
	if err == nil {
		guard.Go(func() { ssh.DiscardRequests(requests) }, h.crashed) // ends with the channel
		_ = ch.Close()
	}
}

func (h *Host) channel(n ssh.NewChannel) {
	switch {
	case n.ChannelType() == "session" && h.options.Faults.RefuseSessions:
		_ = n.Reject(ssh.ConnectionFailed, "open failed")
	case n.ChannelType() == "session":
		if ch, requests, err := n.Accept(); err == nil {
			h.session(ch, requests)
		}
	case n.ChannelType() == "direct-tcpip" && h.options.Faults.SilentForward:
	case n.ChannelType() == "direct-tcpip" && h.options.Forward:
		h.forward(n)
	default:
		_ = n.Reject(ssh.Prohibited, "administratively prohibited")
	}
}

// forward serves a direct-tcpip channel, RFC 4254 7.2, to loopback addresses.
func (h *Host) forward(n ssh.NewChannel) {
	var to struct {
		Host       string
		Port       uint32
		OriginHost string
		OriginPort uint32
	}
	if err := ssh.Unmarshal(n.ExtraData(), &to); err != nil {
		_ = n.Reject(ssh.ConnectionFailed, "malformed request")
		return
	}
	target, err := dialLoopback(net.JoinHostPort(to.Host, strconv.Itoa(int(to.Port))))
	if err != nil {
		_ = n.Reject(ssh.ConnectionFailed, err.Error())
		return
	}
	defer func() { _ = target.Close() }()
	ch, requests, err := n.Accept()
	if err != nil {
		return
	}
	var owned guard.Group
	owned.Go(func() { ssh.DiscardRequests(requests) }, h.crashed)
	owned.Go(func() {
		_, _ = io.Copy(target, ch)
		_ = target.(*net.TCPConn).CloseWrite()
	}, h.crashed)
	_, _ = io.Copy(ch, target)
	_ = ch.Close()
	owned.Wait()
}

// dialLoopback connects to this machine and nowhere else.
func dialLoopback(address string) (net.Conn, error) {
	addr, err := net.ResolveTCPAddr("tcp", address)
	if err != nil {
		return nil, err
	}
	if !addr.IP.IsLoopback() {
		return nil, fmt.Errorf("%s is not a loopback address", address)
	}
	return net.DialTCP("tcp", nil, addr)
}

func (h *Host) serverConfig() *ssh.ServerConfig {
	checker := ssh.CertChecker{
		IsUserAuthority: func(k ssh.PublicKey) bool { return contains(h.options.UserAuthorities, k) },
		UserKeyFallback: func(_ ssh.ConnMetadata, k ssh.PublicKey) (*ssh.Permissions, error) {
			if contains(h.options.AuthorizedKeys, k) {
				return &ssh.Permissions{}, nil
			}
			return nil, errors.New("key not authorized")
		},
	}
	c := &ssh.ServerConfig{
		MaxAuthTries:      h.options.MaxAuthTries,
		PublicKeyCallback: h.publicKey(&checker),
		AuthLogCallback:   h.authenticated,
	}
	if h.options.Password != "" {
		c.PasswordCallback = func(_ ssh.ConnMetadata, password []byte) (*ssh.Permissions, error) {
			return h.password(string(password))
		}
		c.KeyboardInteractiveCallback = func(_ ssh.ConnMetadata, ask ssh.KeyboardInteractiveChallenge) (*ssh.Permissions, error) {
			answers, err := ask("", "", []string{"Password: "}, []bool{false})
			if err != nil || len(answers) != 1 {
				return nil, errors.New("no answer")
			}
			return h.password(answers[0])
		}
	}
	if ask := h.options.Keyboard; ask != nil {
		c.KeyboardInteractiveCallback = func(_ ssh.ConnMetadata, challenge ssh.KeyboardInteractiveChallenge) (*ssh.Permissions, error) {
			return &ssh.Permissions{}, ask(challenge)
		}
	}
	for _, k := range h.options.HostKeys {
		c.AddHostKey(k)
	}
	return c
}

func (h *Host) password(given string) (*ssh.Permissions, error) {
	if given != h.options.Password {
		return nil, errors.New("wrong password")
	}
	return &ssh.Permissions{}, nil
}

func contains(keys []ssh.PublicKey, k ssh.PublicKey) bool {
	return slices.ContainsFunc(keys, func(known ssh.PublicKey) bool { return bytes.Equal(known.Marshal(), k.Marshal()) })
}
