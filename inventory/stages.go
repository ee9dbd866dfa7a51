package inventory

import (
	"errors"
	"fmt"
	"slices"

	"github.com/keep-it-simple/kis/internal/name"
)

// readStages reads the stages; webhook is that of those without one of their own.
func (t *topology) readStages(f field, webhook Webhook) []stage {
	names := map[string]name.Stage{}
	entries := f.bounded(f.names("a mapping of stage names", func(text string) (err error) {
		names[text], err = parseName(name.ParseStage, text)
		return err
	}))
	if f.set() && f.n.kind == mapping && len(f.n.pairs) == 0 {
		f.fail("there is no stage; the smallest inventory is `stages: {staging: {hosts: [web1]}}`")
	}
	all := make([]stage, 0, len(entries))
	for _, e := range entries {
		s := e.section("stage", "a mapping with the key hosts")
		e.require("hosts", "a stage is linked on hosts")
		all = append(all, stage{
			Stage: Stage{
				Name:       names[e.name],
				Confirm:    s.get("confirm").flag(),
				From:       readFrom(s.get("from"), names, e.name),
				NoDev:      s.get("dev").set() && !s.get("dev").flag(),
				Verify:     s.get("verify").commands(false),
				BeforeLink: s.get("before_link").commands(true),
				Services:   s.get("services").services(),
				AfterLink:  s.get("after_link").commands(true),
				Health:     readHealth(s.get("health")),
				Batch:      readRollout(s.get("rollout")),
				OnPartial:  choice(s.get("on_partial"), PartialBack, PartialForward, PartialStop),
				Webhook:    readWebhook(s.get("webhook"), webhook),
			},
			hosts: slices.Clone(t.resolve(s.get("hosts"))),
		})
	}
	return all
}

// readFrom reads the name of another stage.
func readFrom(f field, names map[string]name.Stage, own string) name.Stage {
	text := f.text(func(text string) error {
		if text == own {
			return errors.New("a stage cannot take packages from itself")
		}
		if _, some := names[text]; !some {
			return fmt.Errorf("there is no stage %q", text)
		}
		return nil
	})
	return names[text]
}
