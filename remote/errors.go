package remote

import (
	"fmt"
	"time"
)

// Refused reports that the host did not do a step. Nothing that the step promises has happened.
type Refused struct {
	Code    Code     `json:"code"`
	Message string   `json:"message"` // lower case, one line
	Hint    string   `json:"hint"`    // what to do, possibly a command to paste; may be empty
	Tail    []string `json:"tail"`    // last lines of the step's output, oldest first, at most tail.MaxLines
	Cause   string   `json:"-"`       // tail.Cause of what the host sent, or ""
	Holder  *Holder  `json:"holder"`  // of the lock, with code locked
	Ours    string   `json:"ours"`    // digest asked for, with codes other-content and other-recipe
	Theirs  string   `json:"theirs"`  // digest found
	Errno   string   `json:"errno"`   // name of the system's error, such as EROFS, where a system call failed
}

// Error returns the message.
func (r *Refused) Error() string { return r.Message }

// Holder describes the holder of a lock, in its own words: for users.
type Holder struct {
	Who   string    `json:"who"`   // user@machine
	What  string    `json:"what"`  // the command, such as "push production"
	Run   string    `json:"run"`   // the run's name
	PID   int       `json:"pid"`   // the agent's process on the host
	Since time.Time `json:"since"` // when it took the lock, by the host's clock
}

// Lost reports that the session ended before the host had answered: whether the step was done is
// unknown.
type Lost struct{ Cause error }

// Error says that the connection was lost, and why if known.
func (l *Lost) Error() string {
	if l.Cause == nil {
		return "connection lost"
	}
	return fmt.Sprintf("connection lost: %v", l.Cause)
}

// Unwrap returns the cause.
func (l *Lost) Unwrap() error { return l.Cause }

// StartError reports that no agent was started: nothing was done on the host.
type StartError struct {
	Message string
	Hint    string
	Tail    []string // output of the login shell and sh
}

// Error returns the message.
func (e *StartError) Error() string { return e.Message }
