package inventory

import (
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/keep-it-simple/kis/internal/name"
)

// accepted parses a text that must be valid, for editors too.
func accepted(t *testing.T, src string) *Inventory {
	t.Helper()
	require.NoError(t, validate(t, published(t), src))
	return readable(t, src)
}

// readable is accepted without an editor, which takes longer than the parser.
func readable(t *testing.T, src string) *Inventory {
	t.Helper()
	inv, err := Parse("dir/inventory.yaml", []byte(src), nil)
	require.NoError(t, err)
	return inv
}

// as parses a name that must be right.
func as[T any](t *testing.T, parse func(string) (T, error), text string) T {
	t.Helper()
	value, err := parse(text)
	require.NoError(t, err)
	return value
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
	assert.Equal(t, Host{Name: "web2", Root: "/var/webcode", Python: as(t, name.ParseInterpreter, "python3"), Vars: map[string]string{}}, hostNamed(t, inv, "web2"))
	s, err := inv.Stage("production")
	require.NoError(t, err)
	assert.Equal(t, Stage{Name: as(t, name.ParseStage, "production"), OnPartial: PartialBack}, s)
}

func TestOverridesApplyFromTheTopToTheHost(t *testing.T) {
	t.Parallel()
	inv := accepted(t, `
root: /top
python: top
become: top
ssh: {user: top, port: 1, identity_file: top, jump: top}
hosts:
  h: {address: 192.0.2.1, ssh: {user: host}, vars: {a: host}}
groups:
  second: {hosts: [first], root: /second, ssh: {port: 3}, vars: {a: second, b: second}}
  first: {hosts: [h], root: /first, python: first, become: first, ssh: {port: 2, jump: none}, vars: {c: first}}
stages: {s: {hosts: [h, other]}}
`)
	assert.Equal(t, Host{
		Name: "h", Address: "192.0.2.1", Root: "/first", Python: as(t, name.ParseInterpreter, "first"), Become: as(t, name.ParseUser, "first"),
		SSH:    SSH{User: "host", Port: 2, IdentityFile: "top", Jump: "none"},
		Vars:   map[string]string{"a": "host", "b": "second", "c": "first"},
		Groups: []string{"second", "first"},
	}, hostNamed(t, inv, "h"), "the later group in the file wins, the host wins over both")
	assert.Equal(t, Host{
		Name: "other", Root: "/top", Python: as(t, name.ParseInterpreter, "top"), Become: as(t, name.ParseUser, "top"), Vars: map[string]string{},
		SSH: SSH{User: "top", Port: 1, IdentityFile: "top", Jump: "top"},
	}, hostNamed(t, inv, "other"))
}

func TestVariablesKeepText(t *testing.T) {
	t.Parallel()
	inv := accepted(t, "hosts: {h: {vars: {v: 1.10, n: 0022, b: no, d: 2026-01-02, s: ' x ', e: '', m: \"a\\nb\"}}}\nstages: {s: {hosts: [h]}}")
	assert.Equal(t, map[string]string{"v": "1.10", "n": "0022", "b": "no", "d": "2026-01-02", "s": " x ", "e": "", "m": "a\nb"},
		hostNamed(t, inv, "h").Vars)
}

func TestVariablesOfDifferentHostsMayDifferByCase(t *testing.T) {
	t.Parallel()
	inv := accepted(t, "hosts: {a: {vars: {rack: 1}}, b: {vars: {Rack: 2}}}\nstages: {s: {hosts: [a, b]}}")
	assert.Equal(t, map[string]string{"rack": "1"}, hostNamed(t, inv, "a").Vars)
	assert.Equal(t, map[string]string{"Rack": "2"}, hostNamed(t, inv, "b").Vars)
}

func TestHostsComeInInventoryOrder(t *testing.T) {
	t.Parallel()
	inv := accepted(t, `
stages: {s: {hosts: [z, g, b, a]}, t: {hosts: ["!y", y2, later, "@g"]}}
groups: {g: {hosts: ["!q", y, inner]}, inner: {hosts: ["i[1:2]", q]}}
hosts: {b: {}, a: }
`)
	assert.Equal(t, []string{"b", "a", "y", "i1", "i2", "q", "z", "y2", "later"}, inv.HostNames(),
		"an exclusion is no first mention")
	assert.Equal(t, []string{"g", "inner"}, inv.GroupNames())
	hosts, err := inv.Select("s", "")
	require.NoError(t, err)
	assert.Equal(t, []string{"z", "y", "i1", "i2", "b", "a"}, names(hosts), "as the stage lists them: once: true is for the first")
	hosts, err = inv.Select("t", "")
	require.NoError(t, err)
	assert.Equal(t, []string{"y2", "later", "i1", "i2"}, names(hosts), "an exclusion works wherever it stands")
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
		{"host that its group names too", "web2, web", []string{"web2", "web1", "web3"}},
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
	assert.Equal(t, "p", w1.Python.String())
	w1.Vars["a"] = "changed"
	assert.Equal(t, "b", hostNamed(t, inv, "w2").Vars["a"])
}

func TestCommandsOfPackagesAndOfStagesAreApart(t *testing.T) {
	t.Parallel()
	inv := accepted(t, "prepare: [{run: collect, timeout: 5m}]\nverify: [all 1, {run: all 2}]\nstages: {s: {hosts: [a], verify: [own], after_link: ['x\n\n  y']}, t: {hosts: [a]}}")
	s, err := inv.Stage("s")
	require.NoError(t, err)
	assert.Equal(t, []Command{{Run: "collect", Timeout: 5 * time.Minute}}, inv.Prepare())
	assert.Equal(t, []Command{{Run: "all 1"}, {Run: "all 2"}}, inv.Verify())
	assert.Equal(t, []Command{{Run: "own"}}, s.Verify)
	assert.Equal(t, []Command{{Run: "x\ny"}}, s.AfterLink)
	other, err := inv.Stage("t")
	require.NoError(t, err)
	assert.Empty(t, other.Verify)
}

func TestInstallAndBuild(t *testing.T) {
	t.Parallel()
	inv := accepted(t, "build: setup.py\ninstall: {mode: regular, requirements: r.lock, wheels: ../w é, index_url: 'https://u:p@h/x'}\n"+ok)
	assert.Equal(t, BuildSetupPy, inv.Build())
	assert.Equal(t, Install{
		Mode: ModeRegular, Installer: InstallerAuto, Requirements: "r.lock", Wheels: "../w é", IndexURL: "https://u:p@h/x",
	}, inv.Install())
}

func TestByteOrderMarkAndDocumentMarksAreRead(t *testing.T) {
	t.Parallel()
	inv := accepted(t, "\ufeff---\nhosts:\r\n  a: {root: /x}\n"+ok+"...\n")
	assert.Equal(t, "/x", hostNamed(t, inv, "a").Root)
}

func TestJumpIsProxyJump(t *testing.T) {
	t.Parallel()
	for _, jump := range []string{"none", "bastion", "u@bastion:2222", "a,u@b,c:22", "[fe80::1%eth0]:22", "x.y@[2001:db8::1]", "jane@corp.example@bastion", `CORP\jane@a,jane@corp@b:22`} {
		assert.Equal(t, jump, hostNamed(t, accepted(t, "ssh: {jump: '"+jump+"'}\n"+ok), "a").SSH.Jump)
	}
}

func TestReturnedValuesAreCopies(t *testing.T) {
	t.Parallel()
	inv := accepted(t, "verify: [v]\nhosts: {a: {vars: {k: v}}}\ngroups: {g: {hosts: [a]}}\n"+
		"stages: {s: {hosts: [a], verify: [w], after_link: [l]}}")
	hosts := func() []Host {
		hosts, err := inv.Select("s", "")
		require.NoError(t, err)
		return hosts
	}
	stage := func() Stage {
		s, err := inv.Stage("s")
		require.NoError(t, err)
		return s
	}
	h, s := hosts()[0], stage()
	h.Vars["k"], h.Groups[0] = "x", "x"
	s.Verify[0], s.AfterLink[0] = Command{}, Command{}
	inv.Verify()[0] = Command{}
	for _, list := range [][]string{inv.StageNames(), inv.HostNames(), inv.GroupNames()} {
		list[0] = "x"
	}

	assert.Equal(t, map[string]string{"k": "v"}, hosts()[0].Vars)
	assert.Equal(t, []string{"g"}, hosts()[0].Groups)
	assert.Equal(t, []Command{{Run: "v"}}, inv.Verify())
	assert.Equal(t, []Command{{Run: "w"}}, stage().Verify)
	assert.Equal(t, []Command{{Run: "l"}}, stage().AfterLink)
	assert.Equal(t, []string{"s"}, inv.StageNames())
	assert.Equal(t, []string{"a"}, inv.HostNames())
	assert.Equal(t, []string{"g"}, inv.GroupNames())
}
