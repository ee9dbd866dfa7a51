package ui

import (
	"fmt"
	"strings"

	"github.com/keep-it-simple/kis/internal/event"
)

// Cleanup prints what is to be removed from hosts, or what was removed.
func (u *UI) Cleanup(all []event.Cleanup, done bool) {
	word, folded := "to remove", grouped{}
	if done {
		word = "removed"
	}
	for _, c := range all {
		switch {
		case u.WantsJSON():
			u.Out.json(cleanupRecord{newHead("cleanup"), done, c})
		case len(c.Packages) > 0:
			folded.add(c.Host, word+": "+removed(c))
		}
	}
	for _, line := range folded {
		u.Out.Printf("%s  %s\n", allHosts(line.hosts), line.text)
	}
}

// removed names packages with their size, and what is left of them.
func removed(c event.Cleanup) string {
	text := fmt.Sprintf("%s (%s)", list(c.Packages, 8), size(c.Bytes))
	if len(c.Left) > 0 {
		text += "; a later run removes the rest: " + strings.Join(c.Left, "; ")
	}
	return text
}

// CleanupQuestion asks whether that is to be removed.
func (u *UI) CleanupQuestion(planned []event.Cleanup) string {
	packages, bytes := event.CountPackages(planned)
	if packages == 1 {
		return fmt.Sprintf("remove it (%s)?", size(bytes))
	}
	return fmt.Sprintf("remove %d packages (%s)?", packages, size(bytes))
}

// CleanupEnd prints what failed, and a sentence about the result.
func (u *UI) CleanupEnd(failures []event.Failure, sentence string) {
	if u.WantsJSON() {
		return
	}
	u.printFailures(failures)
	if sentence != "" {
		u.Err.Printf("kis: %s\n", sentence)
	}
}
