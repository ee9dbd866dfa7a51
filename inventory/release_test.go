package inventory

import (
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/keep-it-simple/kis/internal/name"
)

func TestAReleaseIsReadWhole(t *testing.T) {
	t.Parallel()
	inv := accepted(t, `
keep: 3
shared: {dirs: [media, var/log], files: [.env]}
stages:
  s:
    hosts: [a]
    before_link: [{run: migrate, once: true, timeout: 90s}, echo]
    services: [blog, {unit: worker@1.service, user: true}, blog.socket]
    health: {url: "http://127.0.0.1:$KIS_VAR_PORT/healthz", unix: /run/blog.sock, host: example.org, status: 204, header: "X-Version: $KIS_VERSION", expect: "ok ${KIS_PACKAGE}", within: 1m, consecutive: 3}
    rollout: {batch: 25%}
`)
	s, err := inv.Stage("s")
	require.NoError(t, err)
	assert.Equal(t, 3, inv.Keep())
	assert.Equal(t, Shared{Dirs: []string{"media", "var/log"}, Files: []string{".env"}}, inv.Shared())
	assert.Equal(t, []Command{{Run: "migrate", Once: true, Timeout: 90 * time.Second}, {Run: "echo"}}, s.BeforeLink)
	assert.Equal(t, []Service{
		{Unit: as(t, name.ParseUnit, "blog.service")}, {Unit: as(t, name.ParseUnit, "worker@1.service"), User: true}, {Unit: as(t, name.ParseUnit, "blog.socket")},
	}, s.Services)
	assert.Equal(t, Health{
		URL: "http://127.0.0.1:$KIS_VAR_PORT/healthz", Unix: "/run/blog.sock", Host: "example.org", Status: 204, Header: "X-Version: $KIS_VERSION",
		Expect: "ok ${KIS_PACKAGE}", Within: time.Minute, Consecutive: 3,
	}, s.Health)
	assert.Equal(t, Batch{percent: 25}, s.Batch)
	expanded, err := s.Health.Expand(map[string]string{"KIS_VAR_PORT": "8000", "KIS_VERSION": "1.2", "KIS_PACKAGE": "blog-1.2"})
	require.NoError(t, err)
	assert.Equal(t, [3]string{"http://127.0.0.1:8000/healthz", "X-Version: 1.2", "ok blog-1.2"}, [3]string{expanded.URL, expanded.Header, expanded.Expect})
	_, err = s.Health.Expand(map[string]string{"KIS_VERSION": "1.2", "KIS_PACKAGE": "blog-1.2"})
	assert.EqualError(t, err, "health: the host has no variable KIS_VAR_PORT")
}

func TestAReleaseHasDefaults(t *testing.T) {
	t.Parallel()
	inv := accepted(t, "stages: {s: {hosts: [a], health: {url: 'http://127.0.0.1/'}}, t: {hosts: [a]}}")
	s, err := inv.Stage("s")
	require.NoError(t, err)
	assert.Equal(t, 5, inv.Keep())
	assert.Equal(t, Health{URL: "http://127.0.0.1/", Status: 200, Within: 30 * time.Second, Consecutive: 1}, s.Health)
	assert.Zero(t, s.Batch)
	other, err := inv.Stage("t")
	require.NoError(t, err)
	assert.Zero(t, other.Health)
}

func TestABatchIsAtLeastOneHostAndAtMostAll(t *testing.T) {
	t.Parallel()
	for batch, want := range map[string][3]int{"1": {1, 1, 1}, "4": {1, 3, 4}, "25%": {1, 1, 2}, "100%": {1, 3, 10}, "all": {1, 3, 10}} {
		s, err := accepted(t, "stages: {s: {hosts: [a], rollout: {batch: "+batch+"}}}").Stage("s")
		require.NoError(t, err)
		assert.Equal(t, want, [3]int{s.Batch.Of(1), s.Batch.Of(3), s.Batch.Of(10)}, batch)
	}
}

func TestRefusesAWrongRelease(t *testing.T) {
	t.Parallel()
	const stage = "stages: {s: {hosts: [a], "
	runRefusals(t, []refusal{
		{"no command", stage + "before_link: [{once: true}]}}", []string{"1:40 stages.s.before_link: the key run is missing; it is the command"}},
		{"once for a package", "prepare: [{run: x, once: true}]\n" + ok, []string{"1:26 prepare.once: every host builds and verifies a package of its own; remove it"}},
		{"no duration", stage + "before_link: [{run: x, timeout: soon}]}}", []string{`1:58 stages.s.before_link.timeout: "soon" is not a duration; write it as 30s or 5m`}},
		{"a negative duration", stage + "before_link: [{run: x, timeout: -1s}]}}", []string{`1:58 stages.s.before_link.timeout: "-1s" is not between 0 and 24h0m0s`}},
		{"a time without unit", stage + "health: {url: 'http://h/', within: 15}}}", []string{`1:61 stages.s.health.within: 15 has no unit; write it as 15s`}},
		{"no unit", stage + "services: [{user: true}]}}", []string{"1:37 stages.s.services: the key unit is missing; it is the name of the systemd unit"}},
		{"an option for a unit", stage + "services: [--now]}}", []string{`1:37 stages.s.services: "--now" is not the name of a systemd unit, such as blog.service`}},
		{"no address", stage + "health: {within: 3s}}}", []string{"1:34 stages.s.health: the key url is missing; it is the address that the host asks"}},
		{"a password", stage + "health: {url: 'http://u:p@h/'}}}", []string{`1:40 stages.s.health.url: "http:*****@h/" is not an http:// or https:// URL with a host, and without a password`}},
		{"an unknown variable", stage + "health: {url: 'http://h/$HOME'}}}", []string{`1:40 stages.s.health.url: "$HOME" is no variable of kis; there are $KIS_VERSION, $KIS_PACKAGE, $KIS_STAGE, $KIS_HOST, $KIS_RUN and $KIS_VAR_…`}},
		{"no header", stage + "health: {url: 'http://h/', header: X}}}", []string{`1:61 stages.s.health.header: "X" is not a header; write it as "X-Version: $KIS_VERSION"`}},
		{"a relative socket", stage + "health: {url: 'http://h/', unix: app.sock}}}", []string{`1:59 stages.s.health.unix: "app.sock" is not the absolute, clean path of a Unix socket (at most 100 bytes)`}},
		{"a batch of nothing", stage + "rollout: {batch: 0}}}", []string{`1:43 stages.s.rollout.batch: "0" is not a batch; write a number of hosts, a share such as 25%, or all`}},
		{"more than all", stage + "rollout: {batch: 101%}}}", []string{`1:43 stages.s.rollout.batch: "101%" is not a batch; write a number of hosts, a share such as 25%, or all`}},
		{"shared outside", "shared: {dirs: [../media]}\n" + ok, []string{`1:17 shared.dirs: "../media" is not a clean path below the package`}},
		{"shared from the root", "shared: {files: [/etc/passwd]}\n" + ok, []string{`1:18 shared.files: "/etc/passwd" is absolute; name it as it is in the package, it lies in the directory shared of the root`}},
		{"shared with a space", "shared: {dirs: [a b]}\n" + ok, []string{`1:17 shared.dirs: "a b" has characters that are unsafe in a path; use A-Z a-z 0-9 . _ / + -`}},
		{"shared and kis's", "shared: {dirs: [.venv/lib]}\n" + ok, []string{`1:17 shared.dirs: ".venv/lib" belongs to kis, and cannot be shared`}},
		{"shared twice", "shared: {dirs: [a, b/c], files: [a]}\n" + ok, []string{`1:9 shared: "a" is listed twice; remove one of them`}},
		{"shared in each other", "shared: {dirs: [a], files: [a/b/c]}\n" + ok, []string{`1:9 shared: "a/b/c" is below "a", which is shared already; remove it`}},
		{"nothing kept", "keep: 0\n" + ok, []string{`1:7 keep: "0" is not between 1 and 10000`}},
	})
}
