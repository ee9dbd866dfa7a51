package main

import (
	"testing"

	"github.com/stretchr/testify/assert"

	"github.com/keep-it-simple/kis/internal/event"
	"github.com/keep-it-simple/kis/internal/survey"
)

// TestThatThereIsNothingIsSaidOfHostsThatHaveAnswered, and of no others.
func TestThatThereIsNothingIsSaidOfHostsThatHaveAnswered(t *testing.T) {
	t.Parallel()
	p := newPlace(t, "stages: {live: {hosts: [web1, web2]}}\n")
	away := survey.Repository{Failure: &event.Failure{Step: event.StepConnect, Message: "connection refused"}}
	hosts := []string{"web1", "web2"}
	for _, test := range []struct {
		web1, web2 survey.Repository
		on         string
	}{
		{survey.Repository{}, survey.Repository{}, "\n"},
		{survey.Repository{}, away, " on web1\n"},
		{away, survey.Repository{}, " on web2\n"},
	} {
		looks := map[string]survey.Repository{"web1": test.web1, "web2": test.web2}
		a, out, _ := p.app()
		a.printPackages(nil, hosts, looks)
		a.printRuns(nil, hosts, looks)
		assert.Equal(t, "no packages"+test.on+"nothing was ever linked"+test.on, out.String())
	}
	for _, args := range [][]string{{"list", "live"}, {"log", "live"}} {
		a, out, errs := p.app()
		assert.Equal(t, 5, execute(t.Context(), a, p.args(args...)))
		assert.Empty(t, out.String(), "nobody has answered")
		assert.Contains(t, errs.String(), "kis: 2 of 2 hosts could not be asked\n")
	}
}
