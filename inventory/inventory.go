// Package inventory reads inventory.yaml: which hosts exist, how they are grouped, which of them
// form a stage, and how a package is built and installed there. It converts a file written by a
// user to valid values, or to errors that name the line, the column and the remedy.
//
// It opens no connection, resolves no name and reads no ssh_config: a host that only ssh_config
// knows is a plain name here. It runs no command of the file either: [Options.Dynamic] does. An
// [Inventory] never changes once it is read, so that any number of goroutines may use it at the
// same time; its methods return copies that belong to the caller.
package inventory

import (
	"cmp"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"

	"github.com/keep-it-simple/kis/internal/name"
	"github.com/keep-it-simple/kis/internal/safetext"
)

// maxSize is far above any real inventory, and small enough to read a wrong file (a tarball, a
// device) without harm.
const maxSize = 1 << 20

// ErrNotFound is wrapped by the error of [Find] if neither the directory nor one above it has an
// inventory.
var ErrNotFound = errors.New("no inventory found")

// Inventory is a file that was read, validated and expanded. Only [Load] and [Parse] make one; the
// zero value is invalid.
type Inventory struct {
	path      string
	shown     string // what errors call it
	hosts     []Host // in inventory order, with everything applied
	index     map[string]int
	groups    []group // in the order of the file
	stages    []stage // in the order of the file
	build     Builder
	install   Install
	addresses []address // of install: index_url, which may be absent, and extra_index_urls
	shared    Shared
	prepare   []Command
	verify    []Command // of every package
	keep      int
}

// stage is a Stage and the names of its hosts, in the order of its list.
type stage struct {
	Stage
	hosts []string
}

// Find looks for inventory.yaml or inventory.yml in dir and then in every directory above it, as
// git looks for its repository, and returns the path of the nearest one. Two of them in one
// directory are an error, because only one would be read. If there is none, the error wraps
// [ErrNotFound], and names the directories and the remedy.
func Find(dir string) (string, error) {
	start, err := filepath.Abs(dir)
	if err != nil {
		return "", fmt.Errorf("find inventory: %w", err)
	}
	for at := start; ; at = filepath.Dir(at) {
		found, err := findIn(at)
		if err != nil {
			return "", fmt.Errorf("find inventory: %w", err)
		}
		if found != "" {
			return found, nil
		}
		if at == filepath.Dir(at) {
			return "", fmt.Errorf("%w: looked for inventory.yaml and inventory.yml in %s and every directory above it; "+
				"write one with kis init, or name it with --inventory", ErrNotFound, start)
		}
	}
}

// findIn returns the one inventory of a directory, or "".
func findIn(dir string) (string, error) {
	found := ""
	for _, name := range []string{"inventory.yaml", "inventory.yml"} {
		path := filepath.Join(dir, name)
		info, err := os.Stat(path)
		switch {
		case errors.Is(err, os.ErrNotExist):
			continue
		case err != nil:
			return "", err // kis must not use another file because this one is unreadable
		case info.IsDir():
			continue
		case found != "":
			return "", fmt.Errorf("both %s and %s exist; remove one of them or choose with --inventory", found, path)
		}
		found = path
	}
	return found, nil
}

// Options are what [Load] needs besides the file.
type Options struct {
	// Shown is what errors call the file; "" is its path as given.
	Shown string
	// CheckHostKey is the check of the SSH client that will use host_key; nil accepts any text.
	CheckHostKey func(string) error
	// Dynamic runs a command of `dynamic` in the directory and returns what it prints. It decides whether
	// the command may run. nil refuses all.
	Dynamic func(dir, command string) ([]byte, error)
}

// Load reads the file at path, at most 1 MiB of it, and parses it as [Parse] does, with the hosts of
// `ansible` and `dynamic`. The path is kept as given: [Inventory.Dir] is its directory.
func Load(path string, o Options) (*Inventory, error) {
	src, err := read(path)
	if err != nil {
		return nil, err
	}
	inv, err := parse(cmp.Or(o.Shown, path), src, source{filepath.Dir(path), o.Dynamic}, o.CheckHostKey)
	if err != nil {
		return nil, err
	}
	inv.path = path
	return inv, nil
}

// Stages returns the names of the stages of the file at path, for completion: it reads no other
// file, and runs no command. A file with errors may have none.
func Stages(path string) []string {
	src, err := read(path)
	if err != nil {
		return nil
	}
	r := newReader(path, src)
	if r.checkSize(); len(r.errs) > 0 {
		return nil
	}
	root, bad := parseYAML(src)
	if bad != nil || root == nil || root.child("stages") == nil {
		return nil
	}
	var names []string
	for _, p := range root.child("stages").pairs {
		if _, err := name.ParseStage(p.key.value); err == nil {
			names = append(names, p.key.value)
		}
	}
	return names
}

// read reads a file, and a little more than maxSize of a larger one.
func read(path string) ([]byte, error) {
	file, err := os.Open(path)
	if err != nil {
		return nil, fmt.Errorf("inventory: %w", err)
	}
	defer file.Close() //nolint:errcheck // the file was only read
	if info, err := file.Stat(); err == nil && info.IsDir() {
		return nil, fmt.Errorf("%s is a directory; name the file, or, if it is an Ansible inventory: "+useAnsible, safetext.Line(path), safetext.Line(filepath.Base(path)))
	}
	src, err := io.ReadAll(io.LimitReader(file, maxSize+1))
	if err != nil {
		return nil, fmt.Errorf("inventory: %w", err)
	}
	return src, nil
}

// Path returns the path of the file, as given to [Load] or [Parse].
func (inv *Inventory) Path() string { return inv.path }

// Dir returns the directory of the file. Relative paths in the file (requirements, wheels,
// identity_file) are relative to it.
func (inv *Inventory) Dir() string { return filepath.Dir(inv.path) }

// StageNames returns the stages in the order of the file.
func (inv *Inventory) StageNames() []string {
	names := make([]string, 0, len(inv.stages))
	for _, s := range inv.stages {
		names = append(names, s.Name.String())
	}
	return names
}

// HostNames returns every host in inventory order: those under `hosts`, then those that only groups
// name, then those that only stages name, each in the order of the file.
func (inv *Inventory) HostNames() []string {
	names := make([]string, 0, len(inv.hosts))
	for _, h := range inv.hosts {
		names = append(names, h.Name)
	}
	return names
}

// GroupNames returns the groups in the order of the file.
func (inv *Inventory) GroupNames() []string {
	names := make([]string, 0, len(inv.groups))
	for _, g := range inv.groups {
		names = append(names, g.name)
	}
	return names
}

// Stage returns the stage with that name. The error for an unknown one lists the stages and
// suggests the nearest.
func (inv *Inventory) Stage(name string) (Stage, error) {
	s, err := inv.stage(name)
	if err != nil {
		return Stage{}, err
	}
	return s.clone(), nil
}

func (inv *Inventory) stage(name string) (stage, error) {
	i := slices.IndexFunc(inv.stages, func(s stage) bool { return s.Name.String() == name })
	if i < 0 {
		text := unknown("stage", name, inv.StageNames())
		switch _, host := inv.index[name]; {
		case slices.Contains(inv.GroupNames(), name):
			text += fmt.Sprintf("; %s is a group: name a stage, and narrow it with --hosts @%s", quote(name), name)
		case host:
			text += fmt.Sprintf("; %s is a host: name a stage, and narrow it with --hosts %s", quote(name), name)
		}
		return stage{}, fmt.Errorf("%s: %s", inv.shown, text)
	}
	return inv.stages[i], nil
}

// Build returns how the source distribution is made on this machine.
func (inv *Inventory) Build() Builder { return inv.build }

// Shared returns what packages have in common on a host.
func (inv *Inventory) Shared() Shared {
	return Shared{Dirs: slices.Clone(inv.shared.Dirs), Files: slices.Clone(inv.shared.Files)}
}

// Prepare returns the commands that complete a package before it is sealed.
func (inv *Inventory) Prepare() []Command { return slices.Clone(inv.prepare) }

// Verify returns the commands that verify a package, once on each host. Those of a stage are [Stage.Verify].
func (inv *Inventory) Verify() []Command { return slices.Clone(inv.verify) }

// Keep returns how many packages each stage keeps on a host.
func (inv *Inventory) Keep() int { return inv.keep }

// String returns the file's name and the numbers of its entries. It shows no setting, because index
// URLs may contain passwords.
func (inv *Inventory) String() string {
	return fmt.Sprintf("%s: %d stages, %d hosts, %d groups", inv.shown, len(inv.stages), len(inv.hosts), len(inv.groups))
}

// GoString is [Inventory.String], for the same reason.
func (inv *Inventory) GoString() string { return inv.String() }
