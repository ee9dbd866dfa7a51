package userauth

import (
	"cmp"
	"context"

	"golang.org/x/crypto/ssh"
	"golang.org/x/crypto/ssh/agent"
)

// KeyExchange proves to an agent which host a session is with: the host's key, and its signature of
// the session's identifier.
type KeyExchange struct{ HostKey, Signature []byte }

// openedAgent is the connection to an agent.
type openedAgent struct {
	client agent.ExtendedAgent
	conn   *agentConn
	ctx    context.Context //nolint:containedctx // it lasts for one login
	held   int             // keys that the agent has listed
}

// bindAgent tells the agent to which host this connection leads (session-bind@openssh.com in
// OpenSSH's PROTOCOL.agent), before the first key is offered, and collects the keys again. An agent
// then lists and uses keys that `ssh-add -h` has restricted to this host, and no others of that kind.
// An agent that knows no such keys refuses, which ssh passes over.
func (l *Login) bindAgent(session []byte) {
	if l.agent == nil || l.conn.KeyExchange == nil {
		return
	}
	opened := l.agent
	l.agent = nil // once
	exchange := l.conn.KeyExchange()
	if len(exchange.HostKey) == 0 {
		return
	}
	defer l.conn.Pause()()
	opened.conn.timeout = cmp.Or(l.settings.AgentTimeout, agentListTimeout)
	defer func() { opened.conn.timeout = cmp.Or(l.settings.AgentTimeout, agentSignTimeout) }()
	binding := struct {
		HostKey, Session, Signature []byte
		Forwarding                  bool
	}{exchange.HostKey, session, exchange.Signature, false}
	if _, err := opened.client.Extension("session-bind@openssh.com", ssh.Marshal(binding)); err != nil {
		return
	}
	if held, err := opened.client.Signers(); err == nil && len(held) != opened.held {
		l.collectAgain(opened, held)
	}
}

// collectAgain collects what to offer with the keys that the agent lists now.
func (l *Login) collectAgain(a *openedAgent, held []ssh.Signer) {
	l.offers, l.notes = nil, nil
	l.collect(a.ctx, l.usableAgentKeys(a, held))
	l.note("agent %s: %d keys are restricted to other hosts (ssh-add -h)", l.settings.IdentityAgent, a.held-len(held))
}
