package inventory

import (
	"bytes"
	"fmt"
	"slices"
	"time"

	"github.com/keep-it-simple/kis/internal/name"
)

// parse is Parse with the options of the tests.
func parse(name string, src []byte, o options) (*Inventory, error) {
	r := newReader(name, src, o)
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
		build:   choice(s, "build", BuildAuto, BuildSetupPy, BuildBuild, BuildUV),
		install: readInstall(s.get("install")),
		keep:    defaultKeep,
		shared:  readShared(s.get("shared")),
		verify:  s.get("verify").texts("a list of commands", checkCommand),
		dynamic: s.get("dynamic").texts("a list of commands", checkCommand),
	}
	if keep := s.get("keep"); keep.set() {
		inv.keep = keep.number(1, 1000)
	}
	top := settings{root: defaultRoot, python: name.Python3()}
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
		Mode:         choice(s, "mode", ModeEditable, ModeRegular),
		Requirements: s.get("requirements").text(checkLocal),
		Wheels:       s.get("wheels").text(checkLocal),
		IndexURL:     s.get("index_url").text(checkIndexURL),
		Installer:    choice(s, "installer", InstallerAuto, InstallerPip, InstallerUV),
	}
}

func readShared(f field) Shared {
	s := f.section("shared", "a mapping such as {dirs: [media]}")
	dirs := s.get("dirs").texts("a list of folders", checkShared)
	return Shared{Dirs: dirs, Files: s.get("files").texts("a list of files", func(name string) error {
		if slices.Contains(dirs, name) {
			return fmt.Errorf("%s is in dirs already; a name is a folder or a file", quote(name))
		}
		return checkShared(name)
	})}
}

func readHealth(f field) *Health {
	if !f.set() {
		return nil
	}
	s := f.section("health", "a mapping with the key url")
	h := &Health{
		URL:         s.get("url").text(checkHealthURL),
		Expect:      s.get("expect").text(func(string) error { return nil }),
		Within:      defaultWithin,
		Consecutive: defaultConsecutive,
	}
	if f.n.kind == mapping && !s.hasKey(f, "url") {
		f.fail("the key url is missing")
	}
	if n := s.get("consecutive"); n.set() {
		h.Consecutive = n.number(1, 100)
	}
	s.get("within").text(func(text string) error {
		d, err := time.ParseDuration(text)
		if err != nil || d <= 0 || d > time.Hour {
			return fmt.Errorf("%s is not a time up to 1h; write it as in 30s or 2m", quote(text))
		}
		h.Within = d
		return nil
	})
	return h
}
