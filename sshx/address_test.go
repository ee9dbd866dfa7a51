package sshx_test

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"net"
	"strings"
	"sync"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/keep-it-simple/kis/internal/sshtest"
	"github.com/keep-it-simple/kis/internal/testenv/opensshtest"
	"github.com/keep-it-simple/kis/sshx"
	"github.com/keep-it-simple/kis/sshx/internal/sshxtest"
)

// nameServer answers every question with the addresses (RFC 1035 4).
func nameServer(t *testing.T, addresses ...string) *net.Resolver {
	t.Helper()
	server, err := net.ListenUDP("udp4", &net.UDPAddr{IP: net.IPv4(127, 0, 0, 1)})
	require.NoError(t, err)
	var serving sync.WaitGroup
	serving.Go(func() {
		buf := make([]byte, 512)
		for {
			n, from, err := server.ReadFromUDP(buf)
			if errors.Is(err, net.ErrClosed) {
				return
			}
			_, _ = server.WriteToUDP(answer(buf[:n], addresses), from)
		}
	})
	t.Cleanup(func() {
		require.NoError(t, server.Close())
		serving.Wait()
	})
	return &net.Resolver{PreferGo: true, Dial: func(ctx context.Context, _, _ string) (net.Conn, error) {
		var d net.Dialer
		return d.DialContext(ctx, "udp", server.LocalAddr().String())
	}}
}

func answer(question []byte, addresses []string) []byte {
	end := 12
	for question[end] != 0 {
		end += int(question[end]) + 1
	}
	end += 5 // the root, type and class
	kind := binary.BigEndian.Uint16(question[end-4:])
	out := append([]byte{}, question[:end]...)
	binary.BigEndian.PutUint16(out[2:], 0x8180) // an answer, without an error
	count := uint16(0)
	for _, a := range addresses {
		ip := net.ParseIP(a)
		data, typ := []byte(ip.To4()), uint16(1)
		if data == nil {
			data, typ = ip.To16(), 28
		}
		if typ != kind {
			continue
		}
		count++
		out = append(out, 0xc0, 12, 0, byte(typ), 0, 1, 0, 0, 0, 0, 0, byte(len(data)))
		out = append(out, data...)
	}
	binary.BigEndian.PutUint16(out[6:], count)
	binary.BigEndian.PutUint16(out[8:], 0)
	binary.BigEndian.PutUint16(out[10:], 0)
	return out
}

// byName is a target for h under a name that the name server knows.
func byName(t *testing.T, h *sshtest.Host, k sshxtest.Key) sshx.Target {
	t.Helper()
	target := sshxtest.Target(t, h, k)
	target.HostName = "web1.example.org"
	target.UserKnownHostsFiles = []string{sshxtest.KnownHosts(t, fmt.Sprintf("[web1.example.org]:%d %s", h.Port(), strings.SplitN(h.KnownHostsLine(), " ", 2)[1]))}
	return target
}

func TestTheNextAddressIsTriedWhenOneIsDead(t *testing.T) {
	t.Parallel()
	k := sshxtest.NewKey(t)
	h := sshxtest.StartHost(t, sshtest.Options{}, k)
	d := sshxtest.NewDialer(t)
	d.UseResolver(nameServer(t, "::1", "127.0.0.8", "127.0.0.9", "127.0.0.1"))
	sshxtest.Dial(t, d, byName(t, h, k))
	assert.Equal(t, 1, h.Record().Connections)
}

func TestAddressFamilyChoosesAmongTheAddresses(t *testing.T) {
	t.Parallel()
	k := sshxtest.NewKey(t)
	h := sshxtest.StartHost(t, sshtest.Options{}, k) // on 127.0.0.1 only
	d := sshxtest.NewDialer(t)
	d.UseResolver(nameServer(t, "::1", "127.0.0.1"))
	target := byName(t, h, k)
	target.AddressFamily = "inet6"
	_, err := d.Dial(sshxtest.Deadline(t), target)
	require.ErrorContains(t, err, "connection refused")
	assert.Zero(t, h.Record().Connections)
	target.AddressFamily = "inet"
	sshxtest.Dial(t, d, target)
}

func TestOpenSSHSeesTheBindAddress(t *testing.T) {
	t.Parallel()
	s := opensshtest.Start(t, opensshtest.Options{})
	target := sshxtest.TargetOn(t, s)
	target.BindAddress = "127.0.0.5"
	sshxtest.Dial(t, sshxtest.NewDialer(t), target)
	assert.Contains(t, s.Log(), "Connection from 127.0.0.5 port ")

	target.BindAddress = "192.0.2.77" // not an address of this machine
	_, err := sshxtest.NewDialer(t).Dial(sshxtest.Deadline(t), target)
	require.ErrorContains(t, err, "web1: connect: "+s.Addr)
}

// One host has one name in known_hosts, however it is spelled.
func TestSpellingsOfAHostAreOneHost(t *testing.T) {
	t.Parallel()
	withSSH, without := sshxtest.Resolvers(t, "")
	for _, r := range []sshx.Resolver{withSSH, without} {
		for _, spelling := range []string{"web1.example.org", "WEB1.Example.ORG"} {
			target, err := r.Resolve(t.Context(), sshx.Host{Name: spelling})
			require.NoError(t, err)
			assert.Equal(t, "web1.example.org", target.HostName)
		}
		target, err := r.Resolve(t.Context(), sshx.Host{Name: "web1", Address: "2001:DB8::1"})
		require.NoError(t, err)
		assert.Equal(t, "2001:db8::1", target.HostName)
	}
}
