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

// settings are values by ssh_config(5) keyword in lower case, in order of precedence.
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

// The sources of settings that are not files.
const (
	sourceInventory = "inventory"  // overrides in Host
	sourceProxyJump = "ProxyJump"  // of a jump host: the ProxyJump of the host behind it
	sourceSSHConfig = "ssh_config" // from `ssh -G`, which does not report the file
	sourceDefault   = "default"
	sourceKis       = "kis" // kis's own default, or its override of an ignored setting
)

// runSSH lets ssh evaluate its configuration, with Match blocks, includes and tokens. Overrides of
// the inventory are options, so that Match lines apply to them. The name follows --, so that it
// cannot be an option.
func (r Resolver) runSSH(ctx context.Context, program string, h Host) (settings, error) {
	s, err := runSSHWith(ctx, program, r.ConfigFile, h)
	if err == nil && r.Explain {
		r.explain(ctx, program, h, s)
	}
	return s, err
}

// runSSHWith is runSSH with one configuration file; "": the user's and the system's together.
func runSSHWith(ctx context.Context, program, config string, h Host) (settings, error) {
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
		// HostName has tokens, and IPv6 zones contain a percent sign.
		args = append(args, "-o", "HostName="+strings.ReplaceAll(h.Address, "%", "%%"))
	}
	if h.Jump != "" {
		args = append(args, "-o", "ProxyJump="+h.Jump)
	}
	cmd := exec.CommandContext(ctx, program, append(args, "--", h.Name)...)
	cmd.WaitDelay = 2 * time.Second // a child of Match exec may keep the pipes open
	var stdout, stderr bytes.Buffer
	cmd.Stdout, cmd.Stderr = &stdout, &stderr
	if err := cmd.Run(); err != nil {
		if ctx.Err() != nil {
			return nil, fmt.Errorf("ssh -G: %w", context.Cause(ctx))
		}
		var exit *exec.ExitError
		if errors.As(err, &exit) && stderr.Len() > 0 {
			return nil, fmt.Errorf("ssh -G: %s; `ssh -G %s` prints the same", safetext.Line(strings.Join(lines(stderr.String()), "; ")), h.Name)
		}
		return nil, fmt.Errorf("ssh -G: %w", err)
	}
	return parseSettings(stdout.String()), nil
}

// parseSettings parses the output of `ssh -G`.
func parseSettings(text string) settings {
	s := settings{}
	for _, line := range lines(text) {
		keyword, value, _ := strings.Cut(line, " ")
		s.add(strings.ToLower(keyword), value, sourceSSHConfig)
	}
	return s
}

// explain finds the sources of settings by running ssh again with fewer files: its settings without
// any file are defaults, those with only the user's file are from there (or from a file that it
// includes), and the rest are from the system's file.
func (r Resolver) explain(ctx context.Context, program string, h Host, s settings) {
	local, err := r.localUser()
	if err != nil {
		return
	}
	defaults, err := runSSHWith(ctx, program, "none", h)
	if err != nil {
		return // the sources in s are less specific, but right
	}
	user, rest := filepath.Join(local.home, ".ssh", "config"), "/etc/ssh/ssh_config"
	fromUser := defaults
	if r.ConfigFile != "" {
		rest = r.ConfigFile
	} else if with, err := runSSHWith(ctx, program, user, h); err == nil {
		fromUser = with
	}
	for keyword, values := range s {
		source := rest
		switch {
		case slices.Equal(s.all(keyword), defaults.all(keyword)):
			source = sourceDefault
		case !slices.Equal(fromUser.all(keyword), defaults.all(keyword)):
			source = user
		}
		for i := range values {
			values[i].source = source
		}
	}
}

// override sets what the inventory, or the ProxyJump of the host behind, overrides.
func (s settings) override(h Host, source string) {
	set := func(keyword, value string) {
		if value != "" {
			s[keyword] = []settingValue{{value, source}}
		}
	}
	set("hostname", h.Address)
	set("user", h.User)
	set("identityfile", h.IdentityFile)
	set("proxyjump", h.Jump)
	if h.Port != 0 {
		set("port", strconv.Itoa(h.Port))
	}
	if h.Jump != "" {
		delete(s, "proxycommand") // the first of the two applies, and the inventory comes first
	}
}

// lines splits text into trimmed lines without the empty ones.
func lines(text string) []string {
	var all []string
	for line := range strings.Lines(text) {
		if line = strings.TrimSpace(line); line != "" {
			all = append(all, line)
		}
	}
	return all
}
