package remote_test

import (
	"os"
	"os/exec"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/keep-it-simple/kis/scripts"
)

// found returns the first group of every match, sorted and without duplicates.
func found(pattern, text string) []string {
	var all []string
	for _, match := range regexp.MustCompile(pattern).FindAllStringSubmatch(text, -1) {
		all = append(all, match[1])
	}
	slices.Sort(all)
	return slices.Compact(all)
}

func text(t *testing.T, file string) string {
	t.Helper()
	text, err := os.ReadFile(file)
	require.NoError(t, err)
	return string(text)
}

// TestEveryCodeOfTheAgentIsKnown compares the codes in the agent's source with testdata/codes.txt: a program may
// match on each of them. The constants are some of them.
func TestEveryCodeOfTheAgentIsKnown(t *testing.T) {
	t.Parallel()
	var agent strings.Builder
	for _, m := range scripts.Modules() {
		agent.WriteString(m.Source)
	}
	sent := found(`(?s)(?:Refused\(|problem\(|"code": )\s*"([a-z-]*[a-z])"`, agent.String())
	sent = append(sent, "other-content", "other-recipe") // put together there
	slices.Sort(sent)
	assert.Greater(t, len(sent), 50)
	assert.Equal(t, sent, found(`(?m)^([a-z-]+)`, text(t, "testdata/codes.txt")))
	constants := found(`\tCode[A-Za-z]+ +Code = "([a-z-]+)"`, text(t, "code.go"))
	assert.NotEmpty(t, constants)
	assert.Subset(t, sent, constants)
}

func TestEveryEventOfTheAgentIsKnown(t *testing.T) {
	t.Parallel()
	out, err := exec.CommandContext(t.Context(), "python3", "-B", "-c", `
import sys
sys.path.insert(0, "../scripts")
from kisagent import journal
print("\n".join(sorted(journal.EVENTS)))`).CombinedOutput()
	require.NoError(t, err, "%s", out)
	assert.Equal(t, strings.Fields(string(out)), found(`\tEvent[A-Za-z]+ +EventKind = "([a-z]+)"`, text(t, "eventkind.go")))
}

// TestEveryOperationIsAHandler compares the commands with the handlers of the agent.
func TestEveryOperationIsAHandler(t *testing.T) {
	t.Parallel()
	handlers := found(`def do_([a-z]+)\(`, text(t, "../scripts/kisagent/main.py"))
	assert.Equal(t, handlers, found(`\top[A-Z][A-Za-z]+ +operation = "([a-z]+)"`, text(t, "request.go")))
}
