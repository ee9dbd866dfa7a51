package event

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os/exec"
	"slices"
	"strings"
	"syscall"

	"github.com/keep-it-simple/kis/sshx"
)

// reachHint is what to check when a host could not be reached or refused the login, or "". Errors
// about host keys have their own remedy. A jump host is usually not in the inventory.
func reachHint(err error) string {
	settings := func(name string) string {
		if _, isJump := errors.AsType[*sshx.JumpError](err); isJump {
			return "no host behind it can be reached; try: ssh " + name
		}
		return "see the settings in force: kis hosts " + name + " -v"
	}
	if errors.Is(err, syscall.EMFILE) {
		return "this machine allows kis too few open files: ulimit -n 1024"
	}
	if login, ok := errors.AsType[*sshx.AuthError](err); ok {
		if login.TooManyTries {
			return settings(login.Name) // the error says what to do
		}
		if len(login.Accepts) > 0 && !slices.Contains(login.Accepts, "publickey") {
			return fmt.Sprintf("the host accepts no keys: answer its questions at a terminal, or allow PubkeyAuthentication in its sshd_config; %s", settings(login.Name))
		}
		return fmt.Sprintf("is one of your keys in ~/.ssh/authorized_keys of %s on the host, and unlocked here (ssh-add)? %s", login.User, settings(login.Name))
	}
	var dial *sshx.DialError
	if !errors.As(err, &dial) {
		return ""
	}
	var dns *net.DNSError
	switch {
	case errors.As(err, &dns):
		return fmt.Sprintf("check the name, or set `address:` in the inventory or HostName in ssh_config; %s", settings(dial.Name))
	case errors.Is(err, syscall.ECONNREFUSED):
		return fmt.Sprintf("does sshd run on the host, on this port? %s", settings(dial.Name))
	case Banned(dial):
		return "its sshd rejects this address for a while after failed logins: wait a minute, or see PerSourcePenalties in its sshd_config"
	case !errors.Is(err, context.DeadlineExceeded) && dial.Phase == sshx.PhaseAuthenticate:
		return fmt.Sprintf("the host ended the login without a reason: has the account expired, do AllowUsers or DenyUsers exclude it, does /etc/nologin exist? see the log of sshd on %s", dial.Name)
	case !errors.Is(err, context.DeadlineExceeded):
		return ""
	case dial.Phase == sshx.PhaseConnect:
		return fmt.Sprintf("is the host up, and does every firewall on the way allow this machine? %s", settings(dial.Name))
	case dial.Phase == sshx.PhaseHandshake:
		return fmt.Sprintf("something on the port accepts connections and does not speak SSH, or is overloaded; %s", settings(dial.Name))
	}
	return ""
}

// isHere reports that the cause of a failed connection is on this machine or in its settings.
func isHere(err error) bool {
	if _, dialed := errors.AsType[*sshx.DialError](err); !dialed {
		return !errors.Is(err, context.Canceled) // kis did not get as far as to dial
	}
	if _, unresolved := errors.AsType[*net.DNSError](err); unresolved || errors.Is(err, exec.ErrNotFound) {
		return true
	}
	return slices.ContainsFunc([]error{
		syscall.EMFILE, syscall.ENFILE, syscall.ENETUNREACH, syscall.ENETDOWN, syscall.EADDRNOTAVAIL, syscall.EACCES, syscall.EPERM,
	}, func(local error) bool { return errors.Is(err, local) })
}

// LoginRefused reports that the host was reached, and that it refused the login or this machine its
// key.
func LoginRefused(err error) bool {
	var login *sshx.AuthError
	var key *sshx.HostKeyError
	return errors.As(err, &login) || errors.As(err, &key)
}

// Banned reports that sshd rejects this address for a while, as OpenSSH does since 9.8 after failed
// logins.
func Banned(e *sshx.DialError) bool { return strings.Contains(e.Said, "Not allowed at this time") }
