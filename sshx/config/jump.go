package config

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/keep-it-simple/kis/internal/safetext"
)

// maxJumps limits chains of jump hosts; real ones have two or three.
const maxJumps = 16

// resolveJump resolves the value of t's ProxyJump to the chain of jump hosts, each under its own
// name. As in ssh, the hosts before the last one replace the last one's own ProxyJump, and the
// first one's own ProxyJump is followed.
func (r Resolver) resolveJump(ctx context.Context, value string, t Target, behind []string) ([]Target, error) {
	x := expander{target: &t, allowed: proxyTokens}
	value, err := x.tokens(value)
	if err != nil {
		return nil, fmt.Errorf("ProxyJump: %w", err)
	}
	before, last := "", value
	if i := strings.LastIndexByte(value, ','); i >= 0 {
		before, last = value[:i], value[i+1:]
	}
	h, err := parseJump(last)
	if err != nil {
		return nil, err
	}
	h.Jump = before
	hop, err := r.resolve(ctx, h, append(slices.Clone(behind), loopKey(t)))
	if err != nil {
		if errors.Is(err, errLoop) {
			return nil, err // checkLoop has named the host
		}
		return nil, fmt.Errorf("ProxyJump: %w", err)
	}
	chain := append(slices.Clone(hop.Jump), hop)
	chain[len(chain)-1].Jump = nil
	return chain, nil
}

// errLoop says that the jump hosts form a loop, in which ssh would start itself for ever.
var errLoop = errors.New("loop of jump hosts")

// checkLoop refuses a jump host that is reached through itself.
func checkLoop(t Target, behind []string) error {
	if !slices.Contains(behind, loopKey(t)) && len(behind) <= maxJumps {
		return nil
	}
	return fmt.Errorf("ProxyJump: %w: %s is reached through itself; exclude it from the setting, as in `Host * !%s`, or give it `ProxyJump none`", errLoop, t.Name, t.Name)
}

func loopKey(t Target) string { return fmt.Sprintf("%s@%s", t.User, t.Addr()) }

// parseJump reads [user@]host[:port] or ssh://[user@]host[:port].
func parseJump(value string) (Host, error) {
	rest := strings.TrimPrefix(value, "ssh://")
	var h Host
	if i := strings.LastIndex(rest, "@"); i >= 0 { // names of directory services contain an @
		h.User, rest = rest[:i], rest[i+1:]
	}
	host, port := rest, ""
	switch {
	case strings.HasPrefix(rest, "["):
		inner, after, ok := strings.Cut(rest[1:], "]")
		if !ok {
			return Host{}, fmt.Errorf("ProxyJump %s: missing ]", safetext.Line(value))
		}
		host, port = inner, strings.TrimPrefix(after, ":")
	case strings.Count(rest, ":") == 1:
		host, port, _ = strings.Cut(rest, ":")
	}
	h.Name = host
	if port != "" {
		n, err := strconv.Atoi(port)
		if err != nil || n < 1 || n > 65535 {
			return Host{}, fmt.Errorf("ProxyJump %s: %q is not a port", safetext.Line(value), port)
		}
		h.Port = n
	}
	return h, nil
}
