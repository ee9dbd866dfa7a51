package sshx

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
	// Getenv reads SHELL, SSH_AUTH_SOCK and what ssh_config names; nil: os.Getenv.
	Getenv func(string) string
	// Explain finds out for Target.Settings which file says what, as far as ssh
	// lets one see: it is asked twice more for each host.
	Explain bool
}

// check refuses values that ssh or a shell could take for something else. A
// name that begins with a dash would be an option of ssh.
func (h Host) check() error {
	if _, err := name.ParseHost(h.Name); err != nil {
		return err
	}
	if _, err := name.ParseHost(h.Address); h.Address != "" && err != nil {
		return fmt.Errorf("%s: address: %w", h.Name, err)
	}
	switch {
	case strings.HasPrefix(h.User, "-") || strings.ContainsFunc(h.User, forShells) || strings.Contains(h.User, "@"):
		return fmt.Errorf("%s: user %q: not a login name", h.Name, h.User)
	case h.Port < 0 || h.Port > 65535:
		return fmt.Errorf("%s: port %d: a port is between 1 and 65535", h.Name, h.Port)
	}
	return nil
}

// forShells holds for characters that a shell gives a meaning of its own.
func forShells(r rune) bool {
	return unicode.IsSpace(r) || unicode.IsControl(r) || strings.ContainsRune("'\"`$;&|<>(){}", r)
}

// Resolve decides every setting of h. Errors name the setting, the place where
// it stands if that is known, and what to do; ErrUnsupported marks settings that
// kis cannot honor. It contacts nobody, but `Match exec` commands of ssh_config
// run, as they would for ssh.
func (r Resolver) Resolve(ctx context.Context, h Host) (Target, error) {
	return r.resolve(ctx, h, nil)
}

// resolve decides about h, which is a jump host when hosts lie behind it.
func (r Resolver) resolve(ctx context.Context, h Host, behind []string) (Target, error) {
	if err := h.check(); err != nil {
		return Target{}, err
	}
	local, err := r.localUser()
	if err != nil {
		return Target{}, fmt.Errorf("%s: %w", h.Name, err)
	}
	by := inInventory
	if len(behind) > 0 {
		by = byProxyJump
	}
	s, err := r.settings(ctx, h, local)
	if err != nil {
		return Target{}, fmt.Errorf("%s: %w", h.Name, err)
	}
	s.override(h, by)
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
		return Target{}, err // the host at the beginning is the one to name
	}
	return Target{}, fmt.Errorf("%s: %w", h.Name, err)
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
