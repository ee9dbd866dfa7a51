package sshxtest

import (
	"context"
	"errors"
	"sync"
	"testing"
	"time"

	"github.com/keep-it-simple/kis/sshx"
)

// User answers prompts and records them.
type User struct {
	mu      sync.Mutex
	Answers []string // used up in order; the last one is repeated
	asked   []string
}

// Prompt is a userauth.Prompt.
func (p *User) Prompt(_ context.Context, question string, _ bool) (string, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.asked = append(p.asked, question)
	if len(p.Answers) == 0 {
		return "", errors.New("no answer")
	}
	a := p.Answers[0]
	if len(p.Answers) > 1 {
		p.Answers = p.Answers[1:]
	}
	return a, nil
}

// Questions returns the questions so far.
func (p *User) Questions() []string {
	p.mu.Lock()
	defer p.mu.Unlock()
	return append([]string(nil), p.asked...)
}

// AnswerAfter is Prompt after a delay.
func (p *User) AnswerAfter(t testing.TB, wait time.Duration) sshx.Prompt {
	t.Helper()
	return func(ctx context.Context, question string, echo bool) (string, error) {
		<-time.After(wait)
		return p.Prompt(ctx, question, echo)
	}
}
