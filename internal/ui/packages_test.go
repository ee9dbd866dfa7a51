package ui

import (
	"bytes"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/keep-it-simple/kis/internal/event"
	"github.com/keep-it-simple/kis/internal/name"
	"github.com/keep-it-simple/kis/internal/survey"
	"github.com/keep-it-simple/kis/remote"
)

// What an interrupted push left is removed by the next run; what kis did not make stays.
func TestListDistinguishesAnInterruptedBuildFromAForeignDirectory(t *testing.T) {
	t.Parallel()
	pkg, err := name.ParsePackage("app-1")
	require.NoError(t, err)
	holds := func(state remote.PackageState) survey.Repository {
		return survey.Repository{State: remote.RepositoryState{Packages: []remote.InstalledPackage{{Name: pkg, State: state}}}}
	}
	hosts := []string{"web1", "web2", "web3"}
	for want, found := range map[string]map[string]survey.Repository{
		"app-1  incomplete        missing on web2, web3; incomplete on web1: removed by the next run there\n":                                    {"web1": holds(remote.Unsealed)},
		"app-1  no package        missing on web2, web3; no package on web1: kis leaves it alone\n":                                              {"web1": holds(remote.Foreign)},
		"app-1  incomplete        missing on web3; incomplete on web1: removed by the next run there; no package on web2: kis leaves it alone\n": {"web1": holds(remote.Unsealed), "web2": holds(remote.Foreign)},
	} {
		var out bytes.Buffer
		u := &UI{Streams: Streams{Out: Printer{&out}}}
		u.Packages(survey.Packages(hosts, found), hosts, hosts)
		assert.Equal(t, want, out.String())
	}
}

func TestThatThereIsNothingIsPrintedAboutHostsThatAnswered(t *testing.T) {
	t.Parallel()
	unreachable := survey.Repository{Failure: &event.Failure{Step: event.StepConnect, Message: "connection refused"}}
	hosts := []string{"web1", "web2"}
	for _, test := range []struct {
		web1, web2 survey.Repository
		on         string
	}{
		{survey.Repository{}, survey.Repository{}, "\n"},
		{survey.Repository{}, unreachable, " on web1\n"},
		{unreachable, survey.Repository{}, " on web2\n"},
	} {
		found := map[string]survey.Repository{"web1": test.web1, "web2": test.web2}
		var out bytes.Buffer
		u := &UI{Streams: Streams{Out: Printer{&out}}}
		u.Packages(nil, hosts, survey.Answered(hosts, found))
		u.Runs(nil, hosts, survey.Answered(hosts, found))
		assert.Equal(t, "no packages"+test.on+"nothing was ever linked"+test.on, out.String())
	}
}
