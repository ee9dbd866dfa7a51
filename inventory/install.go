package inventory

import (
	"cmp"
	"errors"
	"fmt"
	"net/url"
	"regexp"
	"slices"
	"strings"
	"unicode"

	"github.com/keep-it-simple/kis/internal/name"
)

// Install describes how a package's environment is made on a host. Paths are as the file writes
// them: relative ones are relative to [Inventory.Dir]. Index addresses may contain passwords: do not
// print them.
type Install struct {
	Mode           Mode
	Installer      Installer
	Extras         []string // of the application, normalized (PEP 685)
	Requirements   string   // file of this machine; "" = none
	Wheels         string   // directory of this machine; "" = none
	IndexURL       string   // http or https; "" = the host's own pip configuration
	ExtraIndexURLs []string // http or https

	written []string // IndexURL and ExtraIndexURLs as the file writes them; nil if they are that
}

// indexes are all index addresses; that of IndexURL may be "".
func (i Install) indexes() []string { return append([]string{i.IndexURL}, i.ExtraIndexURLs...) }

// IndexIdentity returns what identifies IndexURL and ExtraIndexURLs, in this order, nil for none: the
// addresses as the file writes them, without credentials and without values of variables, because
// another password installs the same packages.
func (i Install) IndexIdentity() []string {
	if i.IndexURL == "" && len(i.ExtraIndexURLs) == 0 {
		return nil
	}
	written := i.written
	if written == nil {
		written = i.indexes()
	}
	all := make([]string, 0, len(written))
	for _, address := range written {
		all = append(all, loginPart.ReplaceAllString(address, "://"))
	}
	return all
}

// loginPart is what stands before the host of a URL.
var loginPart = regexp.MustCompile(`://[^/?#]*@`)

// String names no setting: index addresses may contain passwords.
func (i Install) String() string { return "install settings" }

// GoString is [Install.String]: %#v must not print passwords either.
func (i Install) GoString() string { return i.String() }

func (i Install) clone() Install {
	i.Extras, i.ExtraIndexURLs, i.written = slices.Clone(i.Extras), slices.Clone(i.ExtraIndexURLs), slices.Clone(i.written)
	return i
}

// address is an index address with its place, for variables that are missing when it is needed.
type address struct {
	path      string
	line, col int
	value     string
}

// readInstall reads the install settings, and the places of their index addresses.
func readInstall(f field) (Install, []address) {
	s := f.section("install", "a mapping such as {mode: editable}")
	i := Install{
		Mode:           choice(s.get("mode"), ModeEditable, ModeRegular),
		Installer:      choice(s.get("installer"), InstallerAuto, InstallerUV),
		Extras:         readExtras(s.get("extras")),
		Requirements:   s.get("requirements").text(checkLocal),
		Wheels:         s.get("wheels").text(checkLocal),
		IndexURL:       s.get("index_url").text(checkIndexURL),
		ExtraIndexURLs: s.get("extra_index_urls").texts("a list of URLs", checkIndexURL),
	}
	places := []address{{}}
	if index := s.get("index_url"); i.IndexURL != "" {
		places[0] = address{index.path, index.n.line, index.n.col, i.IndexURL}
	}
	if list := s.get("extra_index_urls"); list.set() {
		for _, n := range list.n.items {
			places = append(places, address{list.path, n.line, n.col, n.value})
		}
	}
	return i, places
}

func readExtras(f field) []string {
	var all []string
	for _, item := range f.list("a list of the application's extras") {
		extra := name.Canonical(item.text(checkExtra))
		switch {
		case extra == "":
		case slices.Contains(all, extra):
			item.fail("%s is already in the list", quote(extra))
		default:
			all = append(all, extra)
		}
	}
	return all
}

var extraPattern = regexp.MustCompile(`^[A-Za-z0-9]([A-Za-z0-9._-]*[A-Za-z0-9])?$`)

func checkExtra(extra string) error {
	if !extraPattern.MatchString(extra) || len(extra) > 100 {
		return fmt.Errorf("%s is not the name of an extra; use A-Z a-z 0-9 . _ -", quote(extra))
	}
	return nil
}

// environmentVariable is replaced in index addresses, as pip does it in requirements files.
var environmentVariable = regexp.MustCompile(`\$\{([A-Z0-9_]+)\}`)

// checkIndexURL never repeats the value: index URLs contain passwords and tokens.
func checkIndexURL(raw string) error {
	shape := environmentVariable.ReplaceAllString(raw, "1")
	if strings.Contains(shape, "${") {
		return errors.New("has a ${ that begins no variable; a variable is ${NAME}, of A-Z 0-9 _")
	}
	if !isIndexURL(shape) {
		return errors.New("not an http:// or https:// URL with a host") // the parser's error would repeat the URL
	}
	return nil
}

func isIndexURL(raw string) bool {
	u, err := url.Parse(raw)
	return err == nil && u.Hostname() != "" && (u.Scheme == "http" || u.Scheme == "https") && !strings.ContainsFunc(raw, unicode.IsSpace)
}

// Install returns how a package's environment is made on the hosts. Its index addresses are as the
// file writes them: to use them, call [Inventory.Expand].
func (inv *Inventory) Install() Install { return inv.install.clone() }

// Expand returns the install settings with ${NAME} in index addresses replaced by variables of this
// machine. A variable that is not set or empty is an error with its place. No error contains a value.
func (inv *Inventory) Expand(getenv func(string) string) (Install, error) {
	i := inv.install.clone()
	i.written = i.indexes()
	var errs Errors
	expanded := make([]string, len(i.written))
	for n, a := range inv.addresses {
		value, message := expandAddress(a.value, getenv)
		if message != "" {
			errs = append(errs, &Error{File: inv.shown, Line: a.line, Column: a.col, Path: a.path, Message: message})
		}
		expanded[n] = value
	}
	if len(errs) > 0 {
		return Install{}, errs
	}
	i.IndexURL, i.ExtraIndexURLs = expanded[0], expanded[1:]
	if len(i.ExtraIndexURLs) == 0 {
		i.ExtraIndexURLs = nil
	}
	return i, nil
}

// expandAddress returns the address with the values of its variables, or what is wrong with them.
func expandAddress(written string, getenv func(string) string) (expanded, message string) {
	expanded, missing := expandVariables(written, getenv)
	host, _ := expandVariables(authority(written), getenv)
	switch {
	case missing != "":
		return "", fmt.Sprintf("needs the environment variable %s, which is not set", missing)
	case expanded != written && (!isIndexURL(expanded) || authority(expanded) != host):
		return "", "is no http:// or https:// URL with the values of its variables; characters such as / ? # in them have to be percent-encoded"
	}
	return expanded, ""
}

// expandVariables replaces each ${NAME} by the variable of this machine. missing is the first that is
// not set or empty.
func expandVariables(written string, getenv func(string) string) (expanded, missing string) {
	expanded = environmentVariable.ReplaceAllStringFunc(written, func(v string) string {
		variable := v[2 : len(v)-1]
		value := getenv(variable)
		if value == "" {
			missing = cmp.Or(missing, variable)
		}
		return value
	})
	return expanded, missing
}

// authority is what stands between the scheme of a URL and its path.
func authority(raw string) string {
	_, rest, _ := strings.Cut(raw, "://")
	if end := strings.IndexAny(rest, "/?#"); end >= 0 {
		rest = rest[:end]
	}
	return rest
}
