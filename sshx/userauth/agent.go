package userauth

import (
	"cmp"
	"context"
	"fmt"
	"io"
	"net"
	"strings"
	"time"

	"golang.org/x/crypto/ssh"
	"golang.org/x/crypto/ssh/agent"

	"github.com/keep-it-simple/kis/internal/guard"
	"github.com/keep-it-simple/kis/internal/safetext"
	"github.com/keep-it-simple/kis/sshx/internal/publickey"
)

// Timeouts of an agent. The user may have to touch a token or to confirm a signature.
const (
	agentListTimeout = 10 * time.Second
	agentSignTimeout = 60 * time.Second
)

// agentKey is a key that an agent holds.
type agentKey struct {
	public  ssh.PublicKey
	signer  ssh.AlgorithmSigner
	comment string
}

// openAgent connects to the agent and lists its keys. Each login has its own connection: an agent
// answers in order, so one key that waits for a touch or a confirmation would delay the logins to
// all other hosts. closeAgent closes the connection. An unusable agent is a note, not an error:
// keys in files may suffice. The login's clock stops, because the host does not cause the delay.
func (l *Login) openAgent(ctx context.Context) (keys []agentKey, note string) {
	path := l.settings.IdentityAgent
	if path == "" || l.settings.NoPublicKey {
		return nil, ""
	}
	timeout := cmp.Or(l.settings.AgentTimeout, agentListTimeout)
	noAnswer := fmt.Sprintf("agent %s: no answer within %s", path, safetext.Duration(timeout))
	if _, dead := l.shared.deadAgents.Load(path); dead {
		return nil, noAnswer
	}
	defer l.conn.Pause()()
	dialer := net.Dialer{Timeout: timeout}
	nc, err := dialer.DialContext(ctx, "unix", path)
	if err != nil {
		return nil, fmt.Sprintf("agent %s: cannot connect", path)
	}
	// The end of the login cancels a request to an agent that hangs.
	stop := context.AfterFunc(ctx, guard.Func(func() { _ = nc.Close() }, func(*guard.Panic) {
		// The request goes on until its deadline.
	}))
	l.closeAgent = func() {
		stop()
		_ = nc.Close()
	}
	a := &agentConn{Conn: nc, timeout: timeout}
	// Without a Close method the client needs no goroutine and sends one request at a time, so that
	// a deadline belongs to one request.
	client := agent.NewClient(struct{ io.ReadWriter }{a})
	held, err := client.Signers()
	if err != nil {
		if a.timedOut() {
			l.shared.deadAgents.Store(path, true)
			return nil, noAnswer
		}
		return nil, fmt.Sprintf("agent %s: %s", path, safetext.Line(err.Error()))
	}
	a.timeout = cmp.Or(l.settings.AgentTimeout, agentSignTimeout)
	l.agent = &openedAgent{client: client, conn: a, ctx: ctx, held: len(held)}
	if keys = l.usableAgentKeys(l.agent, held); len(keys) == 0 {
		note = fmt.Sprintf("agent %s: holds no keys", path)
	}
	return keys, note
}

func (l *Login) usableAgentKeys(a *openedAgent, held []ssh.Signer) (keys []agentKey) {
	for _, s := range held {
		if k, ok := usableAgentKey(s); ok {
			k.signer = agentSigner{AlgorithmSigner: k.signer, conn: a.conn, login: l, ctx: a.ctx, path: l.settings.IdentityAgent, fido: isFIDO(k.public)}
			keys = append(keys, k)
		}
	}
	return keys
}

// usableAgentKey excludes kinds of keys that x/crypto cannot read.
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

// agentConn limits the time of each request to an agent.
type agentConn struct {
	net.Conn

	timeout  time.Duration
	deadline time.Time // of the last request
}

// Write sends a request.
func (a *agentConn) Write(b []byte) (int, error) {
	a.deadline = time.Now().Add(a.timeout)
	if err := a.SetDeadline(a.deadline); err != nil {
		return 0, err
	}
	return a.Conn.Write(b)
}

// timedOut reports whether the last request got no answer in time. x/crypto drops the error.
func (a *agentConn) timedOut() bool { return !a.deadline.IsZero() && !time.Now().Before(a.deadline) }

// agentSigner signs with an agent's key, which can take as long as the user does.
type agentSigner struct {
	ssh.AlgorithmSigner

	conn  *agentConn
	login *Login
	ctx   context.Context //nolint:containedctx // it lasts for one login; x/crypto passes none
	path  string
	fido  bool
}

// SignWithAlgorithm stops the login's clock. FIDO keys sign one at a time, because a token must be
// touched for each and an agent waits for one touch at a time; each has its full timeout.
func (s agentSigner) SignWithAlgorithm(rand io.Reader, data []byte, algorithm string) (*ssh.Signature, error) {
	defer s.login.conn.Pause()()
	if s.fido {
		release, err := s.login.shared.touching.acquire(s.ctx)
		if err != nil {
			return nil, err
		}
		defer release()
	}
	signature, err := s.AlgorithmSigner.SignWithAlgorithm(rand, data, algorithm)
	switch {
	case err == nil:
		return signature, nil
	case s.conn.timedOut() && s.fido:
		return nil, fmt.Errorf("agent %s: no signature within %s: was the token touched?", s.path, safetext.Duration(s.conn.timeout))
	case s.conn.timedOut():
		return nil, fmt.Errorf("agent %s: no signature within %s", s.path, safetext.Duration(s.conn.timeout))
	}
	return nil, fmt.Errorf("agent %s: %w", s.path, err)
}

// isFIDO reports whether k is a key on a FIDO token, or a certificate of one.
func isFIDO(k ssh.PublicKey) bool { return strings.HasPrefix(publickey.Plain(k).Type(), "sk-") }
