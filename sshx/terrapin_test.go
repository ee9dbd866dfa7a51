package sshx_test

import (
	"bufio"
	"bytes"
	"encoding/binary"
	"fmt"
	"io"
	"net"
	"sync"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/keep-it-simple/kis/internal/testenv/opensshtest"
	"github.com/keep-it-simple/kis/sshx"
	"github.com/keep-it-simple/kis/sshx/internal/sshxtest"
)

// between is an attacker on the way to a server, for one connection: change gets the server's first
// packet, its KEXINIT, and gives what is passed on instead. It returns the port where it listens.
func between(t *testing.T, server string, change func(first []byte) []byte) int {
	t.Helper()
	l, err := net.ListenTCP("tcp4", &net.TCPAddr{IP: net.IPv4(127, 0, 0, 1)})
	require.NoError(t, err)
	there, err := net.Dial("tcp4", server)
	require.NoError(t, err)
	var running sync.WaitGroup
	running.Go(func() {
		here, err := l.Accept()
		if err != nil {
			return
		}
		defer here.Close()  //nolint:errcheck // whatever is left of it
		defer there.Close() //nolint:errcheck // likewise
		running.Go(func() { _, _ = io.Copy(there, here) })
		from := bufio.NewReader(there)
		version, err := from.ReadBytes('\n')
		if err != nil {
			return
		}
		first := make([]byte, 4)
		if _, err = io.ReadFull(from, first); err != nil {
			return
		}
		first = append(first, make([]byte, binary.BigEndian.Uint32(first))...)
		if _, err = io.ReadFull(from, first[4:]); err != nil {
			return
		}
		_, _ = here.Write(append(version, change(first)...))
		_, _ = io.Copy(here, from)
	})
	t.Cleanup(func() {
		_ = l.Close()
		_ = there.Close()
		running.Wait()
	})
	return l.Addr().(*net.TCPAddr).Port
}

// An attacker on the way who could slip packets into the key exchange could take as many away from
// what comes after it (CVE-2023-48795, "Terrapin"). With a server of today, which says that it is
// strict about that, neither this nor taking away what it says goes unnoticed.
func TestAManInTheMiddleCannotChangeTheKeyExchange(t *testing.T) {
	t.Parallel()
	s := opensshtest.Start(t, opensshtest.Options{})
	strict := []byte("kex-strict-s-v00@openssh.com")
	ignored := []byte{0, 0, 0, 12, 6, 2, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0} // SSH_MSG_IGNORE, RFC 4253 11.2
	for _, c := range []struct {
		name   string
		change func([]byte) []byte
		works  bool
	}{
		{"left alone", func(first []byte) []byte { return first }, true},
		{"a packet before it", func(first []byte) []byte { return append(bytes.Clone(ignored), first...) }, false},
		{"a packet after it", func(first []byte) []byte { return append(first, ignored...) }, false},
		{"no word of strictness", func(first []byte) []byte { return bytes.Replace(first, strict, bytes.ToUpper(strict), 1) }, false},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			port := between(t, s.Addr, func(first []byte) []byte {
				assert.Contains(t, string(first), string(strict), "the server is one of today")
				return c.change(first)
			})
			target := sshxtest.TargetOn(t, s)
			target.Port = port
			target.UserKnownHostsFiles = []string{sshxtest.KnownHosts(t, fmt.Sprintf("[127.0.0.1]:%d %s", port, s.PublicHostKey(t, 0)))}
			client, err := sshxtest.NewDialer(t).Dial(sshxtest.Deadline(t), target)
			if c.works {
				require.NoError(t, err)
				require.NoError(t, client.Close())
				return
			}
			var e *sshx.DialError
			require.ErrorAs(t, err, &e)
			assert.Equal(t, sshx.PhaseHandshake, e.Phase, "%v", err)
		})
	}
}
