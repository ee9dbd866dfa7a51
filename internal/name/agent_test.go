package name_test

import (
	"bytes"
	"encoding/json"
	"os/exec"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/keep-it-simple/kis/internal/name"
)

// ask reads JSON texts and answers which the agent takes for a stage, a package and a run.
const ask = `
import json, sys
sys.dont_write_bytecode = True
sys.path.insert(0, "../../scripts")
from kisagent import store, wire
def good(pattern, text):
    try:
        return store.checked(pattern, text, "name") == text
    except wire.Refused:
        return False
json.dump([{w: good(p, t) for w, p in (("stage", store.STAGE), ("package", store.PACKAGE), ("run", store.RUN))} for t in json.load(sys.stdin)], sys.stdout)
`

// mutants are texts that are a step away from a name: a character more, or another one, at each
// place, and every length.
func mutants() []string {
	odd := strings.Split("\u017f \u212a \u0130 \u0131 \n \r \t \x00 \v \f \x1c \x85 \u2028 - -- . .. / \\ _ __ + ! ~ ' \" $ ; # @ : % \u202e \u200b １ ٣ é A Z a z 0 9 {", " ")
	odd = append(odd, " ", "")
	var all []string
	for _, base := range []string{"a", "staging", "production_2", "a-1", "my_project-1.0.post1", "a-1!2.0+x.1-1", "abcdefgh", "0a1b2c3d4e5f"} {
		all = append(all, base)
		for i := range len(base) + 1 {
			for _, o := range odd {
				all = append(all, base[:i]+o+base[i:])
				if i < len(base) {
					all = append(all, base[:i]+o+base[i+1:])
				}
			}
		}
	}
	for n := range 260 {
		all = append(all, strings.Repeat("a", n), "s"+strings.Repeat("_", n), strings.Repeat("a", n)+"-1", "a-"+strings.Repeat("1", n), strings.Repeat("a", n)+"-"+strings.Repeat("1", 100))
	}
	return append(append(all, hostile()...), strings.Repeat("a", 1000), strings.Repeat("a", 1000)+"-1", strings.Repeat("a", 1<<16)+"\n")
}

// The agent turns names into paths, so it checks them again: what one of the two accepts, the other
// must.
func TestTheAgentHasTheSameNames(t *testing.T) {
	t.Parallel()
	texts := []string{}
	for _, k := range kinds() {
		texts = append(append(texts, k.good...), k.bad...)
	}
	for _, text := range mutants() {
		if strings.ToValidUTF8(text, "") == text { // the protocol is JSON
			texts = append(texts, text)
		}
	}
	sent, err := json.Marshal(texts)
	require.NoError(t, err)
	cmd := exec.CommandContext(t.Context(), "python3", "-c", ask)
	cmd.Stdin = bytes.NewReader(sent)
	said, err := cmd.Output()
	require.NoError(t, err)
	var agent []struct{ Stage, Package, Run bool }
	require.NoError(t, json.Unmarshal(said, &agent))
	require.Len(t, agent, len(texts))
	accepted := map[string]int{}
	for i, text := range texts {
		_, stage := name.ParseStage(text)
		_, pkg := name.ParsePackage(text)
		_, run := name.ParseRun(text)
		for what, both := range map[string][2]bool{"stage": {stage == nil, agent[i].Stage}, "package": {pkg == nil, agent[i].Package}, "run": {run == nil, agent[i].Run}} {
			assert.Equal(t, both[0], both[1], "%s %.80q: kis, the agent", what, text)
			if both[0] {
				accepted[what]++
			}
		}
	}
	for what, n := range accepted {
		assert.Greater(t, n, 100, "names of a %s that were compared and are valid", what)
	}
	assert.Len(t, accepted, 3)
}
