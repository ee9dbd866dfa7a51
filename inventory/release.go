package inventory

import (
	"fmt"
	"net/url"
	"path"
	"regexp"
	"strconv"
	"strings"
	"time"

	"github.com/keep-it-simple/kis/internal/name"
)

// Command is one command for the host's sh. It runs in the package, with the environment's programs first in PATH.
type Command struct {
	Run     string
	Once    bool          // on one host of the run only
	Timeout time.Duration // 0: as for every step, --timeout
}

// Shared are the directories and files below ROOT/shared that packages have in common, each linked into the package at the
// same place: clean relative paths.
type Shared struct {
	Dirs  []string
	Files []string
}

// Service is a systemd unit that is restarted after each switch.
type Service struct {
	Unit name.Unit
	User bool // of the deploying user's own manager: systemctl --user
}

// Health is what a host asks itself over HTTP after each switch. Texts may contain $KIS_… variables: see [Health.Expand].
type Health struct {
	URL         string // http or https; "" = there is no check
	Unix        string // path of a Unix socket to connect to; "" = the URL's host and port
	Host        string // Host header, and the name that the certificate has; "" = the URL's
	Status      int    // 1xx to 5xx
	Header      string // "Name: value" that the answer must have
	Expect      string // text that the body must contain
	Within      time.Duration
	Consecutive int // successes in a row
}

// Batch is how many hosts restart at a time. The zero value is all of them.
type Batch struct{ hosts, percent int }

// Of returns the size of a batch for a number of hosts: at least 1, at most all.
func (b Batch) Of(hosts int) int {
	size := hosts
	switch {
	case b.hosts > 0:
		size = b.hosts
	case b.percent > 0:
		size = hosts * b.percent / 100
	}
	return max(1, min(size, hosts))
}

// Limits of durations in the file.
const (
	maxDuration   = 24 * time.Hour
	defaultHealth = 30 * time.Second
)

// commands reads a list of commands, each a text or a mapping. onceAllowed is false where every host needs the result.
func (f field) commands(onceAllowed bool) []Command {
	var all []Command
	for _, item := range f.list("a list of commands") {
		if item.n.kind != mapping {
			if text := item.text(checkNUL); text != "" {
				all = append(all, Command{Run: text})
			}
			continue
		}
		s := item.section("command", "a command, or a mapping such as {run: …, once: true}")
		c := Command{Run: s.get("run").text(checkNUL), Once: s.get("once").flag(), Timeout: s.get("timeout").duration()}
		if item.require("run", "it is the command") && c.Once && !onceAllowed {
			s.get("once").fail("every host builds and verifies a package of its own; remove it")
		}
		all = append(all, c)
	}
	return all
}

var numberPattern = regexp.MustCompile(`^[0-9.]+$`)

// duration reads a time such as 30s or 5m.
func (f field) duration() time.Duration {
	var d time.Duration
	if !f.set() {
		return 0
	}
	if text, ok := f.scalar(); ok && numberPattern.MatchString(text) {
		f.fail("%s has no unit; write it as %ss", text, text)
		return 0
	}
	f.text(func(text string) (err error) {
		if d, err = time.ParseDuration(text); err != nil {
			return fmt.Errorf("%s is not a duration; write it as 30s or 5m", quote(text))
		}
		if d <= 0 || d > maxDuration {
			return fmt.Errorf("%s is not between 0 and %v", quote(text), maxDuration)
		}
		return nil
	})
	return d
}

func readShared(f field) Shared {
	s := f.section("shared", "a mapping such as {dirs: [media], files: [.env]}")
	shared := Shared{
		Dirs:  s.get("dirs").texts("a list of directories", checkShared),
		Files: s.get("files").texts("a list of files", checkShared),
	}
	seen := map[string]bool{}
	for _, p := range append(append([]string{}, shared.Dirs...), shared.Files...) {
		if seen[p] {
			f.fail("%s is listed twice; remove one of them", quote(p))
		}
		seen[p] = true
	}
	for inner := range seen {
		for outer := path.Dir(inner); outer != "."; outer = path.Dir(outer) {
			if seen[outer] {
				f.fail("%s is below %s, which is shared already; remove it", quote(inner), quote(outer))
			}
		}
	}
	return shared
}

// checkShared accepts a path in the package that kis does not use itself.
func checkShared(p string) error {
	first, _, _ := strings.Cut(p, "/")
	switch {
	case !pathPattern.MatchString(p):
		return fmt.Errorf("%s has characters that are unsafe in a path; use A-Z a-z 0-9 . _ / + -", quote(p))
	case strings.HasPrefix(p, "/"):
		return fmt.Errorf("%s is absolute; name it as it is in the package, it lies in the directory shared of the root", quote(p))
	case path.Clean(p) != p || p == "." || first == "..":
		return fmt.Errorf("%s is not a clean path below the package", quote(p))
	case first == ".kis" || first == ".venv":
		return fmt.Errorf("%s belongs to kis, and cannot be shared", quote(p))
	}
	return nil
}

// services reads a list of units, each a name or a mapping.
func (f field) services() []Service {
	var all []Service
	for _, item := range f.list("a list of systemd units") {
		if item.n.kind != mapping {
			all = append(all, Service{Unit: parsed(item, name.ParseUnit)})
			continue
		}
		s := item.section("service", "a unit, or a mapping such as {unit: blog.service, user: true}")
		item.require("unit", "it is the name of the systemd unit")
		all = append(all, Service{Unit: parsed(s.get("unit"), name.ParseUnit), User: s.get("user").flag()})
	}
	return all
}

func readHealth(f field) Health {
	s := f.section("health", "a mapping such as {url: \"http://127.0.0.1:8000/healthz\"}")
	if !f.set() {
		return Health{}
	}
	f.require("url", "it is the address that the host asks")
	h := Health{
		URL: s.get("url").text(checkHealthURL), Unix: s.get("unix").text(checkSocket), Host: s.get("host").text(checkHost),
		Status: s.get("status").number(100, 599), Header: s.get("header").text(checkHeader), Expect: s.get("expect").text(checkExpanded),
		Within: s.get("within").duration(), Consecutive: s.get("consecutive").number(1, 1000),
	}
	if h.Status == 0 {
		h.Status = 200
	}
	if h.Within == 0 {
		h.Within = defaultHealth
	}
	h.Consecutive = max(1, h.Consecutive)
	return h
}

func checkHealthURL(raw string) error {
	if err := checkExpanded(raw); err != nil {
		return err
	}
	// A variable may stand for the port, which must be a number.
	u, err := url.Parse(variablePattern.ReplaceAllString(raw, "1"))
	if err != nil || u.Hostname() == "" || (u.Scheme != "http" && u.Scheme != "https") || u.User != nil {
		return fmt.Errorf("%s is not an http:// or https:// URL with a host, and without a password", quote(raw))
	}
	return nil
}

func checkSocket(p string) error {
	if !strings.HasPrefix(p, "/") || path.Clean(p) != p || len(p) > 100 {
		return fmt.Errorf("%s is not the absolute, clean path of a Unix socket (at most 100 bytes)", quote(p))
	}
	return nil
}

var headerPattern = regexp.MustCompile(`^[A-Za-z0-9-]+:[^\r\n]+$`)

func checkHeader(text string) error {
	if !headerPattern.MatchString(text) {
		return fmt.Errorf("%s is not a header; write it as %q", quote(text), "X-Version: $KIS_VERSION")
	}
	return checkExpanded(text)
}

// variablePattern is a variable in a text of health.
var variablePattern = regexp.MustCompile(`\$\{?[A-Za-z_][A-Za-z0-9_]*\}?`)

var knownVariable = regexp.MustCompile(`^\$(?:KIS_(?:STAGE|PACKAGE|VERSION|HOST|RUN|VAR_[A-Z0-9_]+)|\{KIS_(?:STAGE|PACKAGE|VERSION|HOST|RUN|VAR_[A-Z0-9_]+)\})$`)

// checkExpanded refuses variables that kis does not set: their text would be compared as it stands.
func checkExpanded(text string) error {
	for _, v := range variablePattern.FindAllString(text, -1) {
		if !knownVariable.MatchString(v) {
			return fmt.Errorf("%s is no variable of kis; there are $KIS_VERSION, $KIS_PACKAGE, $KIS_STAGE, $KIS_HOST, $KIS_RUN and $KIS_VAR_…", quote(v))
		}
	}
	return checkNUL(text)
}

// Expand replaces the variables in the texts of the check. The error names a variable that the host does not have.
func (h Health) Expand(variables map[string]string) (Health, error) {
	var missing error
	for _, text := range []*string{&h.URL, &h.Header, &h.Expect} {
		*text = variablePattern.ReplaceAllStringFunc(*text, func(v string) string {
			value, ok := variables[strings.Trim(v, "${}")]
			if !ok {
				missing = fmt.Errorf("health: the host has no variable %s", strings.Trim(v, "${}"))
			}
			return value
		})
	}
	return h, missing
}

func readRollout(f field) Batch {
	s := f.section("rollout", "a mapping such as {batch: 25%}")
	b := s.get("batch")
	if !b.set() {
		return Batch{}
	}
	text, ok := b.scalar()
	if !ok || text == "all" {
		return Batch{}
	}
	digits, percent := strings.CutSuffix(text, "%")
	n, err := strconv.Atoi(digits)
	switch {
	case err != nil || n < 1 || percent && n > 100:
		b.fail("%s is not a batch; write a number of hosts, a share such as 25%%, or all", quote(text))
	case percent:
		return Batch{percent: n}
	default:
		return Batch{hosts: n}
	}
	return Batch{}
}
