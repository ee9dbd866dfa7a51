package survey_test

import (
	"encoding/json"
	"fmt"
	"hash/crc32"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/keep-it-simple/kis/internal/survey"
	"github.com/keep-it-simple/kis/inventory"
	"github.com/keep-it-simple/kis/remote"
)

// stamped gives a line the checksum that it needs to be read at all; lines that have one stay as
// they are.
func stamped(line string) string {
	body, open := strings.CutSuffix(line, "}")
	if !open || strings.Contains(line, `"crc":"`) {
		return line
	}
	return fmt.Sprintf(`%s,"crc":"%08x"}`, body, crc32.ChecksumIEEE([]byte(line)))
}

// fuzzed is a host's stage with these lines in its journal. The first line says what is linked, and
// how.
func fuzzed(text string) survey.Repository {
	first, rest, _ := strings.Cut(text, "\n")
	there := remote.StageState{Stage: "live", Linked: strings.TrimRight(first, "!?~"), Sealed: !strings.HasSuffix(first, "!"), Dangling: strings.HasSuffix(first, "?"), Managed: true}
	if strings.HasSuffix(first, "~") {
		there.Holder = &remote.Holder{Who: "bob@desk"}
	}
	for line := range strings.SplitSeq(rest, "\n") {
		there.Lines = append(there.Lines, stamped(line))
	}
	return survey.Repository{State: remote.RepositoryState{Stages: []remote.StageState{there}}}
}

// FuzzJudge: whatever the journals of several hosts say, there is a verdict that can be written
// down, every run is listed once, and runs of one journal are in its order where no other journal
// contradicts it.
func FuzzJudge(f *testing.F) {
	const confirmed, linked = `{"v":1,"seq":3,"run":"r1","ev":"confirmed","op":"push","to":"app-1"}`, `{"v":1,"seq":5,"at":"2026-11-01T12:00:00Z","run":"r2","ev":"linked","op":"push","from":"app-1","to":"app-2"}`
	f.Add("app-2\n"+confirmed+"\n"+linked, "app-1\n"+confirmed, "")
	f.Add("app-2\n"+confirmed+"\n"+`{"v":1,"seq":4,"crc":"}`+"\n"+linked, "app-1~\n,\"crc\":\"}", "app-3!")
	f.Add("app-1\n"+linked+"\n"+confirmed, "app-2?\n"+confirmed+"\n"+linked, "\n"+linked)
	f.Add("app-1\n"+`{"ev":"reverted","run":"r2","from":"app-1","to":"app-2","after":true}`, "app-1\n"+`{"v":2,"ev":{}}`, "../x\n"+`{"ev":"armed","requested":"9999-12-31T23:59:59-23:59"}`)
	f.Add("\n"+`{"ev":"ended","run":"r1","by":"x"}`, "\n"+`{"ev":"armed","run":""}`, "\n"+`{"ev":"armed","skew":1e308}`)
	hosts := []inventory.Host{{Name: "web1"}, {Name: "web2"}, {Name: "web3"}}
	f.Fuzz(func(t *testing.T, first, second, third string) {
		found := map[string]survey.Repository{"web1": fuzzed(first), "web2": fuzzed(second), "web3": fuzzed(third)}
		seen := survey.Judge("live", hosts, found)
		_, err := json.Marshal(seen)
		require.NoError(t, err)
		require.Len(t, seen.Hosts, len(hosts))
		require.NotEmpty(t, seen.Verdict)

		runs := survey.Runs("live", found)
		listed := map[string]bool{}
		for _, r := range found {
			for _, e := range remote.ParseJournal(r.State.Stages[0].Lines).Entries {
				listed[e.Run] = true
			}
		}
		require.Len(t, runs, len(listed))
		for i, run := range runs {
			require.True(t, listed[run], "%q is missing", run)
			require.NotContains(t, runs[:i], run)
		}
		alone := survey.Runs("live", map[string]survey.Repository{"web1": found["web1"]})
		var order []string
		for _, e := range remote.ParseJournal(found["web1"].State.Stages[0].Lines).Entries {
			if !slices.Contains(order, e.Run) {
				order = append(order, e.Run)
			}
		}
		require.Equal(t, order, alone)
	})
}
