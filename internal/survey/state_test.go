package survey_test

import (
	"encoding/json"
	"fmt"
	"hash/crc32"
	"maps"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/keep-it-simple/kis/internal/event"
	"github.com/keep-it-simple/kis/internal/name"
	"github.com/keep-it-simple/kis/internal/survey"
	"github.com/keep-it-simple/kis/inventory"
	"github.com/keep-it-simple/kis/remote"
)

// line is a line of a journal as an agent writes it. At is in minutes of one hour.
func line(t *testing.T, at int, run, event, from, to string, more map[string]any) string {
	t.Helper()
	record := map[string]any{"seq": at, "at": time.Date(2026, 11, 1, 12, at, 0, 0, time.UTC), "run": run, "ev": event, "op": "push", "from": from, "to": to, "by": "ann@laptop", "scope": "all"}
	maps.Copy(record, more)
	text, err := json.Marshal(record)
	require.NoError(t, err)
	return fmt.Sprintf(`%s,"crc":"%08x"}`, text[:len(text)-1], crc32.ChecksumIEEE(text))
}

// past is a line of a host whose clock is ten years behind.
func past(t *testing.T, at int, run, event, from, to string, more map[string]any) string {
	t.Helper()
	all := map[string]any{"at": minute(at).AddDate(-10, 0, 0)}
	maps.Copy(all, more)
	return line(t, at, run, event, from, to, all)
}

// minute is a minute by the clock of the machine that kis runs on.
func minute(at int) time.Time { return time.Date(2026, 11, 1, 12, at, 0, 0, time.UTC) }

// state is one host with app-1 and app-2 installed, and a stage.
func state(t *testing.T, stage remote.StageState, packages ...string) survey.Repository {
	t.Helper()
	stage.Stage = "live"
	if len(packages) == 0 {
		packages = []string{"app-1", "app-2"}
	}
	r := survey.Repository{State: remote.RepositoryState{Stages: []remote.StageState{stage}}}
	for _, dir := range packages {
		p, err := name.ParsePackage(dir)
		require.NoError(t, err)
		r.State.Packages = append(r.State.Packages, remote.InstalledPackage{Name: p, State: remote.Sealed})
	}
	return r
}

func linkedTo(pkg string, lines ...string) remote.StageState {
	return remote.StageState{Linked: pkg, Managed: true, Sealed: pkg != "", Lines: lines}
}

// held is a stage while a run is in progress there.
func held(stage remote.StageState) remote.StageState {
	stage.Holder = &remote.Holder{Who: "bob@laptop", What: "push live app-2"}
	return stage
}

// missing is the hint about a package that hosts lack: no command can name it.
func missing(pkg string, hosts ...string) string {
	names := strings.Join(hosts, ", ")
	return "hint: " + pkg + " is not installed on " + names + "; push it to " + names + " from the files it was built from, with --no-link; packages: kis list live"
}

// advice is what the stage proposes, as a user sees it.
func advice(s survey.Stage) []string {
	var all []string
	if s.Hint != "" {
		all = append(all, "hint: "+s.Hint)
	}
	for _, a := range s.Next {
		all = append(all, a.String())
	}
	return all
}

func TestJudgeExplainsAStageAndNamesTheCommandsThatMendIt(t *testing.T) {
	t.Parallel()
	first := line(t, 1, "r1", "confirmed", "", "app-1", nil)
	second := line(t, 5, "r2", "confirmed", "app-1", "app-2", nil)
	linked := line(t, 5, "r2", "linked", "app-1", "app-2", nil)
	forward, back := "kis link live app-2    # forward, everywhere", "kis rollback live --to app-1    # back, everywhere"
	ended := "kis status live    # when that run has ended"
	changed := &remote.Problem{Code: "changed-package", Message: "app-2 is not as it was sealed", Hint: "bump the version"}
	unread := &remote.Problem{Code: "unreadable-journal", Message: "the journal cannot be read", Hint: "give it back"}
	for name, test := range map[string]struct {
		web1, web2 survey.Repository
		verdict    survey.Verdict
		next       []string
	}{
		"alike":                            {state(t, linkedTo("app-2", first, second)), state(t, linkedTo("app-2", first, second)), survey.Uniform, nil},
		"never pushed":                     {state(t, linkedTo("")), state(t, linkedTo("")), survey.Uniform, nil},
		"taken back":                       {state(t, linkedTo("app-1", first, linked, line(t, 6, "r2", "reverted", "app-1", "app-2", nil))), state(t, linkedTo("app-1", first)), survey.Uniform, nil},
		"taken back, and not written down": {state(t, linkedTo("app-1", first, linked)), state(t, linkedTo("app-1", first)), survey.Uniform, nil},
		"interrupted":                      {state(t, linkedTo("app-2", first, linked)), state(t, linkedTo("app-1", first)), survey.Interrupted, []string{forward, back}},
		"unconfirmed":                      {state(t, linkedTo("app-2", first, linked)), state(t, linkedTo("app-2", first, second)), survey.Unconfirmed, []string{forward, back}},
		"first push":                       {state(t, linkedTo("app-2", line(t, 5, "r2", "linked", "", "app-2", nil))), state(t, linkedTo("")), survey.Interrupted, []string{forward}},
		"not there yet":                    {state(t, linkedTo("app-2", first, linked)), state(t, linkedTo("app-1", first), "app-1"), survey.Interrupted, []string{forward, back}},
		"linked on one host, with the run at work":     {state(t, held(linkedTo("app-2", first, linked))), state(t, held(linkedTo("app-1", first))), survey.InProgress, []string{ended}},
		"left apart, with a run at work":               {state(t, held(linkedTo("app-2", first, second))), state(t, linkedTo("app-1", first)), survey.InProgress, []string{ended}},
		"alike, with a run at work":                    {state(t, held(linkedTo("app-2", first, second))), state(t, linkedTo("app-2", first, second)), survey.InProgress, []string{ended}},
		"linked this moment, and not in the journal":   {state(t, held(linkedTo("app-2", first))), state(t, held(linkedTo("app-1", first))), survey.InProgress, []string{ended}},
		"a host that cannot be asked, and one at work": {survey.Repository{Failure: &event.Failure{Host: "web1"}}, state(t, held(linkedTo("app-1", first))), survey.Unreachable, []string{"kis status live    # when web1 is reachable"}},
		"narrowed": {
			state(t, linkedTo("app-2", first, line(t, 5, "r2", "confirmed", "app-1", "app-2", map[string]any{"scope": "subset"}))), state(t, linkedTo("app-1", first)),
			survey.Subset,
			[]string{forward, back},
		},
		"narrowed, then a run that was taken back": {
			state(t, linkedTo("app-1", line(t, 1, "r1", "confirmed", "", "app-1", map[string]any{"scope": "subset"}), line(t, 5, "r2", "linked", "app-1", "app-2", nil), line(t, 6, "r2", "reverted", "app-1", "app-2", nil))),
			state(t, linkedTo("", line(t, 5, "r2", "linked", "", "app-2", nil), line(t, 6, "r2", "reverted", "", "app-2", nil))),
			survey.Subset,
			[]string{"kis link live app-1    # forward, everywhere"},
		},
		"left apart, as on_partial may want": {state(t, linkedTo("app-2", first, second)), state(t, linkedTo("app-1", first)), survey.Diverged, []string{forward, back}},
		"a host that is new in the stage":    {state(t, linkedTo("app-2", first, second)), state(t, linkedTo(""), "app-1"), survey.Diverged, []string{forward}},
		"an older journal on one host":       {state(t, linkedTo("app-2", first)), state(t, linkedTo("app-2", first, second)), survey.Drift, []string{"kis link live app-2"}},
		"restored, apart from the other":     {state(t, linkedTo("", first)), state(t, linkedTo("app-2", first, second)), survey.Drift, []string{"kis link live app-1 --hosts web1"}},
		"older journals on all hosts":        {state(t, linkedTo("app-2", first)), state(t, linkedTo("app-2", first)), survey.Drift, []string{"kis link live app-1"}},
		"two that want to be linked apart":   {state(t, linkedTo("app-2", first)), state(t, linkedTo("app-1", first, second)), survey.Drift, []string{"kis link live app-1 --hosts web1", "kis link live app-2 --hosts web2"}},
		"linked by hand to nowhere":          {state(t, remote.StageState{Linked: "app-7", Managed: true, Dangling: true, Lines: []string{first, second}}), state(t, linkedTo("app-2", first, second)), survey.Drift, []string{"kis link live app-2"}},
		"linked to nowhere before kis":       {state(t, remote.StageState{Linked: "app-7", Managed: true, Dangling: true}), state(t, linkedTo("")), survey.Drift, []string{missing("app-7", "web1", "web2")}},
		"its package removed by hand":        {state(t, remote.StageState{Linked: "app-2", Managed: true, Dangling: true, Lines: []string{first, second}}, "app-1"), state(t, linkedTo("app-2", first, second)), survey.Drift, []string{"kis link live app-2"}},
		"linked by hand to a package":        {state(t, linkedTo("app-1", first, second)), state(t, linkedTo("app-2", first, second)), survey.Drift, []string{"kis link live app-2"}},
		"link removed by hand":               {state(t, linkedTo("", first, second)), state(t, linkedTo("app-2", first, second)), survey.Drift, []string{"kis link live app-2"}},
		"linked before kis":                  {state(t, linkedTo("app-1")), state(t, linkedTo("app-1", first)), survey.Drift, []string{"kis link live app-1"}},
		"a journal that cannot be read":      {state(t, remote.StageState{Linked: "app-1", Managed: true, Sealed: true, Unread: unread}), state(t, linkedTo("app-1", first)), survey.Drift, nil},
		"changed by hand":                    {state(t, remote.StageState{Linked: "app-2", Managed: true, Sealed: true, Lines: []string{first, second}, Changed: changed}), state(t, linkedTo("app-2", first, second)), survey.Drift, nil},
		"changed by hand, removed elsewhere": {state(t, remote.StageState{Linked: "app-2", Managed: true, Sealed: true, Lines: []string{first, second}, Changed: changed}), state(t, linkedTo("", first, second)), survey.Drift, nil},
		"a host that cannot be asked": {
			survey.Repository{Failure: &event.Failure{Host: "web1", Hint: "is it up?"}},
			state(t, linkedTo("app-2", first, second)),
			survey.Unreachable,
			[]string{"kis status live    # when web1 is reachable"},
		},
		"a host that cannot be asked, and one where a run was interrupted": {
			survey.Repository{Failure: &event.Failure{Host: "web1"}},
			state(t, linkedTo("app-2", first, linked)),
			survey.Unreachable,
			[]string{"kis status live    # when web1 is reachable", "kis link live app-2 --hosts '!web1'    # forward, on the others"},
		},
		"a host that cannot be asked, and one that was linked by hand": {
			survey.Repository{Failure: &event.Failure{Host: "web1"}},
			state(t, linkedTo("app-1", first, second)),
			survey.Unreachable,
			[]string{"kis status live    # when web1 is reachable", "kis link live app-2 --hosts '!web1'    # on the others"},
		},
		"a trouble of this machine": {
			survey.Repository{Failure: &event.Failure{Host: "web1", Here: true}},
			state(t, linkedTo("app-2", first, second)),
			survey.Unreachable,
			[]string{"kis status live    # when that is fixed on this machine"},
		},
		"a trouble of this machine, and a host that is down": {
			survey.Repository{Failure: &event.Failure{Host: "web1", Here: true}},
			survey.Repository{Failure: &event.Failure{Host: "web2"}},
			survey.Unreachable,
			[]string{"kis status live    # when web2 is reachable"},
		},
		"no host can be asked": {
			survey.Repository{Failure: &event.Failure{Host: "web1"}},
			survey.Repository{Failure: &event.Failure{Host: "web2"}},
			survey.Unreachable,
			[]string{"kis status live    # when web1, web2 are reachable"},
		},
		// The clock of web2 is ten years behind.
		"left apart, with a clock that is wrong": {
			state(t, linkedTo("app-1", first)), state(t, linkedTo("app-2", past(t, 1, "r1", "confirmed", "", "app-1", nil), past(t, 5, "r2", "confirmed", "app-1", "app-2", nil))),
			survey.Diverged,
			[]string{forward, back},
		},
		"interrupted twice, with a clock that is wrong": {
			state(t, linkedTo("app-1", line(t, 5, "r2", "linked", "", "app-1", map[string]any{"requested": minute(5)}))),
			state(t, linkedTo("app-2", past(t, 9, "r3", "linked", "app-1", "app-2", map[string]any{"requested": minute(9)}))),
			survey.Interrupted,
			[]string{forward, back},
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			hosts := []inventory.Host{{Name: "web1"}, {Name: "web2"}}
			stage := survey.Judge("live", hosts, map[string]survey.Repository{"web1": test.web1, "web2": test.web2})
			assert.Equal(t, test.verdict, stage.Verdict)
			assert.Equal(t, test.next, advice(stage))
			told := test.next != nil || test.verdict == survey.Uniform
			for _, h := range stage.Hosts {
				told = told || h.Hint != "" || h.Failure != nil
			}
			assert.True(t, told, "somebody has to be told what to do")
		})
	}
}

// Whatever is proposed for a host that drifts, the hosts that are as their own journals say stay
// where they are.
func TestJudgeProposesNothingThatMovesHostsThatAreAsTheirJournalsSay(t *testing.T) {
	t.Parallel()
	first, second := line(t, 1, "r1", "confirmed", "", "app-1", nil), line(t, 5, "r2", "confirmed", "app-1", "app-2", nil)
	found := map[string]survey.Repository{
		"web1": state(t, linkedTo("app-1", first, second)),
		"web2": state(t, linkedTo("app-2", first, second)),
		"web3": state(t, linkedTo("app-1", first)),
	}
	hosts := []inventory.Host{{Name: "web1"}, {Name: "web2"}, {Name: "web3"}}
	assert.Equal(t, []string{"kis link live app-2 --hosts web1"}, advice(survey.Judge("live", hosts, found)))
	found["web1"] = state(t, linkedTo("", first, second))
	found["web2"] = survey.Repository{Failure: &event.Failure{Host: "web2"}}
	assert.Equal(t, []string{"kis status live    # when web2 is reachable", "kis link live app-2 --hosts web1"}, advice(survey.Judge("live", hosts, found)))
}

// A service that is inactive was ended by somebody, or has done what it had to do.
func TestServicesThatShouldRunAndDoNot(t *testing.T) {
	t.Parallel()
	blog, err := name.ParseUnit("blog")
	require.NoError(t, err)
	own := []inventory.Service{{Unit: blog}}
	hosts := []inventory.Host{{Name: "web1"}, {Name: "web2"}}
	with := func(states ...string) survey.Stage {
		found := map[string]survey.Repository{}
		for i, service := range states {
			linked := linkedTo("app-1", line(t, 1, "r1", "confirmed", "", "app-1", nil))
			repository := state(t, linked)
			repository.State.Services = []remote.ServiceState{{Name: "other.service", State: "failed"}, {Name: "blog.service", State: service}, {Name: "blog.service", User: true, State: "failed"}}
			found[hosts[i].Name] = repository
		}
		stage := survey.Judge("live", hosts, found)
		stage.AddServices(own, found)
		return stage
	}
	stage := with("active", "failed")
	assert.Equal(t, []remote.ServiceState{{Name: "blog.service", State: "failed"}}, stage.Hosts[1].Services, "of this stage, and of this manager")
	assert.Equal(t, []string{"kis logs live --hosts web2    # why a service does not run"}, advice(stage))
	assert.Equal(t, []string{"kis logs live    # why a service does not run"}, advice(with("activating", "failed")))
	assert.Empty(t, advice(with("inactive", "missing")))
}

func TestJudgeNamesTheHostThatIsNewInAStage(t *testing.T) {
	t.Parallel()
	first, linked := line(t, 1, "r1", "confirmed", "", "app-1", nil), line(t, 5, "r2", "linked", "", "app-1", nil)
	found := map[string]survey.Repository{
		"web1": state(t, linkedTo("app-1", first)),
		"web2": state(t, linkedTo("")),
		"web3": state(t, linkedTo("", linked, line(t, 6, "r2", "reverted", "", "app-1", nil))),
		"web4": {},
	}
	stage := survey.Judge("live", []inventory.Host{{Name: "web1"}, {Name: "web2"}, {Name: "web3"}, {Name: "web4"}}, found)
	require.Equal(t, survey.Diverged, stage.Verdict)
	var notes []string
	for _, h := range stage.Hosts {
		notes = append(notes, h.Note)
	}
	const fresh = "never linked on this host"
	assert.Equal(t, []string{"", fresh, "", fresh}, notes)
}

func TestJudgeReportsAnAfterLinkThatFailed(t *testing.T) {
	t.Parallel()
	const owed, failed = "not back in service after the rollback", "after_link failed after the way back"
	was := line(t, 1, "r1", "confirmed", "", "app-1", nil)
	back := func(more map[string]any) string { return line(t, 6, "r2", "reverted", "app-1", "app-2", more) }
	for name, c := range map[string]struct {
		lines   []string
		verdict survey.Verdict
		note    string
	}{
		"nothing runs after it":          {[]string{was, back(nil)}, survey.Uniform, ""},
		"not yet":                        {[]string{was, back(map[string]any{"after": true})}, survey.Degraded, owed},
		"failed":                         {[]string{was, back(map[string]any{"after": true}), back(map[string]any{"after": true, "restarted": true, "note": failed})}, survey.Degraded, failed},
		"went well":                      {[]string{was, back(map[string]any{"after": true}), back(map[string]any{"after": true, "restarted": true})}, survey.Uniform, ""},
		"not written down":               {[]string{was, line(t, 5, "r2", "linked", "app-1", "app-2", nil)}, survey.Uniform, "rolled back to the link before the last run, which the journal does not record"},
		"not written down, and not well": {[]string{was, line(t, 5, "r2", "linked", "app-1", "app-2", map[string]any{"after": true})}, survey.Degraded, owed},
		"a later run has taken up what one that was killed had linked, and gone back": {
			[]string{was, line(t, 2, "r2", "linked", "app-1", "app-2", nil), line(t, 3, "r3", "reverted", "app-1", "app-2", nil)}, survey.Uniform, "",
		},
		"linked again": {[]string{was, back(map[string]any{"after": true}), line(t, 7, "r3", "confirmed", "app-1", "app-1", nil)}, survey.Uniform, ""},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			stage := survey.Judge("live", []inventory.Host{{Name: "web1"}}, map[string]survey.Repository{"web1": state(t, linkedTo("app-1", c.lines...))})
			assert.Equal(t, c.verdict, stage.Verdict)
			assert.Equal(t, c.note, stage.Hosts[0].Note)
			assert.False(t, stage.Hosts[0].Since.IsZero())
			if c.verdict == survey.Degraded {
				assert.Equal(t, []string{"kis link live app-1    # brings it into service again"}, advice(stage))
			}
		})
	}
}

func TestJudgeSaysSinceWhenAndByWhomOnlyOfWhatIsLinked(t *testing.T) {
	t.Parallel()
	first, second := line(t, 1, "r1", "confirmed", "", "app-1", nil), line(t, 5, "r2", "confirmed", "app-1", "app-2", map[string]any{"scope": "subset"})
	for linked, since := range map[string]int{"app-2": 5, "app-1": 0, "": 0} {
		s := survey.Judge("live", []inventory.Host{{Name: "web1"}}, map[string]survey.Repository{"web1": state(t, linkedTo(linked, first, second))}).Hosts[0]
		if since > 0 {
			assert.Equal(t, []any{minute(since), "ann@laptop", "push", "r2", "subset", true}, []any{s.Since, s.By, s.Op, s.Run, s.Scope, s.Confirmed})
			continue
		}
		assert.Equal(t, []any{time.Time{}, "", "", "", ""}, []any{s.Since, s.By, s.Op, s.Run, s.Scope}, linked)
		assert.False(t, s.Confirmed && linked != "")
	}
}

// A run that is at work renames before it writes its line: what is read between the two is no
// drift.
func TestJudgeDoesNotTakeARunAtWorkForOtherHands(t *testing.T) {
	t.Parallel()
	stage := survey.Judge("live", []inventory.Host{{Name: "web1"}}, map[string]survey.Repository{"web1": state(t, held(linkedTo("app-2", line(t, 1, "r1", "confirmed", "", "app-1", nil))))})
	assert.Empty(t, stage.Hosts[0].Drift)
	assert.True(t, stage.SameLink())
}

func TestJudgeCountsUnusableLines(t *testing.T) {
	t.Parallel()
	first := line(t, 1, "r1", "confirmed", "", "app-1", nil)
	lines := []string{first, "rubbish", first, line(t, 2, "r2", "confirmed", "app-1", "app-2", map[string]any{"v": 2})}
	stage := survey.Judge("live", []inventory.Host{{Name: "web1"}}, map[string]survey.Repository{"web1": state(t, linkedTo("app-1", lines...))})
	assert.Equal(t, "1 damaged lines in the journal; 1 lines in the journal are of a newer kis", stage.Hosts[0].Note)
	assert.Equal(t, survey.Uniform, stage.Verdict)
}
