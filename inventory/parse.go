package inventory

import (
	"bytes"

	"github.com/keep-it-simple/kis/internal/name"
)

// Parse reads an inventory from memory, without `ansible` and `dynamic`. The name is the file's name in errors and in
// [Inventory.Path]. Errors in the text are returned as [Errors], all together. checkHostKey is the
// check of the SSH client that will use host_key; nil accepts any text.
func Parse(name string, src []byte, checkHostKey func(string) error) (*Inventory, error) {
	return parse(name, src, source{}, checkHostKey)
}

func parse(name string, src []byte, from source, checkHostKey func(string) error) (*Inventory, error) {
	r := newReader(name, src)
	if checkHostKey != nil {
		r.checkHostKey = checkHostKey
	}
	if r.checkSize(); len(r.errs) == 0 {
		r.src = bytes.TrimPrefix(src, []byte("\ufeff")) // Windows editors write it
		r.checkText()
	}
	if len(r.errs) > 0 {
		return nil, r.sorted()
	}
	root, bad := parseYAML(r.src)
	other, recognized := recognize(r.src, root)
	switch {
	case recognized:
		r.failAt(1, 1, "", other.message(name))
	case bad != nil:
		r.failAt(bad.line, bad.col, "", bad.message)
	case root == nil || root.kind == scalar && root.tag == "!!null":
		r.failAt(1, 1, "", "the inventory is empty; the smallest one is `stages: {staging: {hosts: [web1]}}`")
	default:
		inv := r.inventory(field{r, root, ""}, from)
		if r.stopped != nil {
			return nil, r.stopped
		}
		if len(r.errs) == 0 {
			inv.path, inv.shown = name, name
			return inv, nil
		}
	}
	return nil, r.sorted()
}

// inventory reads the whole file. Its result is valid only if there was no error.
func (r *reader) inventory(f field, from source) *Inventory {
	s := f.section("inventory", "a mapping with the key stages")
	inv := &Inventory{
		build:   choice(s.get("build"), BuildAuto, BuildSetupPy, BuildBuild, BuildUV),
		shared:  readShared(s.get("shared")),
		prepare: s.get("prepare").commands(false),
		verify:  s.get("verify").commands(false),
		keep:    defaultKeep,
	}
	inv.install, inv.addresses = readInstall(s.get("install"))
	if keep := s.get("keep"); keep.set() {
		inv.keep = keep.number(1, 10_000)
	}
	top := settings{root: defaultRoot, python: name.Python3()}
	top.apply(s.settings())
	t := newTopology(r)
	if !t.readForeign(s, from) {
		return inv // every name of a host or a group would be an error
	}
	t.declareGroups(s.get("groups"))
	t.declareHosts(s.get("hosts"))
	t.resolveGroups()
	inv.stages = t.readStages(s.get("stages"), readWebhook(s.get("webhook"), Webhook{}))
	f.require("stages", "the smallest inventory is `stages: {staging: {hosts: [web1]}}`")
	inv.hosts, inv.groups = t.hosts(top), t.groupList()
	inv.index = make(map[string]int, len(inv.hosts))
	for i, h := range inv.hosts {
		inv.index[h.Name] = i
	}
	return inv
}
