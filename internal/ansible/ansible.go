// Package ansible reads the hosts, the groups and the connection variables of Ansible inventories:
// files in INI and YAML, directories of them with their group_vars and host_vars, and the JSON that
// dynamic inventories print. It runs no program, no plugin and no template. What it does not
// understand is an error with its file and line; variables that do not matter to a connection are
// passed over.
package ansible

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"strings"
)

// Limits of what is read: far above real inventories.
const (
	maxFile   = 16 << 20
	maxFiles  = 10_000
	maxHosts  = 10_000
	maxGroups = 20_000
	maxDepth  = 50 // of groups in groups, of directories
)

// The groups that every inventory has.
const (
	all       = "all"
	ungrouped = "ungrouped"
)

// Error is what is wrong with an inventory, and where.
type Error struct {
	File    string // "" for what a program printed
	Line    int    // from 1; 0 = the file as a whole
	Message string
}

func (e *Error) Error() string {
	switch {
	case e.File == "":
		return e.Message
	case e.Line == 0:
		return e.File + ": " + e.Message
	}
	return fmt.Sprintf("%s:%d: %s", e.File, e.Line, e.Message)
}

// place is where something stands.
type place struct {
	file string
	line int
}

func (p place) fail(format string, args ...any) *Error {
	return &Error{p.file, p.line, fmt.Sprintf(format, args...)}
}

// value is the value of a variable.
type value struct {
	place
	text    string
	problem string // why the text is not the value; "" = it is
}

// variables are the variables of a host or a group, only those that matter to a connection.
type variables map[string]value

// group is a group while the files are read.
type group struct {
	name     string
	hosts    map[string]bool
	children []string
	parents  []string
	vars     variables // of inventory files
	files    variables // of group_vars
	depth    int
	priority int
}

// host is a host while the files are read.
type host struct {
	vars  variables // of inventory files
	files variables // of host_vars
}

// Inventory is an Ansible inventory that was read.
type Inventory struct {
	order  []string // hosts, in the order of the files
	hosts  map[string]*host
	groups map[string]*group
	names  []string // groups, in the order of the files
	read   int      // groups of YAML files, each as often as it stands there
}

// Hosts returns the names of all hosts, in the order of the files.
func (inv *Inventory) Hosts() []string { return slices.Clone(inv.order) }

// Groups returns the names of the groups that have hosts, in the order of the files; all and
// ungrouped come first.
func (inv *Inventory) Groups() []string {
	return slices.DeleteFunc(slices.Clone(inv.names), func(name string) bool { return len(inv.Members(name)) == 0 })
}

// Has reports whether there is such a host.
func (inv *Inventory) Has(name string) bool { return inv.hosts[name] != nil }

// Members returns the hosts of a group and of the groups in it, in the order of the files.
func (inv *Inventory) Members(name string) []string {
	if name == all {
		return inv.Hosts()
	}
	in := map[string]bool{}
	seen := map[string]bool{}
	var visit func(name string)
	visit = func(name string) {
		g := inv.groups[name]
		if g == nil || seen[name] {
			return
		}
		seen[name] = true
		maps.Copy(in, g.hosts)
		for _, child := range g.children {
			visit(child)
		}
	}
	visit(name)
	return slices.DeleteFunc(inv.Hosts(), func(host string) bool { return !in[host] })
}

func newInventory() *Inventory {
	inv := &Inventory{hosts: map[string]*host{}, groups: map[string]*group{}}
	inv.group(all)
	inv.group(ungrouped)
	return inv
}

// group returns a group, a new one if there is none of that name.
func (inv *Inventory) group(name string) *group {
	if g := inv.groups[name]; g != nil {
		return g
	}
	g := &group{name: name, hosts: map[string]bool{}, vars: variables{}, files: variables{}, priority: 1}
	inv.groups[name] = g
	inv.names = append(inv.names, name)
	return g
}

// addHost adds a host to a group.
func (inv *Inventory) addHost(at place, group, name string) (*host, error) {
	h := inv.hosts[name]
	if h == nil {
		if len(inv.order) >= maxHosts {
			return nil, at.fail("more than %d hosts", maxHosts)
		}
		h = &host{vars: variables{}, files: variables{}}
		inv.hosts[name] = h
		inv.order = append(inv.order, name)
	}
	inv.group(group).hosts[name] = true
	return h, nil
}

// addChild puts a group into another.
func (inv *Inventory) addChild(parent, child string) {
	p, c := inv.group(parent), inv.group(child)
	if !slices.Contains(p.children, child) {
		p.children = append(p.children, child)
		c.parents = append(c.parents, parent)
	}
}

// finish completes the groups when all files are read: those in no other group are in all, hosts
// without a group are in ungrouped. Then it computes how deep each group is.
func (inv *Inventory) finish(at place) error {
	for _, name := range inv.names {
		if len(inv.groups[name].parents) == 0 && name != all {
			inv.addChild(all, name)
		}
	}
	grouped := map[string]bool{}
	for name, g := range inv.groups {
		for host := range g.hosts {
			grouped[host] = grouped[host] || name != all && name != ungrouped
		}
	}
	g := inv.groups[ungrouped]
	g.hosts = map[string]bool{}
	for _, name := range inv.order {
		if !grouped[name] {
			g.hosts[name] = true
		}
	}
	settled := map[string]bool{}
	for _, name := range inv.names {
		if err := inv.measure(at, name, nil, settled); err != nil {
			return err
		}
	}
	return nil
}

// measure computes the depth of a group: the longest way to it from all.
func (inv *Inventory) measure(at place, name string, path []string, settled map[string]bool) error {
	if slices.Contains(path, name) {
		return at.fail("the group %q contains itself: %s", name, strings.Join(append(path[slices.Index(path, name):], name), " < "))
	}
	if settled[name] {
		return nil
	}
	if len(path) > maxDepth {
		return at.fail("groups are nested more than %d deep", maxDepth)
	}
	g := inv.groups[name]
	for _, parent := range g.parents {
		if err := inv.measure(at, parent, append(path, name), settled); err != nil {
			return err
		}
		g.depth = max(g.depth, inv.groups[parent].depth+1)
	}
	settled[name] = true
	return nil
}

// groupsOf returns the groups of a host in the order in which Ansible applies their variables: the
// outer first, then by ansible_group_priority, then by name.
func (inv *Inventory) groupsOf(host string) []*group {
	in := map[string]*group{all: inv.groups[all]}
	var visit func(g *group)
	visit = func(g *group) {
		if in[g.name] != nil {
			return
		}
		in[g.name] = g
		for _, parent := range g.parents {
			visit(inv.groups[parent])
		}
	}
	for _, g := range inv.groups {
		if g.hosts[host] {
			visit(g)
		}
	}
	return slices.SortedFunc(maps.Values(in), func(a, b *group) int {
		return cmp.Or(cmp.Compare(a.depth, b.depth), cmp.Compare(a.priority, b.priority), cmp.Compare(a.name, b.name))
	})
}

// effective returns the variables of a host by Ansible's precedence: those of inventory files of
// all groups, then group_vars/all, then the other files of group_vars, then the host's own, then
// host_vars.
func (inv *Inventory) effective(name string) variables {
	groups := inv.groupsOf(name)
	result := variables{}
	for _, g := range groups {
		maps.Copy(result, g.vars)
	}
	for _, g := range groups { // all is the first
		maps.Copy(result, g.files)
	}
	maps.Copy(result, inv.hosts[name].vars)
	maps.Copy(result, inv.hosts[name].files)
	return result
}
