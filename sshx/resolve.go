package sshx

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"os/user"
	"regexp"
	"strconv"
	"strings"
	"unicode"
)

// Resolver decides the settings of hosts as ssh(1) would: with `ssh -G` where
// there is an ssh, otherwise by reading ssh_config with a parser that knows less
// and refuses what it would get wrong. The zero value works and may be used by
// several goroutines.
type Resolver struct {
	// ConfigFile replaces the user's and the system's ssh_config, as ssh -F
	// does; "": those.
	ConfigFile string
	// SSH is the path of ssh; "": look it up in PATH; "none": do without.
	SSH string
	// Home stands for ~; "": the home of the user who runs kis.
	Home string
	// Getenv reads SSH_AUTH_SOCK and what ssh_config names; nil: os.Getenv.
	Getenv func(string) string
}

var (
	hostNamePattern = regexp.MustCompile(`^[A-Za-z0-9_][A-Za-z0-9._:%-]*$`)
	pinPattern      = regexp.MustCompile(`^SHA256:[A-Za-z0-9+/]{43}$`)
)

// check refuses values that ssh or a shell could take for something else. A
// name that begins with a dash would be an option of ssh.
func (h Host) check() error {
	switch {
	case !hostNamePattern.MatchString(h.Name):
		return fmt.Errorf("host name %q: only letters, digits and . _ : %% - are possible, and no dash at the start", h.Name)
	case h.Address != "" && !hostNamePattern.MatchString(h.Address):
		return fmt.Errorf("%s: address %q: only letters, digits and . _ : %% - are possible, and no dash at the start", h.Name, h.Address)
	case strings.HasPrefix(h.User, "-") || strings.ContainsFunc(h.User, func(r rune) bool {
		return unicode.IsSpace(r) || unicode.IsControl(r) || strings.ContainsRune("'\"`$;&|<>(){}@", r)
	}):
		return fmt.Errorf("%s: user %q: not a login name", h.Name, h.User)
	case h.Port < 0 || h.Port > 65535:
		return fmt.Errorf("%s: port %d: a port is between 1 and 65535", h.Name, h.Port)
	case h.HostKey != "" && !pinPattern.MatchString(h.HostKey):
		return fmt.Errorf("%s: host key %q: a fingerprint looks like SHA256: and 43 characters; see ssh-keygen -lf /etc/ssh/ssh_host_ed25519_key.pub on the host", h.Name, h.HostKey)
	}
	return nil
}

// Resolve decides every setting of h. Errors name the setting, the place where
// it stands if that is known, and what to do; ErrUnsupported marks settings that
// kis cannot honor. It contacts nobody, but `Match exec` commands of ssh_config
// run, as they would for ssh.
func (r Resolver) Resolve(ctx context.Context, h Host) (Target, error) {
	return r.resolve(ctx, h, false)
}

// resolve refuses the jump host of a jump host before it looks that one up: the
// two may name each other.
func (r Resolver) resolve(ctx context.Context, h Host, isJump bool) (Target, error) {
	if err := h.check(); err != nil {
		return Target{}, err
	}
	local, err := r.localUser()
	if err != nil {
		return Target{}, fmt.Errorf("%s: %w", h.Name, err)
	}
	s, err := r.settings(ctx, h, local)
	if err != nil {
		return Target{}, fmt.Errorf("%s: %w", h.Name, err)
	}
	b := builder{host: h, settings: s, local: local, getenv: r.getenv}
	t, err := b.build()
	if err != nil {
		return Target{}, fmt.Errorf("%s: %w", h.Name, err)
	}
	if jump := s.first("proxyjump"); jump != "" && jump != "none" {
		if isJump {
			return Target{}, fmt.Errorf("%s has ProxyJump %s itself: %w: kis follows one jump host; name one that is reached directly, or exclude it as in `Host * !%s`", h.Name, printable(jump), ErrUnsupported, h.Name)
		}
		j, err := r.resolveJump(ctx, jump)
		if err != nil {
			return Target{}, fmt.Errorf("%s: %w", h.Name, err)
		}
		t.Jump = []Target{j}
	}
	return t, nil
}

// settings asks ssh where there is one. A configuration that only ssh
// understands must never be guessed at.
func (r Resolver) settings(ctx context.Context, h Host, local localUser) (settings, error) {
	program := r.SSH
	if program == "" {
		found, err := exec.LookPath("ssh")
		if err != nil {
			program = "none"
		} else {
			program = found
		}
	}
	if program == "none" {
		return r.readConfig(h, local)
	}
	return r.askSSH(ctx, program, h)
}

// resolveJump resolves the value of ProxyJump under the jump host's own name.
func (r Resolver) resolveJump(ctx context.Context, value string) (Target, error) {
	if strings.Contains(value, ",") {
		return Target{}, fmt.Errorf("ProxyJump %s: %w: more than one jump host; name one host that reaches the target directly", printable(value), ErrUnsupported)
	}
	h, err := parseJump(value)
	if err != nil {
		return Target{}, err
	}
	t, err := r.resolve(ctx, h, true)
	if err != nil {
		return Target{}, fmt.Errorf("ProxyJump: %w", err)
	}
	return t, nil
}

// parseJump reads [user@]host[:port] or ssh://[user@]host[:port].
func parseJump(value string) (Host, error) {
	rest := strings.TrimPrefix(value, "ssh://")
	var h Host
	if i := strings.LastIndex(rest, "@"); i >= 0 {
		h.User, rest = rest[:i], rest[i+1:]
	}
	host, port := rest, ""
	switch {
	case strings.HasPrefix(rest, "["):
		inner, after, ok := strings.Cut(rest[1:], "]")
		if !ok {
			return Host{}, fmt.Errorf("ProxyJump %s: the bracket is not closed", printable(value))
		}
		host, port = inner, strings.TrimPrefix(after, ":")
	case strings.Count(rest, ":") == 1:
		host, port, _ = strings.Cut(rest, ":")
	}
	h.Name = host
	if port != "" {
		n, err := strconv.Atoi(port)
		if err != nil || n < 1 || n > 65535 {
			return Host{}, fmt.Errorf("ProxyJump %s: %q is not a port", printable(value), port)
		}
		h.Port = n
	}
	return h, nil
}

// localUser is who runs kis.
type localUser struct{ name, home, uid string }

// localUser takes the home from the user database, as ssh does, and not from
// $HOME, which sudo and containers change.
func (r Resolver) localUser() (localUser, error) {
	u, err := user.Current()
	l := localUser{home: r.Home}
	if err == nil {
		l.name, l.uid = u.Username, u.Uid
	} else {
		l.name, l.uid = r.getenv("USER"), strconv.Itoa(os.Getuid())
	}
	switch {
	case l.home != "":
	case err == nil && u.HomeDir != "":
		l.home = u.HomeDir
	default:
		l.home = r.getenv("HOME")
	}
	if l.home == "" {
		return l, errors.New("no home folder: set HOME")
	}
	return l, nil
}

func (r Resolver) getenv(name string) string {
	if r.Getenv != nil {
		return r.Getenv(name)
	}
	return os.Getenv(name)
}
