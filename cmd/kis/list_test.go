package main

import (
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/keep-it-simple/kis/internal/event"
	"github.com/keep-it-simple/kis/internal/name"
	"github.com/keep-it-simple/kis/internal/survey"
	"github.com/keep-it-simple/kis/remote"
)

// What an interrupted push left goes with the next run; what kis did not make stays.
func TestListTellsAnInterruptedBuildFromWhatKisDidNotMake(t *testing.T) {
	t.Parallel()
	p := newPlace(t, "stages: {live: {hosts: [web1, web2, web3]}}\n")
	pkg, err := name.ParsePackage("app-1")
	require.NoError(t, err)
	look := func(state remote.PackageState) survey.Repository {
		return survey.Repository{State: remote.RepositoryState{Packages: []remote.InstalledPackage{{Name: pkg, State: state}}}}
	}
	hosts := []string{"web1", "web2", "web3"}
	for want, looks := range map[string]map[string]survey.Repository{
		"app-1  incomplete    missing on web2, web3; incomplete on web1: goes with the next run there\n":                                    {"web1": look(remote.Unsealed)},
		"app-1  no package    missing on web2, web3; no package on web1: kis leaves it alone\n":                                             {"web1": look(remote.Foreign)},
		"app-1  incomplete    missing on web3; incomplete on web1: goes with the next run there; no package on web2: kis leaves it alone\n": {"web1": look(remote.Unsealed), "web2": look(remote.Foreign)},
	} {
		a, out, _ := p.app()
		a.printPackages(survey.Packages(hosts, looks), hosts, looks)
		assert.Equal(t, want, out.String())
	}
}

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
