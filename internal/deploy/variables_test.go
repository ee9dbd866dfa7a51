package deploy_test

import (
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/keep-it-simple/kis/internal/event"
	"github.com/keep-it-simple/kis/inventory"
)

// TestCommandsSeeTheVariablesOfTheirHost: the commands print what they see, and fail, so that the
// test can read it. Nothing of a value may be taken for shell text on the way.
func TestCommandsSeeTheVariablesOfTheirHost(t *testing.T) {
	t.Parallel()
	touched := filepath.Join(t.TempDir(), "touched")
	hostile := "a b $(touch " + touched + ") 'x' \"y\" \\ ;#"
	w := newWorld(t, embedded, 2)
	w.install(t, "1.0", "1.1")
	w.hosts[0].Vars = map[string]string{"rack": "a1", "Text_2": hostile, "lines": "one\ntwo", "empty": ""}
	w.hosts[1].Vars = map[string]string{"rack": "b2"}
	show := `echo "$KIS_HOST $KIS_STAGE $KIS_PACKAGE $KIS_VERSION ${KIS_PREVIOUS:-none} ${KIS_RUN:+run}"; env | grep ^KIS_VAR_ | sort; ` +
		`echo "$KIS_VAR_LINES" | tail -n 1; exit 1`

	plan := push(t, "1.0")
	plan.Stage = inventory.Stage{Name: stageNamed(t, "staging"), Verify: []inventory.Command{{Run: show}}}
	require.Equal(t, [][]string{
		{"web1 staging hello-1.0 1.0 none run", "KIS_VAR_EMPTY=", "KIS_VAR_LINES=one", "KIS_VAR_RACK=a1", "KIS_VAR_TEXT_2=" + hostile, "two"},
		{"web2 staging hello-1.0 1.0 none run", "KIS_VAR_RACK=b2"},
	}, tails(w.run(t.Context(), t, plan, nil)))
	require.NoFileExists(t, touched)

	require.Empty(t, w.run(t.Context(), t, push(t, "1.0"), nil).Failures)
	plan = push(t, "1.1")
	plan.Stage = inventory.Stage{Name: stageNamed(t, "staging"), AfterLink: []inventory.Command{{Run: `echo "$KIS_VAR_RACK ${KIS_PREVIOUS:-none} $KIS_PACKAGE"; exit 1`}}}
	report := w.run(t.Context(), t, plan, nil)
	require.Equal(t, event.RolledBack, report.Outcome)
	require.ElementsMatch(t, [][]string{
		{"a1 hello-1.0 hello-1.1"}, {"b2 hello-1.0 hello-1.1"}, // after the switch
		{"a1 hello-1.1 hello-1.0"}, {"b2 hello-1.1 hello-1.0"}, // after the rollback
	}, tails(report))
}

// tails are what the failed commands printed, host by host.
func tails(r event.Report) [][]string {
	var all [][]string
	for _, f := range r.Failures {
		all = append(all, f.Tail)
	}
	return all
}
