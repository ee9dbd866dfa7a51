package inventory

import "fmt"

// topology is all hosts and groups of a file while it is read. A host exists once it is named
// anywhere, because ssh_config may define what the inventory does not.
type topology struct {
	expanded   int // names that ranges stand for, over the whole file
	r          *reader
	order      []string            // hosts in inventory order
	spelled    map[string]string   // identity -> the spelling that was seen first
	own        map[string]settings // the entries under `hosts`
	groups     map[string]*group
	groupOrder []string
	stack      []string       // the groups that are being resolved, outermost first
	clashed    map[*node]bool // variables whose name was refused already
	foreign    *foreign       // the Ansible inventory; nil = none
}

func newTopology(r *reader) *topology {
	return &topology{
		r: r, spelled: map[string]string{}, own: map[string]settings{},
		groups: map[string]*group{}, clashed: map[*node]bool{},
	}
}

// has reports whether there is a host of that name, in this spelling.
func (t *topology) has(name string) bool {
	spelled, some := t.spelled[identity(name)]
	return some && spelled == name
}

// add adds hosts, those that are new. A machine has one spelling, or kis would push to it twice and
// the second run would wait for the lock of the first.
func (t *topology) add(names ...string) error {
	for _, name := range names {
		if t.has(name) {
			continue
		}
		if err := checkHost(name); err != nil {
			return err
		}
		if t.groups[name] != nil {
			return fmt.Errorf("%s is a group as well as a host; rename one of them", quote(name))
		}
		if other, ok := t.spelled[identity(name)]; ok {
			return fmt.Errorf("%s and %s are one host; use one spelling", quote(name), quote(other))
		}
		if len(t.order) >= maxHosts {
			return fmt.Errorf("more than %d hosts; split the inventory", maxHosts)
		}
		t.spelled[identity(name)] = name
		t.order = append(t.order, name)
	}
	return nil
}

// declareGroups adds the names of the groups, before any list is read that may contain them.
func (t *topology) declareGroups(f field) {
	for _, e := range f.bounded(f.names("a mapping of group names", checkGroup)) {
		s := e.section("group", "a mapping with the key hosts")
		if t.groups[e.name] != nil {
			t.amendGroup(e.name, s)
			continue
		}
		e.require("hosts", "a group is a list of hosts")
		t.groups[e.name] = &group{name: e.name, settings: s.settings(), list: s.get("hosts")}
		t.groupOrder = append(t.groupOrder, e.name)
	}
}

// declareHosts reads the hosts that have settings of their own. A name without a value is a host
// without settings, as in Ansible.
func (t *topology) declareHosts(f field) {
	for _, e := range f.entries("a mapping of host names") {
		e.key.path = f.path
		names, err := t.namesOf(e.name)
		if err == nil {
			err = t.add(names...)
		}
		if err != nil {
			e.key.fail("%s", err)
			continue
		}
		var s section
		if e.n.kind == scalar && e.n.tag == "!!null" && !e.n.tagged {
			s = field{r: t.r}.section("host", "")
		} else {
			s = e.section("host", "a mapping such as {address: 192.0.2.11}")
		}
		own := s.settings()
		if own.address != "" && len(names) > 1 {
			s.get("address").fail("a range of hosts cannot have one address; list the hosts one by one")
		}
		for _, name := range names {
			if _, ok := t.own[name]; ok {
				e.key.fail("%s is already among the hosts; remove one of them", quote(name))
				break
			}
			t.own[name] = own
		}
	}
}

// resolveGroups reads the lists of all groups.
func (t *topology) resolveGroups() {
	for _, name := range t.groupOrder {
		if g := t.groups[name]; g.state == waiting {
			t.resolveGroup(g)
		}
	}
}

// groupList returns the groups without their source, so that the text of the file can be freed.
func (t *topology) groupList() []group {
	all := make([]group, 0, len(t.groupOrder))
	for _, name := range t.groupOrder {
		all = append(all, group{name: name, members: t.groups[name].members})
	}
	return all
}

// hosts merges the settings of every host: the top level, its groups in the order of the file, then
// its own.
func (t *topology) hosts(top settings) []Host {
	merged := make(map[string]*settings, len(t.order))
	groups := map[string][]string{}
	for _, name := range t.order {
		merged[name] = &settings{}
		merged[name].apply(top)
		merged[name].apply(t.foreign.settings(name))
	}
	for _, group := range t.groupOrder {
		g := t.groups[group]
		for _, name := range g.members {
			if merged[name] == nil {
				continue // of the Ansible inventory, and not used
			}
			merged[name].apply(g.settings)
			groups[name] = append(groups[name], group)
		}
	}
	t.checkForeign()
	all := make([]Host, 0, len(t.order))
	for _, name := range t.order {
		s := merged[name]
		s.apply(t.own[name])
		all = append(all, Host{
			Name: name, Address: s.address, Root: s.root, Python: s.python, Become: s.become,
			SSH: s.ssh, Vars: t.variables(name, s.vars), Groups: groups[name],
		})
	}
	return all
}
