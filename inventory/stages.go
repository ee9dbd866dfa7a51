package inventory

import (
	"fmt"
	"slices"

	"github.com/keep-it-simple/kis/internal/name"
)

// readStages reads the stages. Their Verify is their own list only; [Inventory.Stage] puts the inventory's before it.
func (w *world) readStages(f field) []stage {
	known := map[string]name.Stage{}
	entries := f.few(f.names("a mapping of stage names", func(text string) (err error) {
		known[text], err = parseName(name.ParseStage, text)
		return err
	}))
	if f.set() && f.n.kind == mapping && len(f.n.pairs) == 0 {
		f.fail("there is no stage; the smallest inventory is `stages: {staging: {hosts: [web1]}}`")
	}
	names := make([]string, 0, len(entries))
	for _, e := range entries {
		names = append(names, e.name)
	}
	from := map[string]field{}
	all := make([]stage, 0, len(entries))
	for _, e := range entries {
		s := e.section("stage", "a mapping with the key hosts")
		if e.n.kind == mapping && !s.hasKey(e.field, "hosts") {
			e.fail("the key hosts is missing; a stage is linked on hosts")
		}
		from[e.name] = s.get("from")
		all = append(all, stage{
			Stage: Stage{
				Name:      known[e.name],
				From:      known[s.get("from").text(func(from string) error { return checkFrom(e.name, from, names) })],
				Confirm:   s.get("confirm").flag(),
				Verify:    s.get("verify").texts("a list of commands", checkCommand),
				AfterLink: s.get("after_link").texts("a list of commands", checkCommand),
				Health:    readHealth(s.get("health")),
				OnPartial: choice(s, "on_partial", PartialBack, PartialForward, PartialStop),
			},
			hosts: slices.Clone(w.resolve(s.get("hosts"))),
		})
	}
	checkCircle(all, from)
	return all
}

func checkFrom(stage, from string, known []string) error {
	switch {
	case from == stage:
		return fmt.Errorf("the stage cannot take its packages from itself")
	case !slices.Contains(known, from):
		return fmt.Errorf("%s", unknown("stage", from, known))
	}
	return nil
}

// checkCircle refuses stages that wait for one another: none of them could ever get a package.
func checkCircle(all []stage, from map[string]field) {
	before := map[name.Stage]name.Stage{}
	for _, s := range all {
		before[s.Name] = s.From
	}
	for _, s := range all {
		at, steps := s.From, 0
		for !at.IsZero() && at != s.Name && steps <= len(all) {
			at, steps = before[at], steps+1
		}
		if at == s.Name && steps > 0 {
			from[s.Name.String()].fail("the stages take their packages from one another; one of them must come first")
		}
	}
}
