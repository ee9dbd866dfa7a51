package config

import (
	"cmp"
	"errors"
	"fmt"
	"io/fs"
	"net/url"
	"os"
	"path/filepath"
	"regexp"
	"strings"

	"github.com/kevinburke/ssh_config"

	"github.com/keep-it-simple/kis/internal/safetext"
)

// configKeywords are the settings that a Target depends on.
func configKeywords() []string {
	return []string{
		"HostName", "Port", "User", "IdentityFile", "CertificateFile", "IdentitiesOnly", "IdentityAgent",
		"UserKnownHostsFile", "GlobalKnownHostsFile", "HostKeyAlias", "StrictHostKeyChecking", "HashKnownHosts",
		"HostKeyAlgorithms", "KexAlgorithms", "Ciphers", "MACs", "ProxyJump", "ProxyCommand", "ConnectTimeout",
		"ServerAliveInterval", "ServerAliveCountMax", "AddressFamily", "BatchMode", "PubkeyAuthentication",
		"PasswordAuthentication", "KbdInteractiveAuthentication", "ChallengeResponseAuthentication",
		"PreferredAuthentications", "RevokedHostKeys", "BindAddress", "BindInterface", "CASignatureAlgorithms",
		"RequiredRSASize", "KnownHostsCommand", "VerifyHostKeyDNS", "ProxyUseFdpass", "CanonicalizeHostname",
		"PubkeyAcceptedAlgorithms", "NumberOfPasswordPrompts",
		"ForwardAgent", "ForwardX11", "LocalForward", "RemoteForward", "DynamicForward",
	}
}

// readConfig replaces runSSH where ssh is not installed. The parser silently misreads parts of
// ssh_config, so files that contain such parts are refused first (configScan): a wrong setting
// could deploy to the wrong host.
func (r Resolver) readConfig(h Host, local localUser) (settings, error) {
	s := settings{}
	for _, f := range r.configFiles(local) {
		cfg, err := f.parse(local.home)
		if err != nil {
			return nil, err
		}
		if cfg == nil {
			continue
		}
		for _, name := range configKeywords() {
			keyword := strings.ToLower(name)
			// The first value applies, also across files; only these accumulate.
			if len(s[keyword]) > 0 && keyword != "identityfile" && keyword != "certificatefile" {
				continue
			}
			values, err := cfg.GetAll(h.Name, name)
			if err != nil {
				return nil, fmt.Errorf("%s: %w", f.path, err)
			}
			for _, v := range values {
				s.add(keyword, v, f.path)
			}
		}
	}
	if s.first("proxyjump") != "" && s.first("proxycommand") != "" && h.Jump == "" {
		return nil, fmt.Errorf("ProxyJump and ProxyCommand are both set for %s: %w without ssh; keep one of them", h.Name, ErrUnsupported)
	}
	if v := s.first("canonicalizehostname"); v == "yes" || v == "always" {
		return nil, fmt.Errorf("%s: CanonicalizeHostname %s: %w without ssh; install ssh, or write HostName lines", s["canonicalizehostname"][0].source, v, ErrUnsupported)
	}
	return s, s.complete(h, local, r.getenv)
}

// complete does what `ssh -G` does after reading: it applies the overrides, the tokens in HostName
// and in paths, and the defaults of the known_hosts files.
func (s settings) complete(h Host, local localUser, getenv func(string) string) error {
	s.override(h, sourceInventory) // the tokens below need its values
	hostName := cmp.Or(s.first("hostname"), h.Name)
	if len(s["hostname"]) > 0 && s["hostname"][0].source != sourceInventory {
		hostName = strings.NewReplacer("%%", "%", "%h", h.Name).Replace(hostName)
		s["hostname"][0].text = hostName
	}
	s.decodeJump()
	b := builder{host: h, settings: s}
	x := expander{
		target: &Target{
			Name: h.Name, HostName: hostName, HostKeyAlias: s.first("hostkeyalias"),
			User: cmp.Or(s.first("user"), local.name), Port: b.number("port", 22, 1, 65535),
		},
		local: local, getenv: getenv, jump: s.first("proxyjump"),
	}
	if len(s["userknownhostsfile"]) == 0 {
		s.add("userknownhostsfile", "~/.ssh/known_hosts ~/.ssh/known_hosts2", sourceDefault)
	}
	if len(s["globalknownhostsfile"]) == 0 {
		s.add("globalknownhostsfile", "/etc/ssh/ssh_known_hosts /etc/ssh/ssh_known_hosts2", sourceDefault)
	}
	for _, keyword := range []string{"userknownhostsfile", "globalknownhostsfile"} {
		v := &s[keyword][0]
		if strings.Contains(v.text, `"`) {
			return fmt.Errorf("%s: %s %s: %w without ssh: quotes; write one path without spaces", v.source, keyword, safetext.Line(v.text), ErrUnsupported)
		}
		var paths []string
		for word := range strings.FieldsSeq(v.text) {
			p, err := x.expand(word)
			if err != nil {
				return fmt.Errorf("%s: %s: %w", v.source, keyword, err)
			}
			paths = append(paths, p)
		}
		v.text = strings.Join(paths, " ")
	}
	return nil
}

// decodeJump replaces the URI of the last jump host, in which user names are percent-encoded, by
// user@host:port, as ssh does before it expands tokens.
func (s settings) decodeJump() {
	jumps := strings.Split(s.first("proxyjump"), ",")
	u, err := url.Parse(jumps[len(jumps)-1])
	if err != nil || u.Scheme != "ssh" {
		return
	}
	jumps[len(jumps)-1] = u.Host
	if u.User != nil {
		jumps[len(jumps)-1] = u.User.Username() + "@" + u.Host
	}
	s["proxyjump"][0].text = strings.Join(jumps, ",")
}

// configFile is one ssh_config file; included files are part of the file that includes them.
type configFile struct {
	path     string
	relative string // directory of relative Includes, ssh_config(5) Include
	required bool
}

// configFiles lists the user's file before the system's, so that it has precedence.
func (r Resolver) configFiles(local localUser) []configFile {
	dir := filepath.Join(local.home, ".ssh")
	if r.ConfigFile == "none" {
		return nil
	}
	if r.ConfigFile != "" {
		return []configFile{{path: r.ConfigFile, relative: dir, required: true}}
	}
	return []configFile{
		{path: filepath.Join(dir, "config"), relative: dir},
		{path: "/etc/ssh/ssh_config", relative: "/etc/ssh"},
	}
}

// parse returns nil for an optional file that does not exist.
func (f configFile) parse(home string) (*ssh_config.Config, error) {
	scan := configScan{home: home, relative: f.relative}
	text, err := scan.file(f.path, 0)
	if errors.Is(err, fs.ErrNotExist) && !f.required {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	cfg, err := ssh_config.DecodeBytes(text)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", f.path, err)
	}
	return cfg, nil
}

// configScan refuses the constructs that the parser misreads. It makes Includes absolute, because
// the parser reads all of them relative to the real home directory.
type configScan struct{ home, relative string }

// maxIncludes is ssh's limit (readconf.c).
const maxIncludes = 16

func (c configScan) file(path string, depth int) ([]byte, error) {
	content, err := os.ReadFile(path)
	if err != nil {
		return nil, err
	}
	if depth > maxIncludes {
		return nil, fmt.Errorf("%s: Include nests more than %d times", path, maxIncludes)
	}
	var out strings.Builder
	number := 0
	for line := range strings.Lines(string(content)) {
		number++
		fixed, err := c.line(strings.TrimRight(line, "\r\n"), depth)
		if err != nil {
			return nil, fmt.Errorf("%s:%d: %w", path, number, err)
		}
		out.WriteString(fixed + "\n")
	}
	return []byte(out.String()), nil
}

func (c configScan) line(line string, depth int) (string, error) {
	keyword, value := splitKeyword(line)
	refuse := func(what, remedy string) error {
		return fmt.Errorf("%s: %w without ssh; install ssh or %s", what, ErrUnsupported, remedy)
	}
	switch keyword {
	default:
		if escape.MatchString(value) && !strings.HasPrefix(keyword, "#") {
			return "", refuse(safetext.Line(line)+": a backslash before a space, a quote or a backslash", "write the value without it")
		}
	case "match":
		if !strings.EqualFold(value, "all") {
			return "", refuse("Match "+safetext.Line(value), "use Host lines")
		}
	case "host":
		if strings.ContainsAny(value, "\t\"?") {
			return "", refuse("Host "+safetext.Line(value), "separate the patterns by spaces, without quotes, tabs and question marks")
		}
	case "proxycommand":
		if strings.Contains(value, "#") { // the parser reads a comment, ssh does not
			return "", refuse("ProxyCommand with #", "move the command into a script")
		}
	case "proxyjump", "localcommand", "knownhostscommand": // words without escapes
	case "include":
		if strings.ContainsAny(value, "\t\"") {
			return "", refuse("Include "+safetext.Line(value), "write paths without quotes and tabs")
		}
		if depth > 0 && !filepath.IsAbs(c.absolute(value)) {
			return "", refuse("Include "+safetext.Line(value), "use an absolute path")
		}
		return c.include(value, depth)
	}
	return line, nil
}

// include scans the included files and returns the line with absolute paths.
func (c configScan) include(value string, depth int) (string, error) {
	var patterns []string
	for word := range strings.FieldsSeq(value) {
		pattern := c.absolute(word)
		patterns = append(patterns, pattern)
		found, err := filepath.Glob(pattern)
		if err != nil {
			return "", fmt.Errorf("include %s: %w", safetext.Line(word), err)
		}
		for _, path := range found {
			if _, err := c.file(path, depth+1); err != nil {
				return "", err
			}
		}
	}
	return "Include " + strings.Join(patterns, " "), nil
}

func (c configScan) absolute(path string) string {
	switch {
	case strings.HasPrefix(path, "~/"):
		return filepath.Join(c.home, path[2:])
	case filepath.IsAbs(path):
		return path
	}
	return filepath.Join(c.relative, path)
}

// escape is what ssh reads as one character and the parser as two (argv_split in misc.c).
var escape = regexp.MustCompile(`\\[\\"' ]`)

// splitKeyword parses "Keyword value" and "Keyword=value".
func splitKeyword(line string) (keyword, value string) {
	line = strings.TrimSpace(line)
	end := strings.IndexAny(line, " \t=")
	if end < 0 {
		return strings.ToLower(line), ""
	}
	value = strings.TrimLeft(line[end:], " \t")
	value = strings.TrimLeft(strings.TrimPrefix(value, "="), " \t")
	return strings.ToLower(line[:end]), value
}
