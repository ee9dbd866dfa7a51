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
	"slices"
	"strings"
	"syscall"

	"github.com/kevinburke/ssh_config"

	"github.com/keep-it-simple/kis/internal/safetext"
	"github.com/keep-it-simple/kis/sshx/hostkey"
)

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
		for keyword := range strings.FieldsSeq(oneValue + " " + manyValues) {
			// The first value applies, also across files; only these accumulate.
			if len(s[keyword]) > 0 && keyword != "identityfile" && keyword != "certificatefile" {
				continue
			}
			values, err := cfg.GetAll(h.Name, keyword)
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
			Name: h.Name, HostName: hostName, Options: hostkey.Options{HostKeyAlias: s.first("hostkeyalias")},
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
	checked  bool // no other user may write it
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
		{path: filepath.Join(dir, "config"), relative: dir, checked: true},
		{path: "/etc/ssh/ssh_config", relative: "/etc/ssh"},
	}
}

// parse returns nil for an optional file that cannot be read: ssh passes over that, too.
func (f configFile) parse(home string) (*ssh_config.Config, error) {
	content, err := readConfigFile(f.path, f.checked)
	if err != nil && !f.required && !errors.Is(err, errPermissions) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	scan := configScan{home: home, relative: f.relative}
	text, err := scan.text(f.path, content, 0)
	if err != nil {
		return nil, err
	}
	cfg, err := ssh_config.DecodeBytes(text)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", f.path, err)
	}
	return cfg, nil
}

// configScan refuses the constructs that the parser misreads. It replaces Includes by the files that
// they name, because the parser reads all of them relative to the real home directory.
type configScan struct {
	home, relative string
	ignored        []string // patterns of IgnoreUnknown
}

// maxIncludes is ssh's limit (readconf.c).
const maxIncludes = 16

// longestLine is far above any line of a configuration.
const longestLine = 16 << 10

// errPermissions says that another user may write a file of the configuration, which decides what runs.
var errPermissions = errors.New("bad owner or permissions")

// readConfigFile reads a file that no other user may write, if it is checked. A directory is empty, as
// for ssh, and a pipe could block.
func readConfigFile(path string, checked bool) ([]byte, error) {
	info, err := os.Stat(path)
	switch {
	case err != nil:
		return nil, err
	case info.IsDir():
		return nil, nil
	case info.Mode()&(fs.ModeNamedPipe|fs.ModeSocket) != 0:
		return nil, fmt.Errorf("%s: is not a regular file", path)
	}
	owner, ok := info.Sys().(*syscall.Stat_t)
	if checked && (info.Mode().Perm()&0o022 != 0 || ok && owner.Uid != 0 && int(owner.Uid) != os.Getuid()) {
		return nil, fmt.Errorf("%s: %w (mode %04o); run: chmod go-w %s", path, errPermissions, info.Mode().Perm(), safetext.Word(path))
	}
	return os.ReadFile(path)
}

func (c *configScan) text(path string, content []byte, depth int) ([]byte, error) {
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

func (c *configScan) line(line string, depth int) (string, error) {
	keyword, value := splitKeyword(line)
	switch {
	case len(line) > longestLine: // the parser takes quadratic time
		return "", fmt.Errorf("has more than %d bytes: %w without ssh", longestLine, ErrUnsupported)
	case keyword == "" || keyword[0] == '#':
		return line, nil
	case strings.Contains(line, "\x00"):
		return "", errors.New("has a NUL character")
	case !isKeyword(keyword) && !slices.ContainsFunc(c.ignored, func(pattern string) bool { return hostkey.MatchPattern(pattern, keyword) }):
		return "", fmt.Errorf("bad configuration option: %s", safetext.Line(keyword))
	}
	if err := checkWords(keyword, value); err != nil {
		return "", err
	}
	refuse := func(what, remedy string) error {
		return fmt.Errorf("%s: %w without ssh; install ssh or %s", what, ErrUnsupported, remedy)
	}
	switch keyword {
	default:
		if escape.MatchString(value) {
			return "", refuse(safetext.Line(line)+": a backslash before a space, a quote or a backslash", "write the value without it")
		}
		if strings.Contains(value, "'") {
			return "", refuse(safetext.Line(line)+": single quotes", "use double quotes")
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
	case "ignoreunknown":
		if c.ignored = strings.Split(strings.ToLower(strings.Trim(value, `"`)), ","); strings.ContainsAny(value, " \t") {
			return "", refuse("IgnoreUnknown "+safetext.Line(value), "separate the patterns by commas")
		}
		return "#", nil // the parser keeps the words that it knows
	case "proxyjump", "localcommand", "knownhostscommand": // words without escapes
	case "include":
		if strings.ContainsAny(value, "\t\"") || strings.Contains(" "+strings.ReplaceAll(value, "~/", ""), " ~") {
			return "", refuse("Include "+safetext.Line(value), "write paths without quotes, tabs and ~USER")
		}
		if depth > 0 && !filepath.IsAbs(c.absolute(value)) {
			return "", refuse("Include "+safetext.Line(value), "use an absolute path")
		}
		return c.include(value, depth)
	}
	return line, nil
}

// include scans the included files and returns the line with absolute paths.
func (c *configScan) include(value string, depth int) (string, error) {
	var files []string
	for word := range strings.FieldsSeq(value) {
		found, err := filepath.Glob(c.absolute(word))
		if err != nil {
			return "", fmt.Errorf("include %s: %w", safetext.Line(word), err)
		}
		for _, path := range found {
			content, err := readConfigFile(path, true)
			if errors.Is(err, fs.ErrNotExist) || err == nil && len(content) == 0 {
				continue // a dangling link, a directory: nothing to read
			}
			if err != nil {
				return "", err
			}
			if strings.ContainsAny(path, " \t") {
				return "", fmt.Errorf("include %s: %w without ssh: spaces in its name", safetext.Line(path), ErrUnsupported)
			}
			if _, err := c.text(path, content, depth+1); err != nil {
				return "", err
			}
			files = append(files, path)
		}
	}
	if len(files) == 0 {
		return "#", nil
	}
	return "Include " + strings.Join(files, " "), nil
}

func (c *configScan) absolute(path string) string {
	switch {
	case strings.HasPrefix(path, "~/"):
		return filepath.Join(c.home, path[2:])
	case filepath.IsAbs(path):
		return path
	}
	return filepath.Join(c.relative, path)
}

// checkWords refuses what ssh refuses of every keyword: no value, quotes without a second, and a second
// value where there is one.
func checkWords(keyword, value string) error {
	switch {
	case value == "":
		return fmt.Errorf("no argument after keyword %q", keyword)
	case strings.Count(value, `"`)%2 != 0, strings.Count(value, `'`)%2 != 0:
		return errors.New("invalid quotes")
	case strings.ContainsAny(value, `"\`) || !slices.Contains(strings.Fields(oneValue), keyword):
		return nil
	}
	words := strings.Fields(value)
	if comment := slices.IndexFunc(words, func(word string) bool { return word[0] == '#' }); comment >= 0 {
		words = words[:comment]
	}
	if len(words) > 1 {
		return fmt.Errorf("keyword %s extra arguments at end of line", keyword)
	}
	return nil
}

// oneValue are the keywords with one value, as far as a Target depends on them.
const oneValue = `hostname port user identityfile certificatefile identitiesonly identityagent hostkeyalias
stricthostkeychecking hashknownhosts hostkeyalgorithms kexalgorithms ciphers macs connecttimeout
serveraliveinterval serveralivecountmax addressfamily batchmode pubkeyauthentication passwordauthentication
kbdinteractiveauthentication challengeresponseauthentication preferredauthentications bindaddress bindinterface
casignaturealgorithms requiredrsasize pubkeyacceptedalgorithms numberofpasswordprompts`

// manyValues are the other keywords that a Target depends on.
const manyValues = `userknownhostsfile globalknownhostsfile proxyjump proxycommand revokedhostkeys knownhostscommand
verifyhostkeydns proxyusefdpass canonicalizehostname forwardagent forwardx11 localforward remoteforward dynamicforward`

// escape is what ssh reads as one character and the parser as two (argv_split in misc.c).
var escape = regexp.MustCompile(`\\[\\"' ]`)

// splitKeyword parses "Keyword value" and "Keyword=value".
func splitKeyword(line string) (keyword, value string) {
	line = strings.Trim(line, " \t\r\n")
	end := strings.IndexAny(line, " \t=")
	if end < 0 {
		return strings.ToLower(line), ""
	}
	value = strings.TrimLeft(line[end:], " \t")
	value = strings.TrimLeft(strings.TrimPrefix(value, "="), " \t")
	return strings.ToLower(line[:end]), value
}
