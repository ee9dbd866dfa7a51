package inventory

import (
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// accepted parses a text that must be right.
func accepted(t *testing.T, src string) *Inventory {
	t.Helper()
	inv, err := Parse("dir/inventory.yaml", []byte(src))
	require.NoError(t, err)
	return inv
}

func names(hosts []Host) []string {
	all := make([]string, 0, len(hosts))
	for _, h := range hosts {
		all = append(all, h.Name)
	}
	return all
}

func hostNamed(t *testing.T, inv *Inventory, name string) Host {
	t.Helper()
	hosts, err := inv.Hosts(name)
	require.NoError(t, err)
	require.Len(t, hosts, 1)
	return hosts[0]
}

func TestSmallestInventoryHasDefaults(t *testing.T) {
	t.Parallel()
	inv := accepted(t, "stages:\n  staging:    {hosts: [stage1]}\n  production: {hosts: [\"web[1:3]\"]}\n")
	assert.Equal(t, "dir/inventory.yaml", inv.Path())
	assert.Equal(t, "dir", inv.Dir())
	assert.Equal(t, []string{"staging", "production"}, inv.StageNames())
	assert.Equal(t, []string{"stage1", "web1", "web2", "web3"}, inv.HostNames())
	assert.Empty(t, inv.GroupNames())
	assert.Equal(t, BuildAuto, inv.Build())
	assert.Equal(t, Install{Mode: ModeEditable, Installer: InstallerAuto}, inv.Install())
	assert.Equal(t, 5, inv.Keep())
	assert.Equal(t, Host{Name: "web2", Root: "/var/webcode", Python: "python3", Vars: map[string]string{}}, hostNamed(t, inv, "web2"))
	s, err := inv.Stage("production")
	require.NoError(t, err)
	assert.Equal(t, Stage{Name: "production", OnPartial: PartialBack}, s)
}

func TestOverridesApplyFromTheTopToTheHost(t *testing.T) {
	t.Parallel()
	inv := accepted(t, `
root: /top
python: top
ssh: {user: top, port: 1, identity_file: top, jump: top}
hosts:
  h: {address: 192.0.2.1, ssh: {user: host}, vars: {a: host}}
groups:
  second: {hosts: [first], root: /second, ssh: {port: 3}, vars: {a: second, b: second}}
  first: {hosts: [h], root: /first, python: first, ssh: {port: 2, jump: none}, vars: {c: first}}
stages: {s: {hosts: [h, other]}}
`)
	assert.Equal(t, Host{
		Name: "h", Address: "192.0.2.1", Root: "/first", Python: "first",
		SSH:    SSH{User: "host", Port: 2, IdentityFile: "top", Jump: "none"},
		Vars:   map[string]string{"a": "host", "b": "second", "c": "first"},
		Groups: []string{"second", "first"},
	}, hostNamed(t, inv, "h"), "the later group in the file wins, the host wins over both")
	assert.Equal(t, Host{
		Name: "other", Root: "/top", Python: "top", Vars: map[string]string{},
		SSH: SSH{User: "top", Port: 1, IdentityFile: "top", Jump: "top"},
	}, hostNamed(t, inv, "other"))
}

func TestVariablesKeepTheirText(t *testing.T) {
	t.Parallel()
	inv := accepted(t, "hosts: {h: {vars: {v: 1.10, n: 0022, b: no, d: 2026-01-02, s: ' x ', e: '', m: \"a\\nb\"}}}\nstages: {s: {hosts: [h]}}")
	assert.Equal(t, map[string]string{"v": "1.10", "n": "0022", "b": "no", "d": "2026-01-02", "s": " x ", "e": "", "m": "a\nb"},
		hostNamed(t, inv, "h").Vars)
}

func TestHostsComeInInventoryOrder(t *testing.T) {
	t.Parallel()
	inv := accepted(t, `
stages: {s: {hosts: [z, g, b, a]}, t: {hosts: ["!y", y2, later, "@g"]}}
groups: {g: {hosts: [y, inner]}, inner: {hosts: ["i[1:2]"]}}
hosts: {b: {}, a: }
`)
	assert.Equal(t, []string{"b", "a", "y", "i1", "i2", "z", "y2", "later"}, inv.HostNames())
	assert.Equal(t, []string{"g", "inner"}, inv.GroupNames())
	hosts, err := inv.Select("s", "")
	require.NoError(t, err)
	assert.Equal(t, []string{"b", "a", "y", "i1", "i2", "z"}, names(hosts))
	hosts, err = inv.Select("t", "")
	require.NoError(t, err)
	assert.Equal(t, []string{"i1", "i2", "y2", "later"}, names(hosts), "an exclusion works wherever it stands")
}

func TestListsExpand(t *testing.T) {
	t.Parallel()
	const groups = "groups: {web: {hosts: ['web[1:3]']}, db: {hosts: [db1, web3]}}\n"
	for _, tt := range []struct {
		name, list string
		want       []string
	}{
		{"range", "'w[8:11]'", []string{"w8", "w9", "w10", "w11"}},
		{"range of one", "'w[1:1]'", []string{"w1"}},
		{"padded range", "'w[08:11].example.com'", []string{"w08.example.com", "w09.example.com", "w10.example.com", "w11.example.com"}},
		{"range from zero", "'w[0:1]'", []string{"w0", "w1"}},
		{"range at the begin", "'[1:2]w'", []string{"1w", "2w"}},
		{"group without @", "web", []string{"web1", "web2", "web3"}},
		{"group with @", "'@web'", []string{"web1", "web2", "web3"}},
		{"groups that overlap", "web, db", []string{"web1", "web2", "web3", "db1"}},
		{"host that its group names too", "web2, web", []string{"web1", "web2", "web3"}},
		{"without a host", "web, '!web2'", []string{"web1", "web3"}},
		{"without a group", "web, '!@db'", []string{"web1", "web2"}},
		{"without a range", "web, '!web[2:9]'", []string{"web1"}},
		{"IPv6 with a zone", "'fe80::1%eth0'", []string{"fe80::1%eth0"}},
		{"upper case, trailing dot, underscore", "Web_9.Example.com.", []string{"Web_9.Example.com."}},
		{"words in quotes", "'no', 'on', '1', \"null\"", []string{"no", "on", "1", "null"}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			hosts, err := accepted(t, groups+"stages: {s: {hosts: ["+tt.list+"]}}").Select("s", "")
			require.NoError(t, err)
			assert.Equal(t, tt.want, names(hosts))
		})
	}
}

func TestRangesUnderHostsShareTheirSettings(t *testing.T) {
	t.Parallel()
	inv := accepted(t, "hosts: {'w[1:2]': {python: p, vars: {a: b}}}\nstages: {s: {hosts: [w2]}}")
	assert.Equal(t, []string{"w1", "w2"}, inv.HostNames())
	w1 := hostNamed(t, inv, "w1")
	assert.Equal(t, "p", w1.Python)
	w1.Vars["a"] = "changed"
	assert.Equal(t, "b", hostNamed(t, inv, "w2").Vars["a"])
}

func TestStageCommandsFollowTheInventorys(t *testing.T) {
	t.Parallel()
	inv := accepted(t, "verify: [all 1, all 2]\nstages: {s: {hosts: [a], verify: [own], after_link: ['x\n\n  y']}, t: {hosts: [a]}}")
	s, err := inv.Stage("s")
	require.NoError(t, err)
	assert.Equal(t, []string{"all 1", "all 2", "own"}, s.Verify)
	assert.Equal(t, []string{"x\ny"}, s.AfterLink)
	other, err := inv.Stage("t")
	require.NoError(t, err)
	assert.Equal(t, []string{"all 1", "all 2"}, other.Verify)
}

func TestInstallAndBuild(t *testing.T) {
	t.Parallel()
	inv := accepted(t, "build: setup.py\ninstall: {mode: regular, requirements: r.lock, wheels: ../w é, index_url: 'https://u:p@h/x', installer: pip}\n"+ok)
	assert.Equal(t, BuildSetupPy, inv.Build())
	assert.Equal(t, Install{
		Mode: ModeRegular, Requirements: "r.lock", Wheels: "../w é", IndexURL: "https://u:p@h/x", Installer: InstallerPip,
	}, inv.Install())
}

func TestAliasesAndByteOrderMarkAreRead(t *testing.T) {
	t.Parallel()
	inv := accepted(t, "\ufeff---\nhosts:\r\n  a: &x {root: /x}\n  b: *x\n"+ok+"...\n")
	assert.Equal(t, "/x", hostNamed(t, inv, "b").Root)
}

func TestJumpIsProxyJump(t *testing.T) {
	t.Parallel()
	for _, jump := range []string{"none", "bastion", "u@bastion:2222", "a,u@b,c:22", "[fe80::1%eth0]:22", "x.y@[2001:db8::1]"} {
		assert.Equal(t, jump, hostNamed(t, accepted(t, "ssh: {jump: '"+jump+"'}\n"+ok), "a").SSH.Jump)
	}
}

func TestReturnedValuesAreCopies(t *testing.T) {
	t.Parallel()
	inv, err := parse("i", []byte("verify: [v]\nshared: {dirs: [d], files: [f]}\ndynamic: [c]\nhosts: {a: {vars: {k: v}}}\ngroups: {g: {hosts: [a]}}\n"+
		"stages: {s: {hosts: [a], verify: [w], after_link: [l], health: {url: 'http://h'}}}"), options{unbuilt: true})
	require.NoError(t, err)
	read := func() []any {
		hosts, err := inv.Select("s", "")
		require.NoError(t, err)
		s, err := inv.Stage("s")
		require.NoError(t, err)
		return []any{hosts, s, inv.Shared(), inv.Dynamic(), inv.StageNames(), inv.HostNames(), inv.GroupNames()}
	}
	before, changed := read(), read()
	changed[0].([]Host)[0].Vars["k"] = "x"
	changed[0].([]Host)[0].Groups[0] = "x"
	s := changed[1].(Stage)
	s.Verify[0], s.Verify[1], s.AfterLink[0], s.Health.URL = "x", "x", "x", "x"
	shared := changed[2].(Shared)
	shared.Dirs[0], shared.Files[0] = "x", "x"
	for _, list := range changed[3:] {
		list.([]string)[0] = "x"
	}
	assert.Equal(t, before, read())
}

func TestUnbuiltKeysAreRefused(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct{ src, want string }{
		{"keep: 5\n" + ok, "1:1 keep: is not supported yet; remove the key"},
		{"become: app\n" + ok, "1:1 become: is not supported yet; remove the key"},
		{"hosts: {a: {become: app}}\n" + ok, "1:13 hosts.a.become: is not supported yet; remove the key"},
		{"groups: {g: {hosts: [a], become: app}}\n" + ok, "1:26 groups.g.become: is not supported yet; remove the key"},
		{"shared: {dirs: [a]}\n" + ok, "1:1 shared: is not supported yet; remove the key"},
		{"dynamic: [x]\n" + ok, "1:1 dynamic: is not supported yet; remove the key"},
		{"install: {installer: uv}\n" + ok, `1:22 install.installer: the value "uv" is not supported yet; known: auto, pip`},
		{"ssh: {host_key: x}\n" + ok, "1:7 ssh.host_key: is not supported yet; remove the key"},
		{"stages: {s: {hosts: [a], from: b}}", "1:26 stages.s.from: is not supported yet; remove the key"},
		{"stages: {s: {hosts: [a], confirm: true}}", "1:26 stages.s.confirm: is not supported yet; remove the key"},
		{"stages: {s: {hosts: [a], health: {}}}", "1:26 stages.s.health: is not supported yet; remove the key"},
		{"stages: {s: {hosts: [a], on_partial: stop}}", `1:38 stages.s.on_partial: the value "stop" is not supported yet; known: back`},
		{"stages: {s: {hosts: [a], on_partial: forward}}", `1:38 stages.s.on_partial: the value "forward" is not supported yet; known: back`},
	} {
		t.Run(tt.want, func(t *testing.T) {
			t.Parallel()
			assert.Equal(t, []string{tt.want}, refused(t, tt.src, options{}))
		})
	}
}

func TestUnbuiltKeysAreRead(t *testing.T) {
	t.Parallel()
	inv, err := parse("i", []byte(`
keep: 7
become: app
install: {installer: uv}
shared: {dirs: [media, a/b], files: [local.ini]}
dynamic: ["./hosts.py --list"]
ssh: {host_key: "SHA256:`+strings.Repeat("A", 43)+`"}
hosts: {a: {become: www}}
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
	assert.Equal(t, "www", hostNamed(t, inv, "a").Become)
	assert.Equal(t, "app", hostNamed(t, inv, "b").Become)
	assert.Equal(t, "SHA256:"+strings.Repeat("A", 43), hostNamed(t, inv, "b").SSH.HostKey)
	s, err := inv.Stage("production")
	require.NoError(t, err)
	assert.Equal(t, Stage{
		Name: "production", From: "staging", Confirm: true, OnPartial: PartialStop,
		Health: &Health{URL: "http://127.0.0.1:8000/healthz", Expect: "0.4", Within: 90 * time.Second, Consecutive: 3},
	}, s)
}

func TestRefusesWrongValuesOfUnbuiltKeys(t *testing.T) {
	t.Parallel()
	stage := func(more string) string { return "stages: {s: {hosts: [a]}, t: {hosts: [a], " + more + "}}\n" }
	runRefusals(t, []refusal{
		{"keep none", "keep: 0\n" + ok, []string{`1:7 keep: "0" is not between 1 and 1000`}},
		{"become", "become: 'a b'\n" + ok, []string{`1:9 become: "a b" is not a user name; use a letter or _, then up to 31 of A-Z a-z 0-9 . _ -`}},
		{"host key", "ssh: {host_key: MD5:x}\n" + ok, []string{`1:17 ssh.host_key: "MD5:x" is not a fingerprint; write SHA256:… as ssh-keygen -l prints it`}},
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
