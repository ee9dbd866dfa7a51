package ansible

import (
	"maps"
	"regexp"
	"strings"
)

var (
	sectionPattern = regexp.MustCompile(`^\[([^:\]\s]+)(?::(\w+))?\]\s*(?:#.*)?$`)
	childPattern   = regexp.MustCompile(`^([^:\]\s]+)\s*(?:#.*)?$`)
)

// iniReader reads one file by the rules of Ansible's plugin ini, which are not those of INI files
// elsewhere.
type iniReader struct {
	inv      *Inventory
	at       place
	group    string
	kind     string // hosts, children or vars
	declared map[string]bool
	pending  []pendingGroup
}

// pendingGroup is a group that was used before it was declared.
type pendingGroup struct {
	at      place
	name    string
	message string
}

func (inv *Inventory) readINI(file, text string) error {
	r := &iniReader{inv: inv, group: ungrouped, kind: "hosts", declared: map[string]bool{all: true, ungrouped: true}}
	for name := range inv.groups {
		r.declared[name] = true // by another file of the directory
	}
	for number, line := range strings.Split(strings.ReplaceAll(text, "\r\n", "\n"), "\n") {
		r.at = place{file, number + 1}
		line = strings.TrimSpace(line)
		if line == "" || line[0] == '#' || line[0] == ';' {
			continue
		}
		if err := r.line(line); err != nil {
			return err
		}
	}
	for _, p := range r.pending {
		if !r.declared[p.name] {
			return p.at.fail("%s", p.message)
		}
	}
	return nil
}

func (r *iniReader) line(line string) error {
	if m := sectionPattern.FindStringSubmatch(line); m != nil {
		return r.section(m[1], m[2])
	}
	if strings.HasPrefix(line, "[") && strings.HasSuffix(line, "]") {
		return r.at.fail("%q is not a section; write [group], [group:vars] or [group:children], without spaces", line)
	}
	switch r.kind {
	case "vars":
		return r.variable(line)
	case "children":
		m := childPattern.FindStringSubmatch(line)
		if m == nil {
			return r.at.fail("%q is not the name of a group", firstWord(line))
		}
		r.pending = append(r.pending, pendingGroup{r.at, m[1], "the group " + m[1] + " is not declared"})
		r.inv.addChild(r.group, m[1])
		return nil
	}
	return r.host(line)
}

func (r *iniReader) section(name, kind string) error {
	switch kind {
	case "", "hosts":
		r.group, r.kind = name, "hosts"
	case "children":
		r.group, r.kind = name, kind
	case "vars":
		r.group, r.kind = name, kind
		r.pending = append(r.pending, pendingGroup{r.at, name, "[" + name + ":vars] is of a group that is not declared"})
		r.inv.group(name)
		return nil
	default:
		return r.at.fail("[%s:%s]: a section is [group], [group:vars] or [group:children]", name, kind)
	}
	r.declared[name] = true
	r.inv.group(name)
	return nil
}

func (r *iniReader) variable(line string) error {
	key, text, found := strings.Cut(line, "=")
	if !found {
		return r.at.fail("%q is not a variable; write name=value", firstWord(line))
	}
	r.inv.group(r.group).set(strings.TrimSpace(key), literal(r.at, strings.TrimSpace(text)))
	return nil
}

func (r *iniReader) host(line string) error {
	parts, err := words(line, true) // Ansible takes a # within a word for a comment, too
	if err != nil {
		return r.at.fail("%s", err)
	}
	if len(parts) == 0 || parts[0] == "---" {
		return r.at.fail("%q is not a host; is it YAML? then the file's name must end with .yml", firstWord(line))
	}
	names, port, err := hostPattern(parts[0])
	if err != nil {
		return r.at.fail("%s", err)
	}
	vars := variables{}
	if port != "" {
		vars["ansible_port"] = value{place: r.at, text: port}
	}
	for _, part := range parts[1:] {
		key, text, found := strings.Cut(part, "=")
		if !found {
			return r.at.fail("what follows the host %q is not name=value; a value with spaces needs quotes", parts[0])
		}
		vars.set(key, literal(r.at, text))
	}
	return r.inv.addHosts(r.at, r.group, names, vars)
}

// addHosts adds hosts with the same variables to a group.
func (inv *Inventory) addHosts(at place, group string, names []string, vars variables) error {
	for _, name := range names {
		h, err := inv.addHost(at, group, name)
		if err != nil {
			return err
		}
		maps.Copy(h.vars, vars)
	}
	return nil
}

// firstWord is what an error shows of a line: the rest may be a password.
func firstWord(line string) string {
	first, _, _ := strings.Cut(line, " ")
	first, _, _ = strings.Cut(first, "=")
	return first
}
