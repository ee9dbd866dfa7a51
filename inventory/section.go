package inventory

import "slices"

// section is a mapping with the keys of the schema.
type section map[string]field

// named is one entry of a mapping whose keys are names chosen by the user.
type named struct {
	name string
	key  field // the place of the name
	field
}

// join returns the path of a key.
func join(path, name string) string {
	if path == "" {
		return name
	}
	return path + "." + name
}

// get returns the field of a key, absent or not.
func (s section) get(name string) field { return s[name] }

// section reads a mapping with the keys that the schema has for the name. Unknown keys have no
// field.
func (f field) section(name, wanted string) section {
	s := section{}
	if !f.set() {
		return s
	}
	keys := f.r.sections[name]
	for _, e := range f.entries(wanted) {
		if !slices.Contains(keys, e.name) {
			e.key.path = f.path
			e.key.fail("%s", unknown("key", e.name, keys))
			continue
		}
		s[e.name] = e.field
	}
	return s
}

// entries reads a mapping with any keys: they are strings, and each occurs once.
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
		name := k.text(anyText)
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

// require refuses a mapping that lacks a key, valid or not; it is false then. why is what the key is for.
func (f field) require(key, why string) bool {
	if !f.set() || f.n.kind != mapping || slices.ContainsFunc(f.n.pairs, func(p pair) bool { return p.key.value == key }) {
		return true
	}
	f.fail("the key %s is missing; %s", key, why)
	return false
}

// names reads a mapping whose keys are names, without those that the check refuses.
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

// bounded refuses more names than a real inventory has; the work grows with their square.
func (f field) bounded(names []named) []named {
	if len(names) <= maxNames {
		return names
	}
	f.fail("more than %d names; split the inventory", maxNames)
	return names[:maxNames]
}
