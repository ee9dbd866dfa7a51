package inventory

import (
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/keep-it-simple/kis/internal/name"
)

func TestUnbuiltKeysAreRefused(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct{ src, want string }{
		{"keep: 5\n" + ok, "1:1 keep: is not supported yet; remove the key"},
		{"shared: {dirs: [a]}\n" + ok, "1:1 shared: is not supported yet; remove the key"},
		{"dynamic: [x]\n" + ok, "1:1 dynamic: is not supported yet; remove the key"},
		{"install: {installer: uv}\n" + ok, `1:22 install.installer: the value "uv" is not supported yet; known: auto, pip`},
		{"stages: {s: {hosts: [a], from: b}}", "1:26 stages.s.from: is not supported yet; remove the key"},
		{"stages: {s: {hosts: [a], health: {}}}", "1:26 stages.s.health: is not supported yet; remove the key"},
	} {
		t.Run(tt.want, func(t *testing.T) {
			t.Parallel()
			assert.Equal(t, []string{tt.want}, refused(t, tt.src, options{}))
		})
	}
}

// An inventory may come from somebody else, as the project's code may, but it is looked at by people who would not run that.
func TestNothingOfAnInventoryRunsHere(t *testing.T) {
	t.Parallel()
	for _, src := range []string{
		"dynamic: [x]\n" + ok,
		"build: ./x\n" + ok,
		"build: [x]\n" + ok,
		"ssh: {proxy_command: x}\n" + ok,
		"ssh: {local_command: x}\n" + ok,
		"ssh: {jump: '-oProxyCommand=x'}\n" + ok,
		"ssh: {jump: '`x`'}\n" + ok,
		"ssh: {user: '$(x)'}\n" + ok,
		"hosts: {web1: {address: '-oProxyCommand=x'}}\n" + ok,
		"inventory: !!python/object/apply:os.system [x]\n" + ok,
		"verify: [!exec x]\n" + ok,
	} {
		_, err := Parse("i", []byte(src))
		assert.Error(t, err, src)
	}
}

func TestUnbuiltKeysAreRead(t *testing.T) {
	t.Parallel()
	inv, err := parse("i", []byte(`
keep: 7
install: {installer: uv}
shared: {dirs: [media, a/b], files: [local.ini]}
dynamic: ["./hosts.py --list"]
stages:
  staging: {hosts: [b]}
  production:
    hosts: [a]
    from: staging
    confirm: true
    on_partial: stop
    health: {url: "http://127.0.0.1:8000/healthz", expect: "0.4", within: 1m30s, consecutive: 3}
`), options{unbuilt: true})
	require.NoError(t, err)
	assert.Equal(t, 7, inv.Keep())
	assert.Equal(t, InstallerUV, inv.Install().Installer)
	assert.Equal(t, Shared{Dirs: []string{"media", "a/b"}, Files: []string{"local.ini"}}, inv.Shared())
	assert.Equal(t, []string{"./hosts.py --list"}, inv.Dynamic())
	s, err := inv.Stage("production")
	require.NoError(t, err)
	assert.Equal(t, Stage{
		Name: as(t, name.ParseStage, "production"), From: as(t, name.ParseStage, "staging"), Confirm: true, OnPartial: PartialStop,
		Health: &Health{URL: "http://127.0.0.1:8000/healthz", Expect: "0.4", Within: 90 * time.Second, Consecutive: 3},
	}, s)
}

func TestRefusesWrongValuesOfUnbuiltKeys(t *testing.T) {
	t.Parallel()
	stage := func(more string) string { return "stages: {s: {hosts: [a]}, t: {hosts: [a], " + more + "}}\n" }
	runRefusals(t, []refusal{
		{"keep none", "keep: 0\n" + ok, []string{`1:7 keep: "0" is not between 1 and 1000`}},
		{"shared outside", "shared: {dirs: [../x]}\n" + ok, []string{`1:17 shared.dirs: "../x" is not inside of the package`}},
		{"shared is all", "shared: {dirs: [.]}\n" + ok, []string{`1:17 shared.dirs: "." is not inside of the package`}},
		{"shared absolute", "shared: {files: [/x]}\n" + ok, []string{`1:18 shared.files: "/x" is not a clean relative path of A-Z a-z 0-9 . _ / + -`}},
		{"shared environment", "shared: {dirs: [.venv/x]}\n" + ok, []string{`1:17 shared.dirs: ".venv/x" belongs to kis`}},
		{"file and folder", "shared: {dirs: [x], files: [x]}\n" + ok, []string{`1:29 shared.files: "x" is in dirs already; a name is a folder or a file`}},
		{"dynamic", "dynamic: ./hosts\n" + ok, []string{"1:10 dynamic: want a list of commands, got text"}},
		{"from nowhere", stage("from: u"), []string{`1:49 stages.t.from: unknown stage "u"; did you mean "s"? known: s, t`}},
		{"from itself", stage("from: t"), []string{"1:49 stages.t.from: the stage cannot take its packages from itself"}},
		{"in a circle", "stages:\n  a: {hosts: [h], from: b}\n  b: {hosts: [h], from: a}\n  c: {hosts: [h], from: a}\n", []string{
			"2:25 stages.a.from: the stages take their packages from one another; one of them must come first",
			"3:25 stages.b.from: the stages take their packages from one another; one of them must come first",
		}},
		{"confirm", stage("confirm: yes"), []string{`1:52 stages.t.confirm: want true or false, got "yes"`}},
		{"confirm as text", stage("confirm: 'true'"), []string{`1:52 stages.t.confirm: want true or false, got "true"`}},
		{"on_partial", stage("on_partial: bakk"), []string{`1:55 stages.t.on_partial: unknown value "bakk"; did you mean "back"? known: back, forward, stop`}},
		{"health without a URL", stage("health: {}"), []string{"1:51 stages.t.health: the key url is missing"}},
		{"health with a password", stage("health: {url: 'http://u:p@h/'}"), []string{"1:57 stages.t.health.url: a health check cannot log in; remove user and password from the URL"}},
		{"health elsewhere", stage("health: {url: 'ftp://h'}"), []string{"1:57 stages.t.health.url: not an http:// or https:// URL with a host"}},
		{"health expects a number", stage("health: {url: 'http://h', expect: 0.4}"), []string{`1:77 stages.t.health.expect: want text, got a number; put quotes around it: "0.4"`}},
		{"within without a unit", stage("health: {url: 'http://h', within: 30}"), []string{`1:77 stages.t.health.within: want text, got a number; put quotes around it: "30"`}},
		{"within nothing", stage("health: {url: 'http://h', within: 0s}"), []string{`1:77 stages.t.health.within: "0s" is not a time up to 1h; write it as in 30s or 2m`}},
		{"consecutive", stage("health: {url: 'http://h', consecutive: 0}"), []string{`1:82 stages.t.health.consecutive: "0" is not between 1 and 100`}},
	}, options{unbuilt: true})
}
