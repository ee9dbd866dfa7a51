package remote_test

import (
	"context"
	"encoding/json"
	"runtime"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/keep-it-simple/kis/remote"
)

// An answer must be more than JSON of the right types: callers do not check it again.
func TestUnusableAnswersAreLost(t *testing.T) {
	t.Parallel()
	commit := func(ctx context.Context, a *remote.Agent) error { _, err := a.Commit(ctx, newRun()); return err }
	ping := func(ctx context.Context, a *remote.Agent) error { _, err := a.Ping(ctx); return err }
	fence := func(ctx context.Context, a *remote.Agent) error {
		_, err := a.Fence(ctx, stage(t, "staging"), newRun())
		return err
	}
	lock := func(ctx context.Context, a *remote.Agent) error {
		_, err := a.Lock(ctx, stage(t, "staging"), newRun(), remote.Holder{})
		return err
	}
	begin := func(ctx context.Context, a *remote.Agent) error {
		_, err := a.Begin(ctx, remote.Source{Package: pkg(t, "app-1")})
		return err
	}
	seal := func(ctx context.Context, a *remote.Agent) error {
		_, err := a.Seal(ctx, remote.Source{Package: pkg(t, "app-1")}, remote.Provenance{})
		return err
	}
	check := func(ctx context.Context, a *remote.Agent) error {
		_, err := a.Check(ctx, remote.CheckRequest{Stage: stage(t, "staging"), Package: pkg(t, "app-1")})
		return err
	}
	state := func(ctx context.Context, a *remote.Agent) error {
		_, err := a.State(ctx, remote.StateRequest{})
		return err
	}
	pack := func(ctx context.Context, a *remote.Agent) error { _, err := a.Pack(ctx, time.Minute); return err }
	environment := func(ctx context.Context, a *remote.Agent) error {
		_, err := a.Environment(ctx, remote.EnvironmentRequest{}, nil)
		return err
	}
	digest := strings.Repeat("a", 64)
	many := strings.Repeat(`{},`, 1<<19)
	for name, test := range map[string]struct {
		call func(context.Context, *remote.Agent) error
		said string
	}{
		"switched at no time":              {commit, `"durable":true`},
		"switched before all times":        {commit, `"durable":true,"at":-1`},
		"switched after all times":         {commit, `"durable":true,"at":1e300`},
		"switched when no calendar is":     {commit, `"durable":true,"at":253402300800`},
		"switched, durable or not":         {commit, `"at":1700000000`},
		"a clock without time":             {ping, `"x":1`},
		"a clock of no time":               {ping, `"wall":-1e18`},
		"bytecode of no size":              {pack, `"sha256":"` + digest + `"`},
		"bytecode of less than no size":    {pack, `"size":-5,"sha256":"` + digest + `"`},
		"bytecode larger than any":         {pack, `"size":1073741825,"sha256":"` + digest + `"`},
		"bytecode with a path":             {pack, `"size":1,"sha256":"../x"`},
		"less than no modules":             {environment, `"installed":[],"modules":-1`},
		"modules or not":                   {environment, `"installed":[]`},
		"a fence that says nothing":        {fence, `"x":1`},
		"a fence without a link":           {fence, `"fenced":false,"durable":true`},
		"a fence or not":                   {fence, `"linked":null,"durable":true`},
		"a lock without directory":         {lock, `"linked":null,"journal":0`},
		"a lock with a relative directory": {lock, `"linked":null,"journal":0,"directory":"../x"`},
		"a lock with an unclean directory": {lock, `"linked":null,"journal":0,"directory":"/x/../y"`},
		"a lock without link":              {lock, `"journal":0,"directory":"/x"`},
		"a lock without journal":           {lock, `"linked":null,"directory":"/x"`},
		"a lock with a negative line":      {lock, `"linked":null,"directory":"/x","journal":-1`},
		"neither sealed nor not":           {begin, `"receipt":null`},
		"sealed without receipt":           {begin, `"sealed":true`},
		"sealed as another package":        {begin, `"sealed":true,"receipt":{"package":"app-2"}`},
		"sealed as no package":             {begin, `"sealed":true,"receipt":{}`},
		"sealed, and not said":             {seal, `"receipt":null`},
		"sealed, another one":              {seal, `"receipt":{"package":"app-2"}`},
		"there, without receipt":           {check, `"package":{"name":"app-1","state":"sealed"}`},
		"there, another one":               {check, `"package":{"name":"app-2","state":"unsealed"}`},
		"there, with another's receipt":    {check, `"package":{"name":"app-1","state":"sealed","receipt":{"package":"app-2"}}`},
		"not there, with receipt":          {check, `"package":{"name":"app-1","state":"absent","receipt":{"package":"app-1"}}`},
		"another stage":                    {check, `"stage":{"stage":"production"}`},
		"a package of no size":             {begin, `"sealed":true,"receipt":{"package":"app-1","size":-1}`},
		"a package of all sizes":           {begin, `"sealed":true,"receipt":{"package":"app-1","files":9223372036854775807}`},
		"a package without name":           {state, `"packages":[{"state":"unsealed"}]`},
		"a package whose receipt is lost":  {state, `"packages":[{"name":"app-1","state":"sealed"}]`},
		"a package twice":                  {state, `"packages":[{"name":"app-1","state":"unsealed"},{"name":"app-1","state":"unsealed"}]`},
		"a stage without name":             {state, `"stages":[{}]`},
		"a stage with an unusual name":     {state, `"stages":[{"stage":"../x"}]`},
		"a holder since no time":           {state, `"stages":[{"stage":"staging","holder":{"since":"2026-11-01T12:00:00+24:00"}}]`},
		"a package made at no time":        {state, `"packages":[{"name":"app-1","state":"sealed","receipt":{"package":"app-1","created":"2026-11-01T12:00:00-24:00"}}]`},
		"a stage twice":                    {state, `"stages":[{"stage":"staging"},{"stage":"staging"}]`},
		"too much":                         {state, `"problems":[` + many + `{}]`},
		"nested without end":               {state, `"x":` + strings.Repeat(`[`, 5000) + strings.Repeat(`]`, 5000)},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			agent := pretend(t, func(p *pipes) {
				id := p.next()["id"]
				p.frame(`"id":%v,"ev":"done",`+test.said, id)
				p.swallow()
			})
			err := test.call(t.Context(), agent)
			requireLost(t, err)
			assert.ErrorContains(t, err, "unreadable answer")
		})
	}
}

// A refusal is shown to the user, and a host can send 16 MiB.
func TestRefusalIsShortened(t *testing.T) {
	t.Parallel()
	long := strings.Repeat("ä", 1<<20)
	lines, err := json.Marshal(strings.Split(strings.Repeat(long[:8<<10]+"\n", 400), "\n"))
	require.NoError(t, err)
	agent := pretend(t, func(p *pipes) {
		id := p.next()["id"]
		p.frame(`"id":%v,"ev":"refused","code":"x%s","message":"%s","hint":"%s","tail":%s`, id, long, long, long, lines)
		p.swallow()
	})
	refused := refusal(t, agent.Open(t.Context(), "/"))
	assert.LessOrEqual(t, len(refused.Tail), 20)
	for _, text := range append(refused.Tail, string(refused.Code), refused.Message, refused.Hint) {
		assert.LessOrEqual(t, len(text), 4<<10)
		assert.True(t, utf8.ValidString(text))
	}
	assert.True(t, strings.HasPrefix(refused.Message, "ää"))
}

// A state that is as long as an answer may be takes a small multiple of its length in memory.
func TestAnswersTakeMemoryInProportion(t *testing.T) { //nolint:paralleltest // it measures what the process allocates
	agent := pretend(t, func(p *pipes) {
		id := p.next()["id"]
		p.frame(`"id":%v,"ev":"done","stages":[`+strings.Repeat("{},", 5<<20)+`{}]`, id)
		p.swallow()
	})
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	_, err := agent.State(t.Context(), remote.StateRequest{})
	runtime.ReadMemStats(&after)
	requireLost(t, err)
	require.Less(t, after.TotalAlloc-before.TotalAlloc, uint64(256<<20))
}
