package inventory

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

const fleet = `
hosts: {web9: {}}
groups:
  web: {hosts: ["web[01:04]"]}
  db: {hosts: [db1, db2]}
  spare: {hosts: [web9]}
stages:
  staging: {hosts: [stage1]}
  production: {hosts: [web, db1, "fe80::1"]}
`

func TestSelectNarrowsTheStage(t *testing.T) {
	t.Parallel()
	inv := accepted(t, fleet)
	for _, tt := range []struct{ pattern, want string }{
		{"", "web01 web02 web03 web04 db1 fe80::1"},
		{"web02", "web02"},
		{"db1,web02", "web02 db1"},
		{" web02 , db1 ", "web02 db1"},
		{"web02,web02", "web02"},
		{"web[01:03]", "web01 web02 web03"},
		{"web*", "web01 web02 web03 web04"},
		{"web0?", "web01 web02 web03 web04"},
		{"*[12]", "web01 web02 db1 fe80::1"},
		{"web[01:02]*", "web01 web02"},
		{"@web", "web01 web02 web03 web04"},
		{"web", "web01 web02 web03 web04"},
		{"db", "db1"},
		{"fe80::1", "fe80::1"},
		{"!web04", "web01 web02 web03 db1 fe80::1"},
		{"!web04,!@db", "web01 web02 web03 fe80::1"},
		{"web*,!web[01:03]", "web04"},
		{"!web01,web", "web02 web03 web04"},
		{"!web9", "web01 web02 web03 web04 db1 fe80::1"},
		{"!*0*", "db1"},
	} {
		t.Run(tt.pattern, func(t *testing.T) {
			t.Parallel()
			hosts, err := inv.Select("production", tt.pattern)
			require.NoError(t, err)
			assert.Equal(t, tt.want, strings.Join(names(hosts), " "))
		})
	}
}

func TestHostsSelectsFromAll(t *testing.T) {
	t.Parallel()
	inv := accepted(t, fleet)
	for _, tt := range []struct{ pattern, want string }{
		{"", "web9 web01 web02 web03 web04 db1 db2 stage1 fe80::1"},
		{"db", "db1 db2"},
		{"*9,stage1", "web9 stage1"},
		{"!web*", "db1 db2 stage1 fe80::1"},
	} {
		hosts, err := inv.Hosts(tt.pattern)
		require.NoError(t, err)
		assert.Equal(t, tt.want, strings.Join(names(hosts), " "), tt.pattern)
	}
}

func TestSelectRefuses(t *testing.T) {
	t.Parallel()
	const has = "stage production, which has: web01, web02, web03, web04, db1, fe80::1"
	inv := accepted(t, fleet)
	for _, tt := range []struct{ pattern, want string }{
		{"wbe01", `unknown host or group "wbe01"; did you mean "web01"? known: web01, web02, web03, web04, db1, fe80::1, web, db, spare`},
		{"WEB01", `unknown host or group "WEB01"; did you mean "web01"? known: web01, web02, web03, web04, db1, fe80::1, web, db, spare`},
		{"!web05x", `unknown host or group "web05x"; did you mean "web01"? known: web01, web02, web03, web04, db1, fe80::1, web, db, spare`},
		{"web[03:05]", `unknown host or group "web05"; did you mean "web01"? known: web01, web02, web03, web04, db1, fe80::1, web, db, spare`},
		{"@wep", `unknown group "wep"; did you mean "web"? known: web, db, spare`},
		{"web9", `"web9" names no host of ` + has},
		{"web9,web01", `"web9" names no host of ` + has},
		{"@spare", `"@spare" names no host of ` + has},
		{"stage*", `"stage*" names no host of ` + has},
		{"x*", `no host matches "x*"; stage production has: web01, web02, web03, web04, db1, fe80::1`},
		{"!x*", `no host matches "x*"; stage production has: web01, web02, web03, web04, db1, fe80::1`},
		{"web01,!web01", "leaves no host; stage production has: web01, web02, web03, web04, db1, fe80::1"},
		{"!*", "leaves no host; stage production has: web01, web02, web03, web04, db1, fe80::1"},
		{",", "an item is empty; write names with single commas between them"},
		{"web01,", "an item is empty; write names with single commas between them"},
		{"!", "an item is empty; write names with single commas between them"},
		{"@", `unknown group ""; known: web, db, spare`},
		{"web[1-3]", `"web[1-3]": a range is written [first:last] with whole numbers, as in web[1:3]`},
		{"web[", `"web[" is not a wildcard pattern: a [ without ] or a \ at the end`},
	} {
		t.Run(tt.pattern, func(t *testing.T) {
			t.Parallel()
			hosts, err := inv.Select("production", tt.pattern)
			require.EqualError(t, err, fmt.Sprintf("host pattern %q: %s", tt.pattern, tt.want))
			assert.Nil(t, hosts)
		})
	}
}

func TestUnknownStageIsRefused(t *testing.T) {
	t.Parallel()
	inv := accepted(t, fleet)
	_, err := inv.Select("prodction", "")
	require.EqualError(t, err, `dir/inventory.yaml: unknown stage "prodction"; did you mean "production"? known: staging, production`)
	_, err = inv.Stage("x")
	require.EqualError(t, err, `dir/inventory.yaml: unknown stage "x"; known: staging, production`)
}

func TestLongListsOfNamesAreShortened(t *testing.T) {
	t.Parallel()
	_, err := accepted(t, "stages: {s: {hosts: ['w[1:25]']}}").Select("s", "nothing_like_it")
	require.EqualError(t, err, `host pattern "nothing_like_it": unknown host or group "nothing_like_it"; `+
		"known: w1, w2, w3, w4, w5, w6, w7, w8, w9, w10, w11, w12, w13, w14, w15, w16, w17, w18, w19, w20 and 5 more")
}

// For random inventories and patterns, Select returns a subset of the stage's hosts, each once, in
// its order.
func TestSelectStaysInStage(t *testing.T) {
	t.Parallel()
	const seed = 1
	random := rand.New(rand.NewPCG(seed, seed))
	pick := func(from []string, n int) []string {
		list := make([]string, 0, n)
		for range n {
			list = append(list, from[random.IntN(len(from))])
		}
		slices.Sort(list)
		return slices.Compact(list)
	}
	hosts := []string{"a1", "a2", "a3", "b1", "b2", "b3", "c"}
	items := []string{"a*", "*1", "a[1:2]", "b[1:3]", "g", "@h", "c", "?", "*", "a1", "b2", "nobody"}
	chosen := 0
	for range 1500 {
		inv := readable(t, fmt.Sprintf("hosts: {%s: {}}\ngroups: {g: {hosts: [%s]}, h: {hosts: [g, %s]}}\nstages: {s: {hosts: [%s]}}",
			strings.Join(hosts, ": {}, "), strings.Join(pick(hosts, 3), ", "), pick(hosts, 1)[0], strings.Join(pick(append(hosts, "g", "h"), 4), ", ")))
		all, err := inv.Select("s", "")
		require.NoError(t, err)
		pattern := pick(items, 1+random.IntN(3))
		for i := range pattern {
			if random.IntN(3) == 0 {
				pattern[i] = "!" + pattern[i]
			}
		}
		some, err := inv.Select("s", strings.Join(pattern, ","))
		if err != nil {
			continue
		}
		chosen++
		rest := names(all)
		for _, name := range names(some) {
			i := slices.Index(rest, name)
			require.GreaterOrEqual(t, i, 0, "%v returned %s of %v", pattern, name, names(all))
			rest = rest[i+1:]
		}
	}
	assert.Greater(t, chosen, 300, "enough of the patterns must be good ones")
}
