package userauth

import (
	"context"
	"errors"
	"strings"
	"sync"
	"time"

	"golang.org/x/crypto/ssh"

	"github.com/keep-it-simple/kis/internal/safetext"
)

// accounts are the accounts that a person was asked about in this run, by
// user@host:port as resolved: several names may lead to the same one, and a
// connection that was lost is made again.
type accounts struct {
	mu  sync.Mutex
	all map[string]*account
}

// account is what is known of one account. The fields below turns belong to who
// has entered it.
type account struct {
	turns

	password string // logged in with; "" is none
	refused  bool   // a person could not log in; they are not asked again
}

func (a *accounts) of(name string) *account {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.all == nil {
		a.all = map[string]*account{}
	}
	if a.all[name] == nil {
		a.all[name] = &account{}
	}
	return a.all[name]
}

// errAskedBefore keeps a person from typing the same wrong password for ever.
var errAskedBefore = errors.New("not accepted before in this run")

// ErrGone ends a question that is of no use any more.
var ErrGone = errors.New("the host has closed the connection")

// prompt asks one question at a time over all hosts. It is nil when there is
// nobody to ask.
func (s *Shared) prompt(ask Prompt, batch bool) Prompt {
	if ask == nil || batch {
		return nil
	}
	return func(ctx context.Context, question string, echo bool) (string, error) {
		leave, err := s.prompting.enter(ctx)
		if err != nil {
			return "", err
		}
		defer leave()
		if err := context.Cause(ctx); err != nil {
			return "", err
		}
		return ask(ctx, question, echo)
	}
}

// question asks a person about the account. Other logins to it wait until this
// one is over, because they may need the same answer. When the host hangs up,
// the question goes away.
func (l *Login) question(ctx context.Context, method, text string, echo bool) (string, error) {
	if l.answers == nil {
		l.answers = map[string]answer{}
	}
	a := l.answers[method]
	a.times++
	said, err := l.put(ctx, text, echo)
	a.err = err
	l.answers[method] = a
	return said, err
}

func (l *Login) put(ctx context.Context, text string, echo bool) (string, error) {
	defer l.waitForPerson()()
	select {
	case <-l.conn.Gone:
		return "", ErrGone
	default:
	}
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	stop := make(chan struct{})
	var watching sync.WaitGroup
	watching.Go(func() {
		select {
		case <-l.conn.Gone:
			cancel(ErrGone)
		case <-stop:
		}
	})
	defer watching.Wait()
	defer close(stop)
	if l.leave == nil {
		leave, err := l.acct.enter(ctx)
		if err != nil {
			return "", err
		}
		l.leave = leave
	}
	if l.acct.refused {
		return "", errAskedBefore
	}
	if isPassword(text) && !echo && l.acct.password != "" && !l.reused {
		l.reused = true
		return l.acct.password, nil
	}
	said, err := l.ask(ctx, text, echo)
	if cause := context.Cause(ctx); err != nil && cause != nil {
		err = cause
	}
	if err == nil && isPassword(text) {
		l.typed = said
	}
	return said, err
}

// answerLimit is what a host gets to think about an answer: it may be waiting
// for a person too, who confirms on a phone. It is sshd's own limit for a login.
const answerLimit = 2 * time.Minute

// isPassword recognizes the question for a plain password, ours and that of the
// usual PAM modules. The answers to others, such as one-time codes, are never
// used twice.
func isPassword(question string) bool {
	return strings.HasPrefix(question, "Password for ") || strings.HasSuffix(question, ": Password:")
}

// settle ends what the login has to do with its account, and lets others to the
// same account go on. refused says that the host did not accept what a person
// said.
func (l *Login) settle(in, refused bool) {
	if l.leave == nil {
		return
	}
	if in && l.typed != "" {
		l.acct.password = l.typed
	}
	for _, a := range l.answers {
		l.acct.refused = l.acct.refused || refused && a.err == nil
	}
	l.leave()
	l.leave = nil
}

// password answers the method of RFC 4252 8.
func (l *Login) password(ctx context.Context) func() (string, error) {
	return func() (string, error) {
		text := "Password for " + l.who()
		if l.answers["password"].times > 0 {
			text += " (the last was not accepted)"
		}
		return l.question(ctx, "password", text+":", false)
	}
}

// challenge answers keyboard-interactive questions, RFC 4256. A host chooses
// their text, so it is made harmless, and the account stands in front of it.
func (l *Login) challenge(ctx context.Context) ssh.KeyboardInteractiveChallenge {
	return func(name, instruction string, questions []string, echos []bool) ([]string, error) {
		before := harmless(name + " " + instruction)
		if len(questions) == 0 && before != "" {
			// Nothing to type, but something to do, such as to look at one's phone.
			l.settings.Warn(l.who() + ": " + before)
		}
		answers := make([]string, len(questions))
		for i, q := range questions {
			text := strings.TrimSpace(before + " " + harmless(q))
			said, err := l.question(ctx, "keyboard-interactive", l.who()+": "+text, echos[i])
			if err != nil {
				return nil, err
			}
			answers[i], before = said, ""
		}
		l.conn.Restart(answerLimit)
		return answers, nil
	}
}

func (l *Login) who() string { return l.settings.User + "@" + l.settings.Host }

// harmless is text of a host in one line of bounded length.
func harmless(s string) string {
	const most = 400
	runes := []rune(safetext.Line(strings.Join(strings.Fields(s), " ")))
	if len(runes) > most {
		runes = append(runes[:most], '…')
	}
	return string(runes)
}

// turns lets one through at a time. Unlike a mutex it can be left alone when the
// waiting takes too long. The zero value is ready for use.
type turns struct {
	once sync.Once
	slot chan struct{}
}

// enter waits until nobody is in or ctx ends. Call leave once, if there is
// no error.
func (t *turns) enter(ctx context.Context) (leave func(), err error) {
	t.once.Do(func() { t.slot = make(chan struct{}, 1) })
	select {
	case t.slot <- struct{}{}:
		return sync.OnceFunc(func() { <-t.slot }), nil
	case <-ctx.Done():
		return nil, context.Cause(ctx)
	}
}
