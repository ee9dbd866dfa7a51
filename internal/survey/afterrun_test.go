package survey_test

import (
	"testing"

	"github.com/stretchr/testify/assert"

	"github.com/keep-it-simple/kis/internal/event"
	"github.com/keep-it-simple/kis/internal/survey"
	"github.com/keep-it-simple/kis/remote"
)

// TestNextCommandsFitTheHostsOfTheRun: a package is named only where it is installed, and hosts
// that were excluded stay excluded.
func TestNextCommandsFitTheHostsOfTheRun(t *testing.T) {
	t.Parallel()
	host := func(name, back, linked string) event.HostReport {
		return event.HostReport{Host: name, Was: back, RollbackTo: back, Linked: linked, LinkKnown: true}
	}
	const status = "kis status live"
	for name, c := range map[string]struct {
		outcome event.Outcome
		subset  bool
		hosts   []event.HostReport
		code    remote.Code // of the failure
		want    []string
	}{
		"hosts differ": {
			event.Split, false,
			[]event.HostReport{host("web1", "app-1", "app-2"), host("web2", "app-1", "app-1")},
			"",
			[]string{status, "kis link live app-2    # forward, everywhere", "kis rollback live --to app-1    # back, everywhere"},
		},
		"narrowed": {
			event.Split, true,
			[]event.HostReport{host("web1", "app-1", "app-2"), host("web2", "app-1", "app-1")},
			"",
			[]string{status, "kis link live app-2 --hosts web1,web2    # forward, on web1, web2", "kis rollback live --to app-1 --hosts web1,web2    # back, on web1, web2"},
		},
		"a host is new": {
			event.Split, false,
			[]event.HostReport{host("web1", "app-1", "app-2"), host("web2", "", "app-2")},
			"",
			[]string{status, "kis link live app-2    # forward, everywhere", "kis rollback live --to app-1 --hosts web1    # back, on web1"},
		},
		"hosts differed before": {
			event.Split, false,
			[]event.HostReport{host("web1", "app-1", "app-2"), host("web2", "app-0", "app-2")},
			"",
			[]string{status, "kis link live app-2    # forward, everywhere", "kis rollback live --to app-1 --hosts web1    # back, on web1", "kis rollback live --to app-0 --hosts web2    # back, on web2"},
		},
		"taken by another run": {event.Split, false, []event.HostReport{host("web1", "app-1", "app-2"), host("web2", "app-1", "app-1")}, "taken", []string{status}},
		"all rolled back":      {event.RolledBack, false, []event.HostReport{host("web1", "app-1", "app-1"), host("web2", "app-1", "app-1")}, "", nil},
		"degraded": {
			event.RolledBack, false,
			[]event.HostReport{host("web1", "app-1", "app-1"), {Host: "web2", RollbackTo: "app-1", Linked: "app-1", LinkKnown: true, Degraded: true}},
			"",
			[]string{"kis link live app-1 --hosts web2    # brings it into service again"},
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r := event.Report{Outcome: c.outcome, Stage: "live", Package: "app-2", Subset: c.subset, Hosts: c.hosts, Failures: []event.Failure{{Host: "web1", Code: c.code}}}
			var got []string
			for _, advice := range survey.AfterRun(r) {
				got = append(got, advice.String())
			}
			assert.Equal(t, c.want, got)
		})
	}
}
