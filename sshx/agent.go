package sshx

import (
	"context"
	"fmt"
	"net"

	"golang.org/x/crypto/ssh"
	"golang.org/x/crypto/ssh/agent"
)

// agentKey is a key whose private half an agent holds.
type agentKey struct {
	public ssh.PublicKey
	signer ssh.AlgorithmSigner
	label  string
}

// openAgent connects to t's agent and lists its keys. Every host gets its own
// connection: an agent answers in order, so one key that waits for a touch or a
// confirmation would hold up the logins of all other hosts. The caller calls
// hangUp after the login. An agent that cannot be reached is a note, no error.
func openAgent(ctx context.Context, t Target) (keys []agentKey, note string, hangUp func()) {
	hangUp = func() {}
	if t.IdentityAgent == "" {
		return nil, "", hangUp
	}
	var dialer net.Dialer
	nc, err := dialer.DialContext(ctx, "unix", t.IdentityAgent)
	if err != nil {
		return nil, fmt.Sprintf("agent %s: cannot connect", t.IdentityAgent), hangUp
	}
	// An agent that hangs must not outlive the login that waits for it.
	stop := context.AfterFunc(ctx, func() { _ = nc.Close() })
	hangUp = func() {
		stop()
		_ = nc.Close()
	}
	signers, err := agent.NewClient(nc).Signers()
	if err != nil {
		hangUp()
		return nil, fmt.Sprintf("agent %s: %s", t.IdentityAgent, printable(err.Error())), func() {}
	}
	for _, s := range signers {
		as, ok := s.(ssh.AlgorithmSigner)
		if !ok {
			continue
		}
		public := s.PublicKey()
		if k, ok := public.(*agent.Key); ok { // the agent's own type hides certificates
			if parsed, err := ssh.ParsePublicKey(k.Marshal()); err == nil {
				public = parsed
			}
		}
		keys = append(keys, agentKey{public: public, signer: as, label: "agent"})
	}
	return keys, "", hangUp
}
