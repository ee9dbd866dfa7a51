package inventory

import (
	"errors"
	"fmt"
	"path"
	"slices"
	"strings"
)

// scope is the set of hosts that a pattern chooses from.
type scope struct {
	inv   *Inventory
	title string // as in "stage production"
	names []string
}

// Select returns the hosts of a stage in the order of its list, narrowed by a pattern; "" selects all. It
// never returns a host that is not in the stage.
//
// A pattern is one or more items with commas between them: a host (web1), a range (web[01:04]), a
// wildcard as in [path.Match] (web*), a group (@web, or web alone), and any of these after ! to
// exclude hosts. Items with ! only select all other hosts. The order of the items does not matter.
//
// An item that names no host of the stage is an error that lists the hosts of the stage, and so is
// a pattern that selects none: a typing error must not become a push to no host. What an item with
// ! names must exist in the inventory.
func (inv *Inventory) Select(stage, pattern string) ([]Host, error) {
	s, err := inv.stage(stage)
	if err != nil {
		return nil, err
	}
	return scope{inv, "stage " + s.Name.String(), s.hosts}.choose(pattern)
}

// Hosts is [Inventory.Select] among all hosts of the inventory.
func (inv *Inventory) Hosts(pattern string) ([]Host, error) {
	return scope{inv, "the inventory", inv.HostNames()}.choose(pattern)
}

// choose returns copies of the hosts that the pattern selects.
func (s scope) choose(pattern string) ([]Host, error) {
	in, out := map[string]bool{}, map[string]bool{}
	onlyOut := true
	if pattern != "" {
		for item := range strings.SplitSeq(pattern, ",") {
			text, exclude := strings.CutPrefix(strings.TrimSpace(item), "!")
			found, err := s.match(text, exclude)
			if err != nil {
				return nil, fmt.Errorf("host pattern %q: %w", pattern, err)
			}
			target := in
			if exclude {
				target = out
			} else {
				onlyOut = false
			}
			for _, name := range found {
				target[name] = true
			}
		}
	}
	var hosts []Host
	for _, name := range s.names {
		if (onlyOut || in[name]) && !out[name] {
			hosts = append(hosts, s.inv.hosts[s.inv.index[name]].clone())
		}
	}
	if len(hosts) == 0 {
		return nil, fmt.Errorf("host pattern %q: leaves no host; %s has: %s", pattern, s.title, listed(s.names))
	}
	return hosts, nil
}

// match returns the hosts that an item names, without its !: of the scope, or, for an exclusion, of
// the inventory.
func (s scope) match(text string, exclude bool) ([]string, error) {
	if text == "" {
		return nil, errors.New("an item is empty; write names with single commas between them")
	}
	if g, ok := s.group(text); ok {
		return s.within(text, g.members, exclude)
	}
	if strings.HasPrefix(text, "@") {
		return nil, errors.New(unknown("group", text[1:], s.inv.GroupNames()))
	}
	texts, err := expandRange(text)
	if err != nil {
		return nil, err
	}
	var all []string
	for _, one := range texts {
		found, err := s.matchOne(one, exclude)
		if err != nil {
			return nil, err
		}
		all = append(all, found...)
	}
	return all, nil
}

// matchOne returns the hosts of a name or a wildcard.
func (s scope) matchOne(text string, exclude bool) ([]string, error) {
	if !strings.ContainsAny(text, `*?[\`) {
		if _, ok := s.inv.index[text]; !ok {
			return nil, errors.New(unknown("host or group", text, slices.Concat(s.names, s.inv.GroupNames())))
		}
		return s.within(text, []string{text}, exclude)
	}
	if _, err := path.Match(text, ""); err != nil {
		return nil, fmt.Errorf("%s is not a wildcard pattern: a [ without ] or a \\ at the end", quote(text))
	}
	var found []string
	for _, h := range s.inv.hosts {
		if ok, _ := path.Match(text, h.Name); ok {
			found = append(found, h.Name)
		}
	}
	if len(found) == 0 {
		return nil, fmt.Errorf("no host matches %s; %s has: %s", quote(text), s.title, listed(s.names))
	}
	return s.within(text, found, exclude)
}

// within refuses an item that names no host of the scope. Exclusions may: excluding an absent host
// changes nothing, and unknown names were refused before.
func (s scope) within(text string, found []string, exclude bool) ([]string, error) {
	if exclude || slices.ContainsFunc(found, func(name string) bool { return slices.Contains(s.names, name) }) {
		return found, nil
	}
	return nil, fmt.Errorf("%s names no host of %s, which has: %s", quote(text), s.title, listed(s.names))
}

// group returns the group that an item names, with or without @.
func (s scope) group(text string) (group, bool) {
	name := strings.TrimPrefix(text, "@")
	i := slices.IndexFunc(s.inv.groups, func(g group) bool { return g.name == name })
	if i < 0 {
		return group{}, false
	}
	return s.inv.groups[i], true
}
