package userauth

import (
	"context"
	"errors"
	"strings"
	"sync"
	"time"

	"golang.org/x/crypto/ssh"

	"github.com/keep-it-simple/kis/internal/guard"
	"github.com/keep-it-simple/kis/internal/safetext"
)

// account is what the logins to one account share. The fields below turn belong to the login that
// holds the turn.
type account struct {
	turn

	password string // that logged in; "": none did
	refused  bool   // the host refused the user's answers; do not ask again
}

// errRefusedBefore keeps the user from typing the same wrong password for each host.
var errRefusedBefore = errors.New("not accepted before in this run")

// ErrClosedByHost cancels a prompt when its answer has become useless.
var ErrClosedByHost = errors.New("the host has closed the connection")

// prompt returns ask limited to one prompt at a time over all hosts, or nil when the user cannot be
// asked.
func (s *Shared) prompt(ask Prompt, batch bool) Prompt {
	if ask == nil || batch {
		return nil
	}
	return func(ctx context.Context, question string, echo bool) (string, error) {
		release, err := s.prompting.acquire(ctx)
		if err != nil {
			return "", err
		}
		defer release()
		if err := context.Cause(ctx); err != nil {
			return "", err
		}
		return ask(ctx, question, echo)
	}
}

// ask prompts the user for method and records the result.
func (l *Login) ask(ctx context.Context, method, question string, echo bool) (string, error) {
	r := l.prompts[method]
	r.times++
	answer, err := l.answer(ctx, question, echo)
	r.err = err
	l.prompts[method] = r
	return answer, err
}

// answer returns the stored password of the account, or the user's answer. Other logins to the
// account wait until this one ends, because they may need the same answer. The prompt is canceled
// when the host closes the connection.
func (l *Login) answer(ctx context.Context, question string, echo bool) (string, error) {
	defer l.pauseForUser()()
	ctx, stop := l.untilClosed(ctx)
	defer stop()
	if err := context.Cause(ctx); err != nil {
		return "", err
	}
	if l.release == nil {
		release, err := l.account.acquire(ctx)
		if err != nil {
			return "", err
		}
		l.release = release
	}
	if l.account.refused {
		return "", errRefusedBefore
	}
	if isPassword(question) && !echo && l.account.password != "" && !l.triedStored {
		l.triedStored = true
		return l.account.password, nil
	}
	answer, err := l.prompt(ctx, question, echo)
	if cause := context.Cause(ctx); err != nil && cause != nil {
		err = cause
	}
	if err == nil && isPassword(question) {
		l.typed = answer
	}
	return answer, err
}

// untilClosed returns a context that ends with ErrClosedByHost when the host closes the connection.
func (l *Login) untilClosed(ctx context.Context) (closing context.Context, stop func()) {
	closing, cancel := context.WithCancelCause(ctx)
	select {
	case <-l.conn.Closed:
		cancel(ErrClosedByHost)
		return closing, func() {}
	default:
	}
	var watching guard.Group
	watching.Go(func() {
		select {
		case <-l.conn.Closed:
			cancel(ErrClosedByHost)
		case <-closing.Done():
		}
	}, func(p *guard.Panic) { cancel(p) })
	return closing, func() {
		cancel(nil)
		watching.Wait()
	}
}

// pauseForUser stops the login's clock and counts the time, because the host's LoginGraceTime goes
// on.
func (l *Login) pauseForUser() (done func()) {
	began, resume := time.Now(), l.conn.Pause()
	return func() {
		l.promptedTime += time.Since(began)
		resume()
	}
}

// releaseAccount lets other logins to the account prompt. It stores the typed password if the login
// succeeded, and records that the user's answers were refused.
func (l *Login) releaseAccount(succeeded, refused bool) {
	if l.release == nil {
		return
	}
	if succeeded && l.typed != "" {
		l.account.password = l.typed
	}
	for _, r := range l.prompts {
		l.account.refused = l.account.refused || refused && r.err == nil
	}
	l.release()
	l.release = nil
}

// isPassword recognizes the prompt for a plain password: that of password and that of the usual PAM
// modules. Answers to other prompts, such as one-time codes, are never reused.
func isPassword(question string) bool {
	return strings.HasPrefix(question, "Password for ") || strings.HasSuffix(question, ": Password:")
}

// password answers the password method, RFC 4252 section 8.
func (l *Login) password(ctx context.Context) func() (string, error) {
	return func() (string, error) {
		question := "Password for " + l.userAtHost()
		if l.prompts["password"].times > 0 {
			question += " (the last was not accepted)"
		}
		return l.ask(ctx, "password", question+":", false)
	}
}

// verifyTimeout limits the host's verification of an answer: it may wait for the user to confirm on
// a phone. It is sshd's default of LoginGraceTime.
const verifyTimeout = 2 * time.Minute

// keyboardInteractive answers keyboard-interactive prompts, RFC 4256. The host chooses their text,
// so they are made safe and begin with the account.
func (l *Login) keyboardInteractive(ctx context.Context) ssh.KeyboardInteractiveChallenge {
	return func(name, instruction string, questions []string, echos []bool) ([]string, error) {
		before := oneLine(name + " " + instruction)
		if len(questions) == 0 && before != "" {
			// There is nothing to type, but something to do, such as to confirm on a phone.
			l.settings.Warn(l.userAtHost() + ": " + before)
		}
		answers := make([]string, len(questions))
		for i, q := range questions {
			text := strings.TrimSpace(before + " " + oneLine(q))
			answer, err := l.ask(ctx, "keyboard-interactive", l.userAtHost()+": "+text, echos[i])
			if err != nil {
				return nil, err
			}
			answers[i], before = answer, ""
		}
		l.conn.Restart(verifyTimeout)
		return answers, nil
	}
}

func (l *Login) userAtHost() string { return l.settings.User + "@" + l.settings.Host }

// oneLine makes the host's text safe to print, on one line of limited length.
func oneLine(text string) string {
	const limit = 400
	runes := []rune(safetext.Line(strings.Join(strings.Fields(text), " ")))
	if len(runes) > limit {
		runes = append(runes[:limit], '…')
	}
	return string(runes)
}

// turn is a mutex whose acquire can be canceled. The zero value is ready for use.
type turn struct {
	once sync.Once
	slot chan struct{}
}

// acquire waits until the turn is free or ctx ends. The caller must call release once, unless there
// is an error.
func (t *turn) acquire(ctx context.Context) (release func(), err error) {
	t.once.Do(func() { t.slot = make(chan struct{}, 1) })
	select {
	case t.slot <- struct{}{}:
		return sync.OnceFunc(func() { <-t.slot }), nil
	case <-ctx.Done():
		return nil, context.Cause(ctx)
	}
}
