package config

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/keep-it-simple/kis/internal/safetext"
)

// settings are values by ssh_config(5) keyword in lower case, in the order in
// which they apply.
type settings map[string][]settingValue

type settingValue struct{ text, source string }

func (s settings) first(keyword string) string {
	if v := s[keyword]; len(v) > 0 {
		return v[0].text
	}
	return ""
}

func (s settings) all(keyword string) []string {
	var texts []string
	for _, v := range s[keyword] {
		texts = append(texts, v.text)
	}
	return texts
}

func (s settings) add(keyword, text, source string) {
	s[keyword] = append(s[keyword], settingValue{text, source})
}

// The sources of settings, beside paths of files.
const (
	inInventory = "inventory"  // what Host overrides
	byProxyJump = "ProxyJump"  // what the ProxyJump of the host behind says of a jump host
	inSSHConfig = "ssh_config" // by `ssh -G`, which does not say in which file
	byDefault   = "default"
	byKis       = "kis" // a default of our own, or in place of what is not followed
)

// askSSH lets ssh itself evaluate its configuration, Match blocks, includes and
// tokens. What the inventory overrides goes in as options, so that Match lines
// see it. The name comes after --, so that it cannot be an option.
func (r Resolver) askSSH(ctx context.Context, program string, h Host) (settings, error) {
	s, err := askSSHOf(ctx, program, r.ConfigFile, h)
	if err == nil && r.Explain {
		r.explain(ctx, program, h, s)
	}
	return s, err
}

// askSSHOf is askSSH for one configuration file; "" stands for the user's and
// the system's together.
func askSSHOf(ctx context.Context, program, config string, h Host) (settings, error) {
	args := []string{"-G"}
	if config != "" {
		args = append(args, "-F", config)
	}
	if h.User != "" {
		args = append(args, "-l", h.User)
	}
	if h.Port != 0 {
		args = append(args, "-p", strconv.Itoa(h.Port))
	}
	if h.Address != "" {
		// HostName knows tokens, and IPv6 zones have a per cent sign.
		args = append(args, "-o", "HostName="+strings.ReplaceAll(h.Address, "%", "%%"))
	}
	if h.Jump != "" {
		args = append(args, "-o", "ProxyJump="+h.Jump)
	}
	cmd := exec.CommandContext(ctx, program, append(args, "--", h.Name)...)
	cmd.WaitDelay = 2 * time.Second // a Match exec child may keep the pipes open
	var stdout, stderr bytes.Buffer
	cmd.Stdout, cmd.Stderr = &stdout, &stderr
	if err := cmd.Run(); err != nil {
		if ctx.Err() != nil {
			return nil, fmt.Errorf("ssh -G: %w", context.Cause(ctx))
		}
		var exit *exec.ExitError
		if errors.As(err, &exit) && stderr.Len() > 0 {
			return nil, fmt.Errorf("ssh -G: %s; `ssh -G %s` shows the same", safetext.Line(strings.Join(lines(stderr.String()), "; ")), h.Name)
		}
		return nil, fmt.Errorf("ssh -G: %w", err)
	}
	s := settings{}
	for _, line := range lines(stdout.String()) {
		keyword, value, _ := strings.Cut(line, " ")
		s.add(strings.ToLower(keyword), value, inSSHConfig)
	}
	return s, nil
}

// explain finds out where settings come from by asking ssh again with less: what
// it says without any file is a default, what it says with the user's file is
// from there (or from a file that it includes), and the rest is the system's.
func (r Resolver) explain(ctx context.Context, program string, h Host, s settings) {
	local, err := r.localUser()
	if err != nil {
		return
	}
	defaults, err := askSSHOf(ctx, program, "none", h)
	if err != nil {
		return // s keeps what is certain
	}
	user, rest := filepath.Join(local.home, ".ssh", "config"), "/etc/ssh/ssh_config"
	fromUser := defaults
	if r.ConfigFile != "" {
		rest = r.ConfigFile
	} else if with, err := askSSHOf(ctx, program, user, h); err == nil {
		fromUser = with
	}
	for keyword, values := range s {
		source := rest
		switch {
		case slices.Equal(s.all(keyword), defaults.all(keyword)):
			source = byDefault
		case !slices.Equal(fromUser.all(keyword), defaults.all(keyword)):
			source = user
		}
		for i := range values {
			values[i].source = source
		}
	}
}

// override marks what the inventory, or the ProxyJump of the host behind, decided.
func (s settings) override(h Host, by string) {
	mark := func(keyword, value string) {
		if value != "" {
			s[keyword] = []settingValue{{value, by}}
		}
	}
	mark("hostname", h.Address)
	mark("user", h.User)
	mark("identityfile", h.IdentityFile)
	mark("proxyjump", h.Jump)
	if h.Port != 0 {
		mark("port", strconv.Itoa(h.Port))
	}
	if h.Jump != "" {
		delete(s, "proxycommand") // the first of the two wins, and the inventory comes first
	}
}

// lines splits text and drops empty lines and line ends.
func lines(text string) []string {
	var all []string
	for line := range strings.Lines(text) {
		if line = strings.TrimSpace(line); line != "" {
			all = append(all, line)
		}
	}
	return all
}
