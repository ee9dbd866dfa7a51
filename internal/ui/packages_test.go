package ui

import (
	"bytes"
	"slices"
	"strings"
	"testing"
	"time"

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

func TestListShowsSizeHistoryAndRevision(t *testing.T) {
	t.Parallel()
	var all []remote.InstalledPackage
	for _, text := range []string{"app-2", "app-1"} {
		p, err := name.ParsePackage(text)
		require.NoError(t, err)
		all = append(all, remote.InstalledPackage{
			Name: p, State: remote.Sealed, History: remote.NeverLinked,
			Receipt: &remote.Receipt{Package: p, Size: 12_000_000, Files: 400, Git: "1a2b3c4d5e6f+", Created: time.Date(2026, 11, 1, 12, 0, 0, 0, time.UTC)},
		})
	}
	elsewhere := slices.Clone(all)
	elsewhere[0].History, elsewhere[1].History = remote.Reverted, remote.Confirmed
	hosts := []string{"web1", "web2"}
	found := survey.Packages(hosts, map[string]survey.Repository{
		"web1": {State: remote.RepositoryState{Packages: all}}, "web2": {State: remote.RepositoryState{Packages: elsewhere}},
	})
	var out bytes.Buffer
	u := &UI{Streams: Streams{Out: Printer{&out}}}
	u.Packages(found, hosts, hosts)
	lines := strings.Split(out.String(), "\n")
	assert.Regexp(t, `^app-2  2026-11-01 \S+ \S+  12 MB  reverted   1a2b3c4d5e6f\+ *$`, lines[0])
	assert.Regexp(t, `^app-1  2026-11-01 \S+ \S+  12 MB  confirmed  1a2b3c4d5e6f\+ *$`, lines[1])
	out.Reset()
	u.Output = JSON
	u.Packages(found, hosts, hosts)
	assert.Contains(t, out.String(), `"size":12000000,"files":400,"history":"confirmed","git":"1a2b3c4d5e6f+"`)
}
