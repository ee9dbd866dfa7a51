package inventory

import (
	"errors"
	"fmt"
	"path/filepath"
	"regexp"
	"slices"

	"github.com/keep-it-simple/kis/internal/ansible"
	"github.com/keep-it-simple/kis/internal/name"
	"github.com/keep-it-simple/kis/internal/safetext"
)

// source is where the hosts of `ansible` and `dynamic` come from. The zero value has none: the
// inventory was not read from a file.
type source struct {
	dir     string
	dynamic func(dir, command string) ([]byte, error)
}

// foreign is an Ansible inventory from which the file takes hosts. Its groups are groups of the
// file. Only the hosts that a list names become hosts: the others may be machines that kis could
// not connect to.
type foreign struct {
	inv      *ansible.Inventory
	key      field // the key of the file that names it
	problems map[string][]ansible.Problem
}

// foreignGroup matches the groups that --hosts and lists can name.
var foreignGroup = regexp.MustCompile(`^[A-Za-z0-9_][A-Za-z0-9_.-]{0,127}$`)

// readForeign reads `ansible` or `dynamic`. It is false if that failed.
func (t *topology) readForeign(s section, from source) bool {
	key := s.get("ansible")
	command := s.get("dynamic")
	switch {
	case !key.set() && !command.set():
		return true
	case key.set() && command.set():
		command.fail("ansible and dynamic are two sources of hosts; remove one of them")
		return false
	case from.dir == "":
		for _, f := range []field{key, command} {
			if f.set() {
				f.fail("works in a file only")
			}
		}
		return false
	}
	var inv *ansible.Inventory
	if command.set() {
		key = command
		inv = t.r.runDynamic(command, from)
	} else {
		inv = readAnsible(key, from)
	}
	if inv == nil {
		return false
	}
	t.foreign = &foreign{inv: inv, key: key, problems: map[string][]ansible.Problem{}}
	for _, title := range inv.Groups() {
		if !foreignGroup.MatchString(title) {
			key.fail("the group %s of the Ansible inventory has characters that --hosts cannot name; use A-Z a-z 0-9 _ . -", quote(title))
			return false
		}
		t.groups[title] = &group{name: title, members: inv.Members(title), state: resolved}
		t.groupOrder = append(t.groupOrder, title)
	}
	return true
}

// readAnsible reads the inventory that `ansible` names.
func readAnsible(f field, from source) *ansible.Inventory {
	path, skip := f, false
	if f.n.kind == mapping {
		s := f.section("ansible", "a path, or a mapping such as {inventory: hosts.ini}")
		path = s.get("inventory")
		skip = choice(s.get("encrypted"), "refuse", "skip") == "skip"
		f.require("inventory", "it is the path of the Ansible inventory")
	}
	text := path.text(checkLocal)
	if text == "" || len(f.r.errs) > 0 {
		return nil
	}
	if !filepath.IsAbs(text) {
		text = filepath.Join(from.dir, text)
	}
	inv, err := ansible.Read(text, skip)
	if err != nil {
		path.fail("%s", mask(err.Error()))
		return nil
	}
	return inv
}

// runDynamic runs the command that `dynamic` names.
func (r *reader) runDynamic(f field, from source) *ansible.Inventory {
	command := f.text(checkNUL)
	if command == "" || len(r.errs) > 0 {
		return nil
	}
	if from.dynamic == nil {
		f.fail("a command cannot run here")
		return nil
	}
	out, err := from.dynamic(from.dir, command)
	if err == nil {
		var inv *ansible.Inventory
		if inv, err = ansible.ReadJSON(out); err == nil {
			return inv
		}
		err = errors.New(mask(err.Error()))
	}
	r.stopped = fmt.Errorf("%s:%d:%d: dynamic: %w", safetext.Line(r.file), f.n.line, f.n.col, err)
	return nil
}

// amendGroup adds settings of the file to a group of the Ansible inventory. They count at the place
// that the group has in the file.
func (t *topology) amendGroup(group string, s section) {
	if list := s.get("hosts"); list.set() {
		list.fail("the hosts of %s are those of the Ansible inventory; remove the key, or rename the group", quote(group))
	}
	t.groups[group].settings = s.settings()
	t.groupOrder = append(slices.DeleteFunc(t.groupOrder, func(other string) bool { return other == group }), group)
}

// settings returns what the Ansible inventory says of a host.
func (f *foreign) settings(host string) settings {
	if f == nil || !f.inv.Has(host) {
		return settings{}
	}
	c := f.inv.Connection(host)
	s := settings{ssh: SSH{Port: c.Port}}
	refuse := func(setting ansible.Setting, err error) {
		if err != nil {
			c.Problems = append(c.Problems, ansible.Problem{Setting: setting, Err: fmt.Errorf("the Ansible inventory: %s of %s: %w", setting, host, err)})
		}
	}
	check := func(setting ansible.Setting, text string, check func(string) error) string {
		if text == "" {
			return ""
		}
		refuse(setting, check(text))
		return text
	}
	s.address = check(ansible.Address, c.Address, checkHost)
	s.ssh.User = check(ansible.User, c.User, checkLogin)
	s.ssh.IdentityFile = check(ansible.IdentityFile, c.IdentityFile, checkLocal)
	s.ssh.Jump = check(ansible.Jump, c.Jump, checkJump)
	var err error
	if c.Python != "" {
		s.python, err = parseName(name.ParseInterpreter, c.Python)
		refuse(ansible.Python, err)
	}
	if c.Become != "" {
		s.become, err = parseName(name.ParseUser, c.Become)
		refuse(ansible.Become, err)
	}
	f.problems[host] = c.Problems
	return s
}

// checkForeign reports what kis cannot use of the hosts' variables, once for each place, unless the
// file sets it itself.
func (t *topology) checkForeign() {
	if t.foreign == nil {
		return
	}
	seen := map[string]bool{}
	for _, host := range t.order {
		if len(t.foreign.problems[host]) == 0 {
			continue
		}
		own := settings{}
		for _, g := range t.groupOrder {
			if slices.Contains(t.groups[g].members, host) {
				own.apply(t.groups[g].settings)
			}
		}
		own.apply(t.own[host])
		for _, p := range t.foreign.problems[host] {
			if own.has(p.Setting) {
				continue
			}
			at := p.Err.Error()
			if wrong, ok := errors.AsType[*ansible.Error](p.Err); ok && wrong.Line > 0 {
				at = fmt.Sprint(wrong.File, ":", wrong.Line)
			}
			if !seen[at] {
				t.foreign.key.fail("%s; %s", mask(p.Err.Error()), remedyFor(p.Setting))
			}
			seen[at] = true
		}
	}
}

// remedyFor is what a user does about a variable that kis cannot use.
func remedyFor(s ansible.Setting) string {
	switch s {
	case ansible.Transport:
		return `exclude the host from the list that names it: "!HOST"`
	case ansible.Address:
		return "set it in this file, where it wins: hosts: {HOST: {address: …}}"
	case ansible.Become, ansible.Python:
		return fmt.Sprintf("set it in this file, where it wins: hosts or groups: {NAME: {%s: …}}", s)
	}
	return fmt.Sprintf("set it in this file, where it wins: hosts or groups: {NAME: {ssh: {%s: …}}}", s)
}
