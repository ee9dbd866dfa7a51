package faults_test

import (
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/keep-it-simple/kis/internal/faults"
)

const module = "../.."

func rows(t *testing.T) []faults.Row {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(module, "docs", "faults.md"))
	require.NoError(t, err)
	rows, err := faults.Parse(string(text))
	require.NoError(t, err)
	require.Greater(t, len(rows), 100, "the matrix is read")
	return rows
}

func TestEveryTestOfTheMatrixExists(t *testing.T) {
	t.Parallel()
	sources := map[string]string{}
	for _, r := range rows(t) {
		for _, test := range r.Tests {
			if _, read := sources[test.Folder]; !read {
				sources[test.Folder] = testSource(t, test.Folder)
			}
			parts := strings.Split(test.Name, "/")
			there := strings.Contains(sources[test.Folder], "func "+parts[0]+"(")
			for _, name := range parts[1:] { // the names of subtests are texts of the source, as far as they are not made of several
				there = there && strings.Contains(sources[test.Folder], `"`+name+`"`)
			}
			assert.True(t, there, "%s: there is no %s", r.ID, test)
		}
	}
}

// testSource is the text of the test files in a folder, with the names of subtests written as `go test` prints them.
func testSource(t *testing.T, folder string) string {
	t.Helper()
	files, err := filepath.Glob(filepath.Join(module, folder, "*_test.go"))
	require.NoError(t, err)
	require.NotEmpty(t, files, "no tests in %s", folder)
	var all strings.Builder
	for _, path := range files {
		text, err := os.ReadFile(path)
		require.NoError(t, err)
		all.Write(text)
	}
	return quoted.ReplaceAllStringFunc(all.String(), func(text string) string { return strings.ReplaceAll(text, " ", "_") })
}

var quoted = regexp.MustCompile(`"[^"\n]*"`)

func TestParseReadsRowsAndLeavesOtherTablesAlone(t *testing.T) {
	t.Parallel()
	got, err := faults.Parse("| id | fault | promise | test |\n|---|---|---|---|\n| C3 | a cut | `5` | `internal/fleet.TestCut/web1_down`, `remote.TestX` |\n" +
		"| V9 | later | none | no test: kis has gone by then |\n| a | b | c | d |\n")
	require.NoError(t, err)
	assert.Equal(t, []faults.Row{
		{
			ID: "C3", Fault: "a cut", Promise: "`5`", Why: "`internal/fleet.TestCut/web1_down`, `remote.TestX`",
		},
		{ID: "V9", Fault: "later", Promise: "none", Why: "no test: kis has gone by then"},
	}, got)
	assert.Equal(t, "TestCut", got[0].Tests[0].Top())
}

func TestParseRefusesRowsThatProveNothing(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]string{
		"| C1 | a | b | `remote.TestX` |\n| C1 | a | b | `remote.TestX` |\n": "line 2: C1 stands there twice",
		"| C1 | a | b |  |\n": "line 1: C1 has neither a test nor a reason",
	} {
		_, err := faults.Parse(text)
		require.ErrorContains(t, err, want)
	}
}

var bugLine = regexp.MustCompile("^\\| (.+) \\| `make bug MEND=([0-9a-f]{7,}) TEST=([a-z0-9/]+)\\.(Test[A-Za-z0-9]+)(?:/[^ ]+)?(?: TESTS=([0-9a-f]{7,}))?` \\|$")

// TestEveryBugHasAMendAndATestThatShowsIt: what the commands of the document name is in the history. Whether they show the bugs is what
// running them tells; they take minutes each.
func TestEveryBugHasAMendAndATestThatShowsIt(t *testing.T) {
	t.Parallel()
	git := func(args ...string) string {
		out, err := exec.CommandContext(t.Context(), "git", args...).Output()
		require.NoError(t, err, "git %v", args)
		return strings.TrimSpace(string(out))
	}
	text, err := os.ReadFile(filepath.Join(module, "docs", "faults.md"))
	require.NoError(t, err)
	_, section, there := strings.Cut(string(text), "\n## Bugs")
	require.True(t, there)
	whole := git("rev-parse", "--is-shallow-repository") == "false" // a shallow clone has no history to look into
	bugs := 0
	for line := range strings.Lines(section) {
		if !strings.HasPrefix(line, "| ") || strings.HasPrefix(line, "| bug ") {
			continue
		}
		found := bugLine.FindStringSubmatch(strings.TrimSpace(line))
		if !assert.NotNil(t, found, "not `make bug MEND=… TEST=…`: %s", line) {
			continue
		}
		bugs++
		mend, folder, test, tests := found[2], found[3], found[4], found[5]
		if tests == "" {
			tests = mend
		}
		if whole {
			git("merge-base", "--is-ancestor", mend, "HEAD")
			git("grep", "-q", "func "+test+"(", tests, "--", filepath.Join(module, folder))
		}
	}
	require.Greater(t, bugs, 10)
}
