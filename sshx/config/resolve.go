package config

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"os/user"
	"strconv"
	"strings"
	"unicode"

	"github.com/keep-it-simple/kis/internal/name"
)

// Resolver resolves the settings of hosts as ssh(1) does: with `ssh -G` where ssh is installed,
// otherwise with a parser of ssh_config that supports less and refuses what it would misread. The
// zero value is ready for use by several goroutines.
type Resolver struct {
	// ConfigFile replaces the user's and the system's ssh_config, as in ssh -F; "": it does not.
	ConfigFile string
	// SSH is the path of ssh; "": search PATH; "none": do not use ssh.
	SSH string
	// Home replaces the home directory of the user who runs kis; "": it does not.
	Home string
	// Getenv reads SHELL, SSH_AUTH_SOCK and the variables in ssh_config; nil: os.Getenv.
	Getenv func(string) string
	// Explain adds to Target.Settings the file of each setting, as far as ssh shows it: ssh runs
	// twice more for each host.
	Explain bool
}

// ErrUnsupported says that kis cannot reach the host safely because it does not support a setting.
// The error that wraps it names the setting and a remedy.
var ErrUnsupported = errors.New("not supported")

// check refuses values that ssh or a shell could misinterpret. A name that begins with a dash would
// be an option of ssh.
func (h Host) check() error {
	if _, err := name.ParseHost(h.Name); err != nil {
		return err
	}
	if _, err := name.ParseHost(h.Address); h.Address != "" && err != nil {
		return fmt.Errorf("%s: address: %w", h.Name, err)
	}
	switch {
	case strings.HasPrefix(h.User, "-") || strings.HasSuffix(h.User, `\`) || strings.ContainsFunc(h.User, isShellSpecial):
		return fmt.Errorf("%s: user %q: not a login name", h.Name, h.User)
	case h.Port < 0 || h.Port > 65535:
		return fmt.Errorf("%s: port %d: a port is between 1 and 65535", h.Name, h.Port)
	}
	return nil
}

// isShellSpecial reports whether a shell interprets the character.
func isShellSpecial(r rune) bool {
	return unicode.IsSpace(r) || unicode.IsControl(r) || strings.ContainsRune("'\"`$;&|<>(){}", r)
}

// Resolve resolves all settings of h. Errors name the setting, its source if known, and a remedy;
// they wrap ErrUnsupported for settings that kis does not support. Resolve opens no connections,
// but `Match exec` commands of ssh_config run, as in ssh.
func (r Resolver) Resolve(ctx context.Context, h Host) (Target, error) {
	return r.resolve(ctx, h, nil)
}

// resolve resolves the settings of h, which is a jump host when there are hosts behind it.
func (r Resolver) resolve(ctx context.Context, h Host, behind []string) (Target, error) {
	if err := h.check(); err != nil {
		return Target{}, err
	}
	local, err := r.localUser()
	if err != nil {
		return Target{}, fmt.Errorf("%s: %w", h.Name, err)
	}
	source := sourceInventory
	if len(behind) > 0 {
		source = sourceProxyJump
	}
	s, err := r.settings(ctx, h, local)
	if err != nil {
		return Target{}, fmt.Errorf("%s: %w", h.Name, err)
	}
	s.override(h, source)
	b := builder{host: h, settings: s, local: local, getenv: r.getenv}
	t, err := b.build()
	if err != nil {
		return Target{}, fmt.Errorf("%s: %w", h.Name, err)
	}
	t.ConfigFile = r.ConfigFile
	if err := checkLoop(t, behind); err != nil {
		return Target{}, err
	}
	jump := s.first("proxyjump")
	if jump == "" || jump == "none" {
		return t, nil
	}
	t.Jump, err = r.resolveJump(ctx, jump, t, behind)
	switch {
	case err == nil:
		return t, nil
	case errors.Is(err, errLoop) && len(behind) > 0:
		return Target{}, err // the caller names the first host
	}
	return Target{}, fmt.Errorf("%s: %w", h.Name, err)
}

// settings runs ssh where it is installed. Otherwise readConfig replaces it.
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
	return r.runSSH(ctx, program, h)
}

// localUser is the user who runs kis.
type localUser struct{ name, home, uid string }

// localUser takes the home directory from the user database, as ssh does, and not from $HOME, which
// sudo and containers change.
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
		return l, errors.New("no home directory: set HOME")
	}
	return l, nil
}

func (r Resolver) getenv(name string) string {
	if r.Getenv != nil {
		return r.Getenv(name)
	}
	return os.Getenv(name)
}
