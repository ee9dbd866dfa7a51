package userauth

import (
	"cmp"
	"context"
	"fmt"
	"io"
	"net"
	"strings"
	"sync"
	"time"

	"golang.org/x/crypto/ssh"
	"golang.org/x/crypto/ssh/agent"

	"github.com/keep-it-simple/kis/internal/safetext"
	"github.com/keep-it-simple/kis/sshx/internal/publickey"
)

// How long an agent may take to list its keys, and to sign: somebody may have to
// touch a token or to confirm the use of a key.
const (
	agentListLimit = 10 * time.Second
	agentSignLimit = 60 * time.Second
)

// agentKey is a key whose private half an agent holds.
type agentKey struct {
	public  ssh.PublicKey
	signer  ssh.AlgorithmSigner
	comment string
}

// silentAgents remembers agents that did not answer, so that a run on many hosts
// waits for each only once.
type silentAgents struct {
	mu    sync.Mutex
	paths map[string]bool
}

func (s *silentAgents) has(path string) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.paths[path]
}

func (s *silentAgents) add(path string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.paths == nil {
		s.paths = map[string]bool{}
	}
	s.paths[path] = true
}

// openAgent connects to the agent and lists its keys. Every login has its own
// connection: an agent answers in order, so one key that waits for a touch or a
// confirmation would hold up the logins of all other hosts. Close ends it. An
// agent that cannot be used is a note, no error: keys in files may do. The clock
// stands still, because the host is not to blame.
func (l *Login) openAgent(ctx context.Context) (keys []agentKey, note string) {
	path := l.settings.IdentityAgent
	if path == "" || l.settings.NoPublicKey {
		return nil, ""
	}
	limit := cmp.Or(l.settings.AgentTimeout, agentListLimit)
	silent := fmt.Sprintf("agent %s: no answer within %s", path, limit)
	if l.shared.silent.has(path) {
		return nil, silent
	}
	defer l.conn.Pause()()
	dialer := net.Dialer{Timeout: limit}
	nc, err := dialer.DialContext(ctx, "unix", path)
	if err != nil {
		return nil, fmt.Sprintf("agent %s: cannot connect", path)
	}
	// An agent that hangs must not outlive the login that waits for it.
	stop := context.AfterFunc(ctx, func() { _ = nc.Close() })
	l.hangUp = func() {
		stop()
		_ = nc.Close()
	}
	a := &agentConn{Conn: nc, limit: limit}
	// Without a Close method the client needs no goroutine, and asks one thing at
	// a time, so that a deadline belongs to one question.
	client := agent.NewClient(struct{ io.ReadWriter }{a})
	held, err := client.Signers()
	if err != nil {
		if a.late() {
			l.shared.silent.add(path)
			return nil, silent
		}
		return nil, fmt.Sprintf("agent %s: %s", path, safetext.Line(err.Error()))
	}
	a.limit = cmp.Or(l.settings.AgentTimeout, agentSignLimit)
	for _, s := range held {
		if k, ok := usableAgentKey(s); ok {
			k.signer = agentSigner{AlgorithmSigner: k.signer, conn: a, login: l, ctx: ctx, path: path, fido: isFIDO(k.public)}
			keys = append(keys, k)
		}
	}
	if len(keys) == 0 {
		note = fmt.Sprintf("agent %s: holds no keys", path)
	}
	return keys, note
}

// usableAgentKey leaves out kinds of keys that the library cannot read.
func usableAgentKey(s ssh.Signer) (agentKey, bool) {
	signer, ok := s.(ssh.AlgorithmSigner)
	if !ok {
		return agentKey{}, false
	}
	k := agentKey{public: s.PublicKey(), signer: signer}
	if held, ok := k.public.(*agent.Key); ok { // the agent's own type hides certificates
		public, err := ssh.ParsePublicKey(held.Blob)
		if err != nil {
			return agentKey{}, false
		}
		k.public, k.comment = public, safetext.Line(held.Comment)
	}
	return k, true
}

// agentConn gives every question to an agent a time limit.
type agentConn struct {
	net.Conn

	limit time.Duration
	until time.Time
}

// Write begins a question.
func (a *agentConn) Write(b []byte) (int, error) {
	a.until = time.Now().Add(a.limit)
	if err := a.SetDeadline(a.until); err != nil {
		return 0, err
	}
	return a.Conn.Write(b)
}

// late tells that the last question got no answer in time. The library drops
// the error that says so.
func (a *agentConn) late() bool { return !a.until.IsZero() && !time.Now().Before(a.until) }

// agentSigner has an agent sign, which can take as long as a person does.
type agentSigner struct {
	ssh.AlgorithmSigner

	conn  *agentConn
	login *Login
	ctx   context.Context //nolint:containedctx // the signer lives as long as one login; x/crypto hands none down
	path  string
	fido  bool
}

// SignWithAlgorithm stops the login's clock. A token that has to be touched is
// asked for one signature at a time: an agent does no more at once, and each
// shall have its full time.
func (s agentSigner) SignWithAlgorithm(rand io.Reader, data []byte, algorithm string) (*ssh.Signature, error) {
	defer s.login.conn.Pause()()
	if s.fido {
		leave, err := s.login.shared.touching.enter(s.ctx)
		if err != nil {
			return nil, err
		}
		defer leave()
	}
	signature, err := s.AlgorithmSigner.SignWithAlgorithm(rand, data, algorithm)
	switch {
	case err == nil:
		return signature, nil
	case s.conn.late() && s.fido:
		return nil, fmt.Errorf("agent %s: no signature within %s: was the token touched?", s.path, s.conn.limit)
	case s.conn.late():
		return nil, fmt.Errorf("agent %s: no signature within %s", s.path, s.conn.limit)
	}
	return nil, fmt.Errorf("agent %s: %w", s.path, err)
}

// isFIDO holds for keys on FIDO tokens, and for certificates of such keys.
func isFIDO(k ssh.PublicKey) bool { return strings.HasPrefix(publickey.Plain(k).Type(), "sk-") }
