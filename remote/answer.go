package remote

import (
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"path"
	"regexp"
	"strings"
	"time"

	"github.com/keep-it-simple/kis/internal/tail"

	"github.com/keep-it-simple/kis/internal/name"
)

// answer is a result whose values must be checked, beyond their JSON types. raw is what the host
// sent.
type answer interface {
	check(raw json.RawMessage) error
}

// read returns what a frame says: nil, *Refused, or *Lost where it cannot be used.
func read(f frame, result any) error {
	if f.Ev == "refused" {
		refused := new(Refused)
		if err := decode(f.raw, refused); err != nil {
			return &Lost{Cause: err}
		}
		refused.shorten()
		return refused
	}
	if result == nil {
		return nil
	}
	if err := decode(f.raw, result); err != nil {
		return &Lost{Cause: err}
	}
	if a, some := result.(answer); some {
		if err := a.check(f.raw); err != nil {
			return &Lost{Cause: fmt.Errorf("%w: %w", errFrame, err)}
		}
	}
	return nil
}

func decode(raw json.RawMessage, into any) error {
	if !fits(raw, maxValues, maxDepth) {
		return fmt.Errorf("%w: more than %d values, or nested too deeply", errFrame, maxValues)
	}
	if err := json.Unmarshal(raw, into); err != nil {
		return fmt.Errorf("%w: %w", errFrame, err)
	}
	return nil
}

// requireMembers refuses an answer that lacks a member: a zero value must not pass for an answer.
func requireMembers(raw json.RawMessage, names ...string) error {
	var members map[string]json.RawMessage
	if err := json.Unmarshal(raw, &members); err != nil {
		return err
	}
	for _, name := range names {
		if _, some := members[name]; !some {
			return fmt.Errorf("%q is missing", name)
		}
	}
	return nil
}

// maxSize is more than the size of any package, and small enough to be added.
const maxSize = 1 << 56

func checkSize(bytes int64) error {
	if bytes < 0 || bytes > maxSize {
		return fmt.Errorf("a size of %d bytes", bytes)
	}
	return nil
}

// maxTime is in the year 5138. Not every calendar has times after it, or before 1970.
const maxTime = 1e11

// unixTime is a time as Python's time.time() returns it.
func unixTime(s float64) (time.Time, error) {
	if !(s >= 0 && s < maxTime) {
		return time.Time{}, fmt.Errorf("a time of %v seconds", s)
	}
	whole, part := math.Modf(s)
	return time.Unix(int64(whole), int64(part*1e9)), nil
}

// checkTime refuses a time that can be read but not written, such as one with the zone +24:00.
func checkTime(t time.Time) error {
	_, err := t.MarshalJSON()
	return err
}

func (p *InstalledPackage) check() error {
	switch {
	case (p.State == Sealed) != (p.Receipt != nil):
		return fmt.Errorf("package %q is %q, which contradicts its receipt", p.Name, p.State)
	case p.Receipt == nil:
		return nil
	case p.Receipt.Package != p.Name:
		return fmt.Errorf("package %q has the receipt of %q", p.Name, p.Receipt.Package)
	}
	return p.Receipt.check()
}

func (r *Receipt) check() error {
	if r.Package.IsZero() {
		return errors.New("a receipt of no package")
	}
	return errors.Join(checkSize(r.Size), checkSize(r.Files), checkTime(r.Created))
}

func (s *StageState) check() error {
	if s.Holder == nil {
		return nil
	}
	return checkTime(s.Holder.Since)
}

func (r *Removed) check(raw json.RawMessage) error {
	r.Left = cut(r.Left, maxText)
	return errors.Join(requireMembers(raw, "bytes", "files"), checkSize(r.Bytes), checkSize(r.Files))
}

func checkPackages(all []InstalledPackage) error {
	seen := map[name.Package]bool{}
	for _, p := range all {
		if p.Name.IsZero() || seen[p.Name] {
			return fmt.Errorf("package %q, twice or without a name", p.Name)
		}
		seen[p.Name] = true
		if err := p.check(); err != nil {
			return err
		}
	}
	return nil
}

func (f *Facts) check(json.RawMessage) error {
	if err := f.Stage.check(); err != nil {
		return err
	}
	if err := f.Package.check(); err != nil {
		return err
	}
	return checkPackages(f.Packages)
}

// checkFor refuses facts about another stage or package than the requested one. An empty host names
// neither.
func (f *Facts) checkFor(r CheckRequest) error {
	if s := f.Stage.Stage; s != "" && s != r.Stage.String() {
		return fmt.Errorf("%w: about the stage %q", errFrame, s)
	}
	if p := f.Package.Name; !p.IsZero() && p != r.Package {
		return fmt.Errorf("%w: about the package %q", errFrame, p)
	}
	return nil
}

func (s *RepositoryState) check(json.RawMessage) error {
	seen := map[string]bool{}
	for _, there := range s.Stages {
		stage, err := name.ParseStage(there.Stage)
		if err != nil {
			return err
		}
		if seen[stage.String()] {
			return fmt.Errorf("stage %q, twice", stage)
		}
		seen[stage.String()] = true
		if err := there.check(); err != nil {
			return err
		}
	}
	for _, service := range s.Services {
		if err := service.check(); err != nil {
			return err
		}
	}
	return checkPackages(s.Packages)
}

func (l *Locked) check(raw json.RawMessage) error {
	if err := requireMembers(raw, "directory", "linked", "journal"); err != nil {
		return err
	}
	if !path.IsAbs(l.Directory) || path.Clean(l.Directory) != l.Directory {
		return fmt.Errorf("the directory of the run is %q", l.Directory)
	}
	if l.Journal < 0 {
		return fmt.Errorf("line %d of the journal", l.Journal)
	}
	return nil
}

func (f *Fenced) check(raw json.RawMessage) error {
	return requireMembers(raw, "fenced", "linked", "durable")
}

// clockAnswer is the answer to a ping.
type clockAnswer struct {
	Wall float64 `json:"wall"`
	at   time.Time
}

func (c *clockAnswer) check(raw json.RawMessage) (err error) {
	if err := requireMembers(raw, "wall"); err != nil {
		return err
	}
	c.at, err = unixTime(c.Wall)
	return err
}

// linkAnswer is the answer after a rename.
type linkAnswer struct {
	At      float64 `json:"at"`
	Durable bool    `json:"durable"`
	at      time.Time
}

func (l *linkAnswer) check(raw json.RawMessage) (err error) {
	if err := requireMembers(raw, "at", "durable"); err != nil {
		return err
	}
	l.at, err = unixTime(l.At)
	return err
}

// resumeAnswer is the answer of a switch that is taken over.
type resumeAnswer struct {
	Durable bool `json:"durable"`
}

func (*resumeAnswer) check(raw json.RawMessage) error { return requireMembers(raw, "durable") }

// packageAnswer is the answer about a package that was requested by name.
type packageAnswer struct {
	Sealed  bool     `json:"sealed"`
	Receipt *Receipt `json:"receipt"`
	asked   name.Package
}

func (p *packageAnswer) check(raw json.RawMessage) error {
	if err := requireMembers(raw, "sealed"); err != nil || !p.Sealed {
		return err
	}
	return (&InstalledPackage{Name: p.asked, State: Sealed, Receipt: p.Receipt}).check()
}

// sealAnswer is the answer about a package that was just sealed.
type sealAnswer struct {
	Receipt *Receipt `json:"receipt"`
	asked   name.Package
}

func (s *sealAnswer) check(json.RawMessage) error {
	return (&InstalledPackage{Name: s.asked, State: Sealed, Receipt: s.Receipt}).check()
}

// wheelFile matches the file names of wheels (PEP 427) and source distributions, and no path.
var wheelFile = regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9._+!-]{0,250}(\.whl|\.tar\.gz|\.zip)$`)

var sha256Text = regexp.MustCompile(`^[0-9a-f]{64}$`)

func (w Wheel) check() error {
	if !wheelFile.MatchString(w.Name) || !sha256Text.MatchString(w.SHA256) {
		return fmt.Errorf("a wheel %q with the sha256 %q", cut(w.Name, maxCode), cut(w.SHA256, maxCode))
	}
	return checkSize(w.Size)
}

func (m *Made) check(raw json.RawMessage) error {
	if err := requireMembers(raw, "wheels", "application"); err != nil {
		return err
	}
	for _, w := range m.Wheels {
		if err := w.check(); err != nil {
			return err
		}
	}
	if m.Application != nil {
		return m.Application.check()
	}
	return nil
}

// maxPacked bounds the bytecode of a package, in bytes: that of 20,000 modules takes a tenth.
const maxPacked = 1 << 30

func (p *Packed) check(raw json.RawMessage) error {
	if !sha256Text.MatchString(p.SHA256) || p.Size <= 0 || p.Size > maxPacked {
		return fmt.Errorf("%d bytes of bytecode with the sha256 %q", p.Size, cut(p.SHA256, maxCode))
	}
	return requireMembers(raw, "sha256", "size")
}

func (f *Filled) check(raw json.RawMessage) error {
	if f.Modules < 0 {
		return fmt.Errorf("%d modules", f.Modules)
	}
	return requireMembers(raw, "installed", "modules")
}

// rehashAnswer names the files of a package that have changed.
type rehashAnswer struct {
	Differences []string `json:"differences"`
}

func (r *rehashAnswer) check(raw json.RawMessage) error {
	for i := range r.Differences {
		r.Differences[i] = cut(r.Differences[i], maxText)
	}
	return requireMembers(raw, "differences")
}

// holderAnswer names the holder of a lock.
type holderAnswer struct {
	Holder *Holder `json:"holder"`
}

func (h *holderAnswer) check(raw json.RawMessage) error {
	if err := requireMembers(raw, "holder"); err != nil || h.Holder == nil {
		return err
	}
	return checkTime(h.Holder.Since)
}

// Limits of the texts of a refusal.
const (
	maxCode = 64
	maxText = 4 << 10
)

// shorten finds the cause, and bounds what is shown to the user: a host can send as much as fits into a
// frame.
func (r *Refused) shorten() {
	r.Code = Code(cut(string(r.Code), maxCode))
	for _, text := range []*string{&r.Message, &r.Hint, &r.Ours, &r.Theirs, &r.Errno} {
		*text = cut(*text, maxText)
	}
	if h := r.Holder; h != nil && checkTime(h.Since) != nil {
		h.Since = time.Time{}
	}
	r.Cause = cut(tail.Cause(r.Tail), maxText)
	r.Tail = tail.Last(r.Tail)
	for i := range r.Tail {
		r.Tail[i] = cut(r.Tail[i], maxText)
	}
}

// cut returns the beginning of a text, without a partial character at its end.
func cut(text string, size int) string {
	if len(text) <= size {
		return text
	}
	return strings.ToValidUTF8(text[:size], "")
}
