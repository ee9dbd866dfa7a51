package inventory

import (
	"cmp"
	"errors"
	"maps"
	"slices"
	"strings"

	"github.com/keep-it-simple/kis/internal/ansible"
	"github.com/keep-it-simple/kis/internal/name"
)

// settings are the overrides of the top level, a group or a host; a zero field is not set.
type settings struct {
	address string // of a host
	root    string
	python  name.Interpreter
	become  name.User
	ssh     SSH
	vars    map[string]variable
}

// variable is one of `vars`, with its name's place for errors that are found when a host is put
// together.
type variable struct {
	value string
	key   field
}

// has reports whether one of the settings of a connection is set.
func (s *settings) has(setting ansible.Setting) bool {
	return map[ansible.Setting]bool{
		ansible.Address:      s.address != "",
		ansible.User:         s.ssh.User != "",
		ansible.Port:         s.ssh.Port != 0,
		ansible.IdentityFile: s.ssh.IdentityFile != "",
		ansible.Jump:         s.ssh.Jump != "",
		ansible.Become:       !s.become.IsZero(),
		ansible.Python:       !s.python.IsZero(),
	}[setting]
}

// apply overrides the settings with more specific ones. It copies the variables.
func (s *settings) apply(more settings) {
	s.address = cmp.Or(more.address, s.address)
	s.root = cmp.Or(more.root, s.root)
	s.python = cmp.Or(more.python, s.python)
	s.become = cmp.Or(more.become, s.become)
	s.ssh = SSH{
		User:         cmp.Or(more.ssh.User, s.ssh.User),
		Port:         cmp.Or(more.ssh.Port, s.ssh.Port),
		IdentityFile: cmp.Or(more.ssh.IdentityFile, s.ssh.IdentityFile),
		Jump:         cmp.Or(more.ssh.Jump, s.ssh.Jump),
		HostKey:      cmp.Or(more.ssh.HostKey, s.ssh.HostKey),
	}
	if s.vars == nil {
		s.vars = map[string]variable{}
	}
	maps.Copy(s.vars, more.vars)
}

// settings reads the overrides of a section; keys that the section cannot have are absent.
func (s section) settings() settings {
	return settings{
		address: s.get("address").text(checkHost),
		root:    s.get("root").text(checkRoot),
		python:  parsed(s.get("python"), name.ParseInterpreter),
		become:  parsed(s.get("become"), name.ParseUser),
		ssh:     readSSH(s.get("ssh")),
		vars:    readVars(s.get("vars")),
	}
}

func readSSH(f field) SSH {
	s := f.section("ssh", "a mapping such as {user: deploy}")
	return SSH{
		User:         s.get("user").text(checkLogin),
		Port:         s.get("port").number(1, 65535),
		IdentityFile: s.get("identity_file").text(checkLocal),
		Jump:         s.get("jump").text(checkJump),
		HostKey: s.get("host_key").text(func(key string) error {
			if err := f.r.checkHostKey(key); err != nil {
				return errors.New(mask(err.Error()))
			}
			return nil
		}),
	}
}

// readVars keeps values as the file writes them, so that 1.10 stays 1.10. Commands interpret them.
func readVars(f field) map[string]variable {
	vars := map[string]variable{}
	for _, e := range f.names("a mapping of variables", checkVar) {
		if value, ok := e.scalar(); ok {
			e.key.path = f.path
			vars[e.name] = variable{value, e.key}
		}
	}
	return vars
}

// variables returns a host's variables. Two names that differ only by case would be one environment
// variable with an undefined value. An error of a group is reported once, not for each of its
// hosts.
func (t *topology) variables(host string, vars map[string]variable) map[string]string {
	all := make(map[string]string, len(vars))
	spelled := map[string]variable{}
	for _, name := range slices.SortedFunc(maps.Keys(vars), func(a, b string) int { return comparePlaces(vars[a].key, vars[b].key) }) {
		v := vars[name]
		all[name] = v.value
		upper := strings.ToUpper(name)
		if other, ok := spelled[upper]; ok && !t.clashed[v.key.n] {
			t.clashed[v.key.n] = true
			v.key.fail("%s and %s on line %d differ only by case, and %s has both; its commands see one variable, so use one spelling",
				quote(name), quote(other.key.n.value), other.key.n.line, quote(host))
		}
		spelled[upper] = v
	}
	return all
}

// comparePlaces orders two places of a file, for slices.SortFunc.
func comparePlaces(a, b field) int {
	return cmp.Or(cmp.Compare(a.n.line, b.n.line), cmp.Compare(a.n.col, b.n.col))
}

// scalar reads text, a number, true or false, as it is written. Quoted empty text is a value.
func (f field) scalar() (string, bool) {
	if !f.is(scalar, "text, a number, true or false") {
		return "", false
	}
	if err := checkNUL(f.n.value); err != nil {
		f.fail("%s", err)
		return "", false
	}
	return f.n.value, true
}
