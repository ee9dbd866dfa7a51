package inventory

import (
	"fmt"
	"slices"
	"strings"
)

// group is a group and the hosts in it, its own and those of the groups in it.
type group struct {
	name     string
	settings settings
	members  []string

	list  field // its hosts as the file has them
	state progress
}

// progress of resolving a group, to find circles.
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
func (w *world) item(f field) (item, bool) {
	it := item{field: f}
	text := f.text(anyText)
	if text == "" {
		return it, false
	}
	text, it.exclude = strings.CutPrefix(text, "!")
	if name, ok := strings.CutPrefix(text, "@"); ok || w.groups[text] != nil {
		it.group = name
		if w.groups[name] == nil {
			f.fail("%s", unknown("group", name, w.groupOrder))
			return it, false
		}
		return it, true
	}
	if strings.ContainsAny(text, "*?,") {
		f.fail("%s: wildcards and commas work with --hosts only; write one item for each, a range such as web[1:3], or a group", quote(text))
		return it, false
	}
	expand := w.expand
	if it.exclude {
		expand = w.namesOf
	}
	var err error
	if it.hosts, err = expand(f, text); err != nil {
		f.fail("%s", err)
		return it, false
	}
	return it, len(it.hosts) > 0
}

// namesOf turns a name or a range into names; there is none when the file stands for too many.
func (w *world) namesOf(f field, text string) ([]string, error) {
	if !w.r.spend(f, 0) {
		return nil, nil // too many already: not even this range is worth its time
	}
	names, err := expandRange(text)
	if err != nil {
		return nil, err
	}
	if err := checkHost(names[0]); err != nil {
		return nil, err // the others differ in digits only
	}
	if !w.r.spend(f, len(names)) {
		return nil, nil
	}
	return names, nil
}

// expand is namesOf for hosts that exist from now on, because something other than an exclusion names them.
func (w *world) expand(f field, text string) ([]string, error) {
	names, err := w.namesOf(f, text)
	if err != nil {
		return nil, err
	}
	for _, name := range names {
		if err := w.add(name); err != nil {
			return nil, err
		}
	}
	return names, nil
}

// resolve reads a list of hosts and returns the names that remain after its exclusions, each once.
func (w *world) resolve(list field) []string {
	errs := len(w.r.errs)
	var items []item
	for _, f := range list.list("a list of hosts, ranges such as web[1:3] and groups") {
		if it, ok := w.item(f); ok {
			items = append(items, it)
		}
	}
	var names []string
	in := map[string]int{} // name -> line that names it; 0 = only through a group
	for _, it := range items {
		if it.exclude {
			continue
		}
		for _, name := range w.hostsOf(it) {
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
	if len(w.r.errs) > errs || !w.r.spend(list, 0) {
		return names // more complaints about a list that was not understood would mislead
	}
	return w.exclude(list, items, names)
}

// exclude takes out what the items with ! name, wherever they stand in the list.
func (w *world) exclude(list field, items []item, names []string) []string {
	all := len(names)
	if len(items) > 0 && !slices.ContainsFunc(items, func(it item) bool { return !it.exclude }) {
		list.fail("the list only excludes; say also which hosts are in it")
		return nil
	}
	for _, it := range items {
		if !it.exclude {
			continue
		}
		out := map[string]bool{}
		for _, name := range w.hostsOf(it) {
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
func (w *world) hostsOf(it item) []string {
	if it.group == "" {
		return it.hosts
	}
	g := w.groups[it.group]
	switch g.state {
	case waiting:
		w.resolveGroup(g)
	case resolving:
		it.fail("the group %q contains itself: %s", g.name, w.circle(g.name))
		return nil
	}
	if !w.r.spend(it.field, len(g.members)) {
		return nil
	}
	return g.members
}

func (w *world) resolveGroup(g *group) {
	g.state = resolving
	w.trail = append(w.trail, g.name)
	g.members = w.resolve(g.list)
	w.trail = w.trail[:len(w.trail)-1]
	g.state = resolved
}

// circle shows the way from a group back to itself.
func (w *world) circle(name string) string {
	way := w.trail[slices.Index(w.trail, name):]
	return fmt.Sprintf("%s > %s", strings.Join(way[:min(len(way), maxListed)], " > "), name)
}
