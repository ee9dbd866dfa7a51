package inventory

import (
	"slices"
	"strings"
)

// section is a mapping whose keys the schema lists.
type section struct {
	r      *reader
	name   string
	fields map[string]field
}

// named is one entry of a mapping whose keys are names that people chose.
type named struct {
	name string
	key  field // the place of the name
	field
}

// join makes the path of a key.
func join(path, name string) string {
	if path == "" {
		return name
	}
	return path + "." + name
}

// get returns the field of a key, absent or not.
func (s section) get(name string) field { return s.fields[name] }

// state tells whether the feature of a key, or of a value written `key=value`, is built. What the schema does not list
// is a value without anything special.
func (s section) state(name string) state {
	if s.r.options.unbuilt {
		return built
	}
	for _, k := range s.r.sections[s.name] {
		if k.name == name {
			return k.state
		}
	}
	return built
}

// section reads a mapping with the keys that the schema has for the name. Keys that are refused have no field.
func (f field) section(name, wanted string) section {
	s := section{f.r, name, map[string]field{}}
	if !f.set() {
		return s
	}
	var all, known []string
	for _, k := range f.r.sections[name] {
		if strings.Contains(k.name, "=") {
			continue // a value, not a key
		}
		all = append(all, k.name)
		if s.state(k.name) == built {
			known = append(known, k.name)
		}
	}
	for _, e := range f.entries(wanted) {
		switch {
		case !slices.Contains(all, e.name):
			e.key.path = f.path
			e.key.fail("%s", unknown("key", e.name, known))
		case !slices.Contains(known, e.name):
			e.key.fail("is not supported yet; remove the key")
		default:
			s.fields[e.name] = e.field
		}
	}
	return s
}

// entries reads a mapping of anything: the keys are strings, and each occurs once.
func (f field) entries(wanted string) []named {
	if !f.set() || !f.is(mapping, wanted) {
		return nil
	}
	lines := map[string]int{}
	all := make([]named, 0, len(f.n.pairs))
	for _, p := range f.n.pairs {
		k := field{f.r, p.key, f.path}
		if p.key.tag == "!!merge" {
			k.fail("merge keys (<<) are not supported; put what hosts have in common into a group")
			continue
		}
		name := k.text(func(string) error { return nil })
		if name == "" {
			continue
		}
		k.path = join(f.path, name)
		if line, ok := lines[name]; ok {
			k.path = f.path
			k.fail("the key %s is already on line %d; remove one of them", quote(name), line)
			continue
		}
		lines[name] = p.key.line
		all = append(all, named{name, k, field{f.r, p.value, k.path}})
	}
	return all
}

// names reads a mapping whose keys are names; those that the check refuses are left out.
func (f field) names(wanted string, check func(string) error) []named {
	var all []named
	for _, e := range f.entries(wanted) {
		if err := check(e.name); err != nil {
			e.key.path = f.path
			e.key.fail("%s", err)
			continue
		}
		all = append(all, e)
	}
	return all
}

// few refuses more names than an inventory can sensibly have; the work grows with the square of them.
func (f field) few(names []named) []named {
	if len(names) <= maxNames {
		return names
	}
	f.fail("more than %d names; split the inventory", maxNames)
	return names[:maxNames]
}
