package inventory

import (
	"bytes"
	"slices"
)

// Parse reads an inventory from memory. The name stands for the file in errors and in [Inventory.Path]. What is wrong
// with the text is returned as [Errors], all of it at once; nothing is left half read. checkHostKey is the check of the
// SSH client that will use host_key; nil accepts any text.
func Parse(name string, src []byte, checkHostKey func(string) error) (*Inventory, error) {
	r := newReader(name, src)
	if checkHostKey != nil {
		r.checkHostKey = checkHostKey
	}
	if r.checkSize(); len(r.errs) == 0 {
		r.src = bytes.TrimPrefix(src, []byte("\ufeff")) // Windows editors write it; it is no part of the text
		r.checkText()
	}
	if len(r.errs) > 0 {
		return nil, r.sorted()
	}
	root, bad := parseYAML(r.src)
	switch {
	case bad != nil:
		r.failAt(bad.line, bad.col, "", bad.message)
	case root == nil || root.kind == scalar && root.tag == "!!null":
		r.failAt(1, 1, "", "the inventory is empty; the smallest one is `stages: {staging: {hosts: [web1]}}`")
	default:
		inv := r.inventory(field{r, root, ""})
		if len(r.errs) == 0 {
			inv.path = name
			return inv, nil
		}
	}
	return nil, r.sorted()
}

// inventory reads the whole file. Its result is of use only when there was no error.
func (r *reader) inventory(f field) *Inventory {
	s := f.section("inventory", "a mapping with the key stages")
	inv := &Inventory{
		build:   choice(s.get("build"), BuildAuto, BuildSetupPy, BuildBuild, BuildUV),
		install: readInstall(s.get("install")),
		verify:  s.get("verify").texts("a list of commands", checkCommand),
	}
	top := settings{root: defaultRoot, python: defaultPython}
	top.apply(s.settings())
	w := newWorld(r)
	w.declareGroups(s.get("groups"))
	w.declareHosts(s.get("hosts"))
	w.resolveGroups()
	inv.stages = w.readStages(s.get("stages"))
	if f.n.kind == mapping && !s.hasKey(f, "stages") {
		f.fail("the key stages is missing; the smallest inventory is `stages: {staging: {hosts: [web1]}}`")
	}
	inv.hosts, inv.groups = w.hosts(top), w.groupList()
	inv.index = make(map[string]int, len(inv.hosts))
	for i, h := range inv.hosts {
		inv.index[h.Name] = i
	}
	for i := range inv.stages {
		slices.SortFunc(inv.stages[i].hosts, func(a, b string) int { return inv.index[a] - inv.index[b] })
	}
	return inv
}

// hasKey tells whether the mapping has a key, right or wrong.
func (section) hasKey(f field, name string) bool {
	return slices.ContainsFunc(f.n.pairs, func(p pair) bool { return p.key.value == name })
}

func readInstall(f field) Install {
	s := f.section("install", "a mapping such as {mode: editable}")
	return Install{
		Mode:         choice(s.get("mode"), ModeEditable, ModeRegular),
		Requirements: s.get("requirements").text(checkLocal),
		Wheels:       s.get("wheels").text(checkLocal),
		IndexURL:     s.get("index_url").text(checkIndexURL),
		Installer:    choice(s.get("installer"), InstallerAuto, InstallerPip),
	}
}
