package inventory

import "fmt"

// world is all hosts and groups of a file while it is read. A host exists as soon as it is named anywhere, because
// ssh_config may know what the inventory does not.
type world struct {
	r          *reader
	order      []string           // hosts in inventory order
	known      map[string]bool    // the same as a set
	spelled    map[string]string  // identity -> the spelling that was seen first
	own        map[string]ownHost // what stands under `hosts`
	groups     map[string]*group
	groupOrder []string
	trail      []string       // the groups that are being resolved, outermost first
	clashed    map[*node]bool // variables whose name was refused already
}

// ownHost is what a host says itself.
type ownHost struct {
	key      field // its name
	address  string
	settings settings
}

func newWorld(r *reader) *world {
	return &world{
		r: r, known: map[string]bool{}, spelled: map[string]string{}, own: map[string]ownHost{},
		groups: map[string]*group{}, clashed: map[*node]bool{},
	}
}

// add makes a host known. One machine has one spelling, or it would be pushed to twice and its lock be refused to itself.
func (w *world) add(name string) error {
	if w.known[name] {
		return nil
	}
	if err := checkHost(name); err != nil {
		return err
	}
	if w.groups[name] != nil {
		return fmt.Errorf("%s is a group as well as a host; rename one of them", quote(name))
	}
	if other, ok := w.spelled[identity(name)]; ok {
		return fmt.Errorf("%s and %s are one host; write it the same way everywhere", quote(name), quote(other))
	}
	w.known[name] = true
	w.spelled[identity(name)] = name
	w.order = append(w.order, name)
	return nil
}

// declareGroups makes the names of the groups known, before any list is read that may contain them.
func (w *world) declareGroups(f field) {
	for _, e := range f.few(f.names("a mapping of group names", checkGroup)) {
		s := e.section("group", "a mapping with the key hosts")
		if e.n.kind == mapping && !s.hasKey(e.field, "hosts") {
			e.fail("the key hosts is missing; a group is a list of hosts")
		}
		w.groups[e.name] = &group{name: e.name, settings: s.settings(), list: s.get("hosts")}
		w.groupOrder = append(w.groupOrder, e.name)
	}
}

// declareHosts reads the hosts that have settings of their own. A name without a value is a host without any, as in
// Ansible.
func (w *world) declareHosts(f field) {
	for _, e := range f.entries("a mapping of host names") {
		e.key.path = f.path
		names, err := w.expand(e.key, e.name)
		if err != nil {
			e.key.fail("%s", err)
			continue
		}
		var s section
		if e.n.kind == scalar && e.n.tag == "!!null" && !e.n.tagged {
			s = field{r: w.r}.section("host", "")
		} else {
			s = e.section("host", "a mapping such as {address: 192.0.2.11}")
		}
		own := ownHost{e.key, s.get("address").text(checkHost), s.settings()}
		if own.address != "" && len(names) > 1 {
			s.get("address").fail("a range of hosts cannot have one address; list the hosts one by one")
		}
		for _, name := range names {
			if _, ok := w.own[name]; ok {
				e.key.fail("%s is already among the hosts; remove one of them", quote(name))
				break
			}
			w.own[name] = own
		}
	}
}

// resolveGroups reads the lists of all groups.
func (w *world) resolveGroups() {
	for _, name := range w.groupOrder {
		if g := w.groups[name]; g.state == waiting {
			w.resolveGroup(g)
		}
	}
}

// groupList returns the groups without what was needed to read them, so that the text of the file can go.
func (w *world) groupList() []group {
	all := make([]group, 0, len(w.groupOrder))
	for _, name := range w.groupOrder {
		all = append(all, group{name: name, members: w.groups[name].members})
	}
	return all
}

// hosts puts every host together: the top level, its groups in the order of the file, then what it says itself.
func (w *world) hosts(top settings) []Host {
	merged := make(map[string]*settings, len(w.order))
	groups := map[string][]string{}
	for _, name := range w.order {
		merged[name] = &settings{}
		merged[name].apply(top)
	}
	for _, group := range w.groupOrder {
		g := w.groups[group]
		if !w.r.spend(g.list, len(g.members)*(1+len(g.settings.vars))) {
			return nil
		}
		for _, name := range g.members {
			merged[name].apply(g.settings)
			groups[name] = append(groups[name], group)
		}
	}
	all := make([]Host, 0, len(w.order))
	for _, name := range w.order {
		s, own := merged[name], w.own[name]
		if !w.r.spend(own.key, len(own.settings.vars)) {
			return nil
		}
		s.apply(own.settings)
		all = append(all, Host{
			Name: name, Address: own.address, Root: s.root, Python: s.python, Become: s.become,
			SSH: s.ssh, Vars: w.variables(name, s.vars), Groups: groups[name],
		})
	}
	return all
}
