package remote

import "context"

// Send sends a command that no method sends: an agent must refuse what makes no sense.
func (a *Agent) Send(ctx context.Context, op string, args any) error {
	return a.call(ctx, operation(op), args, nil, nil)
}
