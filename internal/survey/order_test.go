package survey_test

import (
	"testing"

	"github.com/stretchr/testify/assert"

	"github.com/keep-it-simple/kis/internal/survey"
)

func TestRunsAreInOrderWhateverTheHostsClocksSay(t *testing.T) {
	t.Parallel()
	run := func(at int, name string) string { return line(t, at, name, "confirmed", "app-1", "app-2", nil) }
	old := func(at int, name string) string { return past(t, at, name, "confirmed", "app-1", "app-2", nil) }
	by := func(at int, text func(*testing.T, int, string, string, string, string, map[string]any) string, name string) string {
		return text(t, at, name, "linked", "app-1", "app-2", map[string]any{"requested": minute(at)})
	}
	for name, test := range map[string]struct {
		web1, web2 []string
		order      []string
	}{
		"one journal":                           {[]string{run(3, "a"), run(1, "b"), run(1, "b"), run(2, "c")}, nil, []string{"a", "b", "c"}},
		"the same runs":                         {[]string{run(1, "a"), run(2, "b")}, []string{old(1, "a"), old(2, "b")}, []string{"a", "b"}},
		"one host knows what came before":       {[]string{run(1, "a"), run(3, "c")}, []string{old(1, "a"), old(2, "b"), old(3, "c")}, []string{"a", "b", "c"}},
		"one host knows what came after":        {[]string{run(1, "a"), run(2, "b")}, []string{old(2, "b"), old(3, "c")}, []string{"a", "b", "c"}},
		"no host in common, by the controllers": {[]string{by(1, line, "a"), by(3, line, "c")}, []string{by(2, past, "b"), by(4, past, "d")}, []string{"a", "b", "c", "d"}},
		"no host in common, in old lines":       {[]string{run(1, "a"), run(3, "c")}, []string{run(2, "b"), run(4, "d")}, []string{"a", "b", "c", "d"}},
		"decided by the next run":               {[]string{by(1, line, "a"), line(t, 1, "a", "aborted", "app-1", "app-2", nil), by(3, line, "c")}, []string{by(2, past, "b")}, []string{"a", "b", "c"}},
		"journals that contradict each other":   {[]string{run(1, "a"), run(2, "b")}, []string{run(2, "b"), run(1, "a")}, []string{"a", "b"}},
		"nothing":                               {nil, nil, nil},
	} {
		found := map[string]survey.Repository{"web1": state(t, linkedTo("app-2", test.web1...)), "web2": state(t, linkedTo("app-2", test.web2...))}
		assert.Equal(t, test.order, survey.Runs("live", found), name)
		assert.Empty(t, survey.Runs("other", found), name)
	}
}
