package inventory

import (
	"errors"
	"fmt"
	"slices"
	"strings"
)

// group is a group and its hosts, including those of the groups in it.
type group struct {
	name     string
	settings settings
	members  []string

	list  field // its hosts as the file has them
	state progress
}

// progress of resolving a group, to detect cycles.
type progress int

const (
	waiting progress = iota
	resolving
	resolved
)

// item is one entry of a list of hosts.
type item struct {
	field
	exclude bool
	group   string   // a group, or
	hosts   []string // the hosts that a name or a range stands for
}

// item reads one entry: a host, a range, a group with or without @, any of them after !.
func (t *topology) item(f field) (item, bool) {
	it := item{field: f}
	text := f.text(anyText)
	if text == "" {
		return it, false
	}
	text, it.exclude = strings.CutPrefix(text, "!")
	if name, ok := strings.CutPrefix(text, "@"); ok || t.groups[text] != nil {
		it.group = name
		if t.groups[name] == nil {
			f.fail("%s", unknown("group", name, t.groupOrder))
			return it, false
		}
		return it, true
	}
	if strings.ContainsAny(text, "*?,") {
		f.fail("%s: wildcards and commas work with --hosts only; write one item for each, a range such as web[1:3], or a group", quote(text))
		return it, false
	}
	expand := t.expand
	if it.exclude {
		expand = t.namesOf
	}
	var err error
	if it.hosts, err = expand(text); err != nil {
		f.fail("%s", err)
		return it, false
	}
	return it, len(it.hosts) > 0
}

// namesOf expands a name or a range.
func (t *topology) namesOf(text string) ([]string, error) {
	names, err := expandRange(text)
	if err != nil {
		return nil, err
	}
	if err := checkHost(names[0]); err != nil {
		return nil, err // the others differ in digits only
	}
	if t.expanded += len(names); t.expanded > maxExpanded {
		return nil, fmt.Errorf("the ranges of the file expand to more than %d values; write each range once, and use groups", maxExpanded)
	}
	return names, nil
}

// expand is namesOf for anything but an exclusion: it also adds the hosts to the inventory. With an
// Ansible inventory a host must be in it, or among the file's own hosts.
func (t *topology) expand(text string) ([]string, error) {
	names, err := t.namesOf(text)
	if err != nil {
		return nil, err
	}
	for _, name := range names {
		if t.foreign != nil && !t.has(name) && !t.foreign.inv.Has(name) {
			return nil, errors.New(unknown("host or group", name, slices.Concat(t.order, t.groupOrder, t.foreign.inv.Hosts())))
		}
	}
	return names, t.add(names...)
}

// resolve reads a list of hosts and returns the names that remain after its exclusions, each once.
func (t *topology) resolve(list field) []string {
	errs := len(t.r.errs)
	var items []item
	for _, f := range list.list("a list of hosts, ranges such as web[1:3] and groups") {
		if it, ok := t.item(f); ok {
			items = append(items, it)
		}
	}
	var names []string
	in := map[string]int{} // name -> line that names it; 0 = only through a group
	for _, it := range items {
		if it.exclude {
			continue
		}
		for _, name := range t.hostsOf(it) {
			line, ok := in[name]
			switch {
			case !ok:
				names = append(names, name)
			case line > 0 && it.group == "":
				it.fail("%s is already in the list, on line %d; remove one of them", quote(name), line)
				return nil
			}
			if it.group == "" {
				in[name] = it.n.line
			} else if !ok {
				in[name] = 0
			}
		}
	}
	if len(t.r.errs) > errs {
		return names // further errors about a list with errors would mislead
	}
	names = t.exclude(list, items, names)
	if err := t.add(names...); err != nil { // those that only a group of the Ansible inventory names
		list.fail("%s", err)
	}
	return names
}

// exclude removes the hosts that the items with ! name, wherever the items are in the list.
func (t *topology) exclude(list field, items []item, names []string) []string {
	all := len(names)
	if len(items) > 0 && !slices.ContainsFunc(items, func(it item) bool { return !it.exclude }) {
		list.fail("the list only excludes hosts; add the hosts to include")
		return nil
	}
	for _, it := range items {
		if !it.exclude {
			continue
		}
		out := map[string]bool{}
		for _, name := range t.hostsOf(it) {
			out[name] = true
		}
		before := len(names)
		names = slices.DeleteFunc(names, func(name string) bool { return out[name] })
		if len(names) == before {
			it.fail("%s excludes nothing: what it names is not in the list, or another item excludes it", quote(it.n.value))
		}
	}
	if all > 0 && len(names) == 0 {
		list.fail("the list excludes all of its hosts")
	}
	return names
}

// hostsOf returns the hosts of an item, resolving its group first.
func (t *topology) hostsOf(it item) []string {
	if it.group == "" {
		return it.hosts
	}
	g := t.groups[it.group]
	switch g.state {
	case waiting:
		t.resolveGroup(g)
	case resolving:
		it.fail("the group %q contains itself: %s", g.name, t.cycle(g.name))
		return nil
	}
	return g.members
}

func (t *topology) resolveGroup(g *group) {
	g.state = resolving
	t.stack = append(t.stack, g.name)
	g.members = t.resolve(g.list)
	t.stack = t.stack[:len(t.stack)-1]
	g.state = resolved
}

// cycle describes the path from a group back to itself.
func (t *topology) cycle(name string) string {
	path := t.stack[slices.Index(t.stack, name):]
	return fmt.Sprintf("%s > %s", strings.Join(path[:min(len(path), maxListed)], " > "), name)
}
