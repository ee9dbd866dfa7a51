package event

import (
	"context"
	"errors"
	"fmt"
	"net"
	"slices"
	"strings"
	"syscall"

	"github.com/keep-it-simple/kis/sshx"
)

// reachHint is what to look at when a host could not be reached or logged in to, or "". Errors about host keys carry their remedy themselves.
// A jump host is known to ssh, and mostly not to the inventory.
func reachHint(err error) string {
	look := func(name string) string {
		if _, isJump := errors.AsType[*sshx.JumpError](err); isJump {
			return "no host behind it can be reached; try: ssh " + name
		}
		return "see what is in force: kis hosts " + name + " -v"
	}
	if errors.Is(err, syscall.EMFILE) {
		return "kis may open only few files on this machine: ulimit -n 1024"
	}
	if login, ok := errors.AsType[*sshx.AuthError](err); ok {
		if login.TooManyTries {
			return look(login.Name) // the error says what to do
		}
		if len(login.Accepts) > 0 && !slices.Contains(login.Accepts, "publickey") {
			return fmt.Sprintf("it takes no keys: type what it asks for, at a terminal, or allow PubkeyAuthentication in its sshd_config; %s", look(login.Name))
		}
		return fmt.Sprintf("is a key of yours in ~/.ssh/authorized_keys of %s there, and unlocked here (ssh-add)? %s", login.User, look(login.Name))
	}
	var dial *sshx.DialError
	if !errors.As(err, &dial) {
		return ""
	}
	var dns *net.DNSError
	switch {
	case errors.As(err, &dns):
		return fmt.Sprintf("check the name, or say where it is: `address:` in the inventory or HostName in ssh_config; %s", look(dial.Name))
	case errors.Is(err, syscall.ECONNREFUSED):
		return fmt.Sprintf("does sshd run there, on this port? %s", look(dial.Name))
	case Banned(dial):
		return "its sshd keeps this address out for a while after failed logins: wait a minute, or see PerSourcePenalties in its sshd_config"
	case !errors.Is(err, context.DeadlineExceeded) && dial.Phase == sshx.PhaseAuthenticate:
		return fmt.Sprintf("it ended the login without a reason: has the account expired, do AllowUsers or DenyUsers leave it out, or is there an /etc/nologin? the log of sshd on %s tells", dial.Name)
	case !errors.Is(err, context.DeadlineExceeded):
		return ""
	case dial.Phase == sshx.PhaseConnect:
		return fmt.Sprintf("is the host up, and does every firewall between let this machine in? %s", look(dial.Name))
	case dial.Phase == sshx.PhaseHandshake:
		return fmt.Sprintf("something takes connections there and does not speak SSH, or is overloaded; %s", look(dial.Name))
	}
	return ""
}

// LoginRefused reports that the host is there, and that it, or this machine, has refused the other.
func LoginRefused(err error) bool {
	var login *sshx.AuthError
	var key *sshx.HostKeyError
	return errors.As(err, &login) || errors.As(err, &key)
}

// Banned reports that sshd rejects this address for a while, as OpenSSH does since 9.8 after failed logins.
func Banned(e *sshx.DialError) bool { return strings.Contains(e.Said, "Not allowed at this time") }
