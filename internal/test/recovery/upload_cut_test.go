package recovery

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/keep-it-simple/kis/internal/testenv"
	"github.com/keep-it-simple/kis/internal/testenv/hosttest"
	"github.com/keep-it-simple/kis/internal/testenv/oracle"
	"github.com/keep-it-simple/kis/internal/testenv/proxytest"
)

// sender is a person with an archive that takes a while to send, and with a way to web1 that breaks.
type sender struct {
	*testenv.Env
	way     *proxytest.Proxy
	archive string
}

// newSender links hello-0.3 and makes an archive of hello-0.4 with so many bytes.
func newSender(t *testing.T, size int) *sender {
	t.Helper()
	w := testenv.New(t, 1, hosttest.Options{})
	w.Earlier("0.3")
	w.Pad(size)
	w.Version("0.4")
	s := &sender{Env: w, way: w.Hosts[0].Proxy(t), archive: w.Archive()}
	w.Client.SetPort(t, "web1", s.way.Port())
	return s
}

// in is the same sender for a subtest.
func (s *sender) in(t *testing.T) *sender {
	t.Helper()
	return &sender{Env: s.In(t), way: s.way, archive: s.archive}
}

// withoutSFTP makes uploads go over the agent.
func (s *sender) withoutSFTP() {
	s.T.Helper()
	s.Hosts[0].Shell(s.T, "mount --bind /dev/null /usr/lib/openssh/sftp-server")
}

// sending starts the push, over a line of so many bytes a second, and returns when the upload has begun.
func (s *sender) sending(rate int) *testenv.Started {
	s.T.Helper()
	s.way.Rate(proxytest.ToHost, rate)
	push := s.Start("push", "staging", "--sdist", s.archive, "-o", "json")
	push.Saw("web1", "upload", "started", time.Minute)
	return push
}

// fails ends a push that has to fail in its upload, of which nothing may be left.
func (s *sender) fails(push *testenv.Started, within time.Duration) testenv.Failure {
	s.T.Helper()
	r := push.End(within)
	s.way.Heal()
	require.Equal(s.T, 3, r.Exit)
	push.Watch.Check(oracle.Expect{Exit: 3, To: "hello-0.4", Within: 10 * time.Second})
	failures := r.Report(s.T).Failures
	require.Len(s.T, failures, 1)
	assert.Equal(s.T, "upload", failures[0].Step)
	arrived, err := filepath.Glob(filepath.Join(s.Hosts[0].Repo, ".kis", "incoming", "*"))
	require.NoError(s.T, err)
	for _, path := range arrived {
		data, err := os.ReadFile(path)
		require.NoError(s.T, err)
		sum := sha256.Sum256(data)
		assert.Equal(s.T, hex.EncodeToString(sum[:]), filepath.Base(path), "what has arrived has arrived whole")
	}
	return failures[0]
}

// succeeds pushes the same once more.
func (s *sender) succeeds() {
	s.T.Helper()
	s.Run(0, "hello-0.4", "push", "staging", "--sdist", s.archive)
}

// TestUploadBreaksAtAnyByte_U1_U4: so many bytes after the upload has begun the connection is cut, or a bit is turned. The push that comes next
// is the same one, and gets as far again; the last succeeds.
func TestUploadBreaksAtAnyByte_U1_U4(t *testing.T) {
	t.Parallel()
	many := []int64{0, 1, 15, 64, 1000}
	for at := int64(16 << 10); at <= 240<<10; at += 32 << 10 {
		many = append(many, at)
	}
	for _, c := range []struct {
		name  string
		fault func(p *proxytest.Proxy, n int64, d proxytest.Direction)
		way   proxytest.Direction
		bytes []int64
		says  string // as a regular expression: the words go by the cipher
	}{
		{"U1: cut", (*proxytest.Proxy).CutAfter, proxytest.ToHost, many, "connection lost"},
		{"U1: cut on the way back", (*proxytest.Proxy).CutAfter, proxytest.ToClient, []int64{1000}, "connection lost"},
		// AES-GCM does not encrypt the length of a packet (RFC 5647): with one that is too large the host waits for the rest.
		{"U4: bit flip", (*proxytest.Proxy).FlipAfter, proxytest.ToHost, many, "connection lost|stalled"},
		{"U4: bit flip on the way back", (*proxytest.Proxy).FlipAfter, proxytest.ToClient, []int64{20}, "MAC failure|message authentication failed"},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			s := newSender(t, 256<<10)
			for _, at := range c.bytes {
				t.Run(fmt.Sprint(at), func(t *testing.T) {
					s := s.in(t)
					push := s.sending(1 << 20)
					c.fault(s.way, at, c.way)
					assert.Regexp(t, c.says, s.fails(push, 2*time.Minute).Message)
				})
			}
			s.succeeds()
		})
	}
}

// TestUploadStalls_U2_U3: whatever the way of the upload, kis is told nothing and has to find out by itself.
func TestUploadStalls_U2_U3(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		agent  bool // over the agent, without SFTP
		fault  func(p *proxytest.Proxy)
		within time.Duration
	}{
		"U2: for good":                                {false, (*proxytest.Proxy).Stall, 70 * time.Second},
		"U2: for good, over the agent":                {true, (*proxytest.Proxy).Stall, 70 * time.Second},
		"U3: but for a byte a second":                 {false, func(p *proxytest.Proxy) { p.Rate(proxytest.ToHost, 1) }, 90 * time.Second},
		"U3: but for a byte a second, over the agent": {true, func(p *proxytest.Proxy) { p.Rate(proxytest.ToHost, 1) }, 90 * time.Second},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := newSender(t, 256<<10)
			if c.agent {
				s.withoutSFTP()
			}
			push := s.sending(20_000)
			if c.agent {
				push.Says("uploading over the agent", 20*time.Second)
			}
			push.Says(`"type":"progress"`, 30*time.Second) // something has arrived
			c.fault(s.way)
			begin := time.Now()
			s.fails(push, 3*time.Minute)
			assert.Equal(t, c.agent, strings.Contains(push.Screen(), "uploading over the agent"))
			assert.Less(t, time.Since(begin), c.within)
			s.succeeds()
		})
	}
}

// TestSlowLine_U3: a minute of upload, in which a sign of life must not wait behind all that is still to be sent.
func TestSlowLine_U3(t *testing.T) {
	t.Parallel()
	for _, agent := range []bool{false, true} {
		t.Run(map[bool]string{false: "SFTP", true: "over the agent"}[agent], func(t *testing.T) {
			t.Parallel()
			s := newSender(t, 1500<<10)
			if agent {
				s.withoutSFTP()
			}
			push := s.sending(25_000)
			r := push.End(4 * time.Minute)
			require.Equal(t, 0, r.Exit)
			push.Watch.Check(oracle.Expect{Exit: 0, To: "hello-0.4"})
			assert.Greater(t, r.Took, time.Minute, "it was slow")
		})
	}
}
