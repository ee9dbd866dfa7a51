package inventory

import (
	"fmt"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// refused parses a text that must be invalid and returns `line:column path: message` of each error.
func refused(t *testing.T, src string) []string {
	t.Helper()
	inv, err := Parse("inventory.yaml", []byte(src), nil)
	require.Error(t, err)
	require.Nil(t, inv, "a wrong file gives no inventory")
	var all Errors
	require.ErrorAs(t, err, &all)
	places := make([]string, 0, len(all))
	for _, e := range all {
		places = append(places, fmt.Sprintf("%d:%d %s: %s", e.Line, e.Column, e.Path, e.Message))
	}
	return places
}

// ok is a valid stage, for tests of other keys.
const ok = "stages: {s: {hosts: [a]}}\n"

type refusal struct {
	name, src string
	want      []string
}

func runRefusals(t *testing.T, tests []refusal) {
	t.Helper()
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			assert.Equal(t, tt.want, refused(t, tt.src))
		})
	}
}

func TestRefusesInvalidYAML(t *testing.T) {
	t.Parallel()
	const anchors = "anchors and aliases (&name, *name) are not supported; write the value at each place, or put what hosts have in common into a group"
	runRefusals(t, []refusal{
		{"empty file", "", []string{"1:1 : the inventory is empty; the smallest one is `stages: {staging: {hosts: [web1]}}`"}},
		{"only comments", "# nothing\n", []string{"1:1 : the inventory is empty; the smallest one is `stages: {staging: {hosts: [web1]}}`"}},
		{"only a document start", "---\n", []string{"1:1 : the inventory is empty; the smallest one is `stages: {staging: {hosts: [web1]}}`"}},
		{"list", "- a\n", []string{"1:1 : want a mapping with the key stages, got a list"}},
		{"text", "web1\n", []string{"1:1 : want a mapping with the key stages, got text"}},
		{"tab", "stages:\n\ts: {hosts: [a]}\n", []string{"2:1 : a tab; YAML is indented with spaces"}},
		{"tab after spaces", "stages:\n  s:\n  \thosts: [a]\n", []string{"3:3 : a tab; YAML is indented with spaces"}},
		{"open bracket", "stages:\n  s: {hosts: [a}\n", []string{"2:16 : not YAML: did not find expected ',' or ']' while parsing a flow sequence"}},
		{"open quote", "root: '/x\n" + ok, []string{"1:7 : not YAML: found unexpected end of stream while scanning a quoted scalar"}},
		{"bare @", "stages:\n  s:\n    hosts:\n      - @web\n", []string{`4:9 : put quotes around what begins with @, as in "@web": YAML reserves the character`}},
		{"bare *", "stages: {s: {hosts: [web*, *web]}}\n", []string{`1:28 : put quotes around what begins with *, as in "*web": YAML reserves the character`}},
		{"bare ! before a name", "stages: {s: {hosts: [a, !web9]}}\n", []string{`1:25 stages.s.hosts: put quotes around it, as in "!web9": YAML takes a bare ! for a tag`}},
		{"bare ! before a range", "stages:\n  s:\n    hosts:\n      - !web[1:3]\n", []string{`4:9 : put quotes around what begins with !, as in "!web": YAML reserves the character`}},
		{"tag", "root: !!str /x\n" + ok, []string{`1:7 root: the tag "!!str" is not supported; remove it, or put quotes around the whole value`}},
		{"tag of a mapping", "ssh: !x {port: 1}\n" + ok, []string{`1:6 ssh: the tag "!x" is not supported; remove it, or put quotes around the whole value`}},
		{"second document", ok + "---\nroot: /x\n", []string{"2:1 : a second document begins here; an inventory is one document, remove the ---"}},
		{"second document with an error", ok + "---\n[\n", []string{"4:1 : not YAML: did not find expected node content while parsing a flow node"}},
		{"text after the end", ok + "...\nfoo\n", []string{"3:1 : a second document begins here; an inventory is one document, remove the ---"}},
		{"invalid UTF-8", "# caf\xe9\n" + ok, []string{"1:6 : the byte 0xe9 is not UTF-8; save the file as UTF-8"}},
		{"UTF-16", "\xff\xfes\x00", []string{"1:1 : the byte 0xff is not UTF-8; save the file as UTF-8"}},
		{"NUL", "root: /x\n#\x00\n" + ok, []string{"2:2 : the invisible character U+0000; remove it"}},
		{"escape character", "# é\x1b[2J\n" + ok, []string{"1:4 : the invisible character U+001B; remove it"}},
		{"carriage return in a line", "# a\rroot: /evil\n" + ok, []string{"1:4 : the invisible character U+000D; remove it"}},
		{"turned writing", "# \u202eevil\n" + ok, []string{"1:3 : the invisible character U+202E; remove it"}},
		{"second byte order mark", "\ufeff\ufeff" + ok, []string{"1:1 : the invisible character U+FEFF; remove it"}},
		{"merge key", "hosts:\n  b:\n    <<: {root: /x}\n" + ok, []string{"3:5 hosts.b: merge keys (<<) are not supported; put what hosts have in common into a group"}},
		{"deep nesting", "root: " + strings.Repeat("[", 25) + strings.Repeat("]", 25) + "\n" + ok, []string{"1:27 : not YAML: exceeded max depth of 20 while increasing flow level"}},
		{"anchor", "ssh: {port: &p 22}\n" + ok, []string{"1:13 : " + anchors}},
		{"anchor of nothing", "hosts: {web1: &a }\n" + ok, []string{"1:15 : " + anchors}},
		{"anchor of a key", "&k root: /x\n" + ok, []string{"1:1 : " + anchors}},
		{"anchor and alias", "hosts:\n  a: &x {root: /x}\n  b: *x\n" + ok, []string{"2:6 : " + anchors}},
		{"alias of itself", "stages: &a {s: {hosts: *a}}\n", []string{"1:9 : " + anchors}},
		{"merged alias", "hosts:\n  a: &a {root: /x}\n  b:\n    <<: *a\n" + ok, []string{"2:6 : " + anchors}},
		{"alias of nothing", "ssh: *x\n" + ok, []string{`1:6 : put quotes around what begins with *, as in "*web": YAML reserves the character`}},
	})
}

func TestRefusesWrongShapes(t *testing.T) {
	t.Parallel()
	runRefusals(t, []refusal{
		{"unknown key with a near one", ok + "verfy: [x]\n", []string{`2:1 : unknown key "verfy"; did you mean "verify"? known: root, python, become, build, install, keep, shared, prepare, verify, ssh, ansible, dynamic, hosts, groups, stages, webhook`}},
		{"unknown key in a section", ok + "ssh: {prot: 22}\n", []string{`2:7 ssh: unknown key "prot"; did you mean "port"? known: user, port, identity_file, jump, host_key`}},
		{"unknown key far from all", ok + "hosts: {a: {shape: red}}\n", []string{`2:13 hosts.a: unknown key "shape"; known: root, python, become, ssh, address, vars`}},
		{"key of another section", ok + "address: a\n", []string{`2:1 : unknown key "address"; known: root, python, become, build, install, keep, shared, prepare, verify, ssh, ansible, dynamic, hosts, groups, stages, webhook`}},
		{"a value is no key", "stages: {s: {hosts: [a], on_partial=stop: x}}\n", []string{`1:26 stages.s: unknown key "on_partial=stop"; known: verify, hosts, confirm, from, dev, before_link, services, after_link, health, rollout, on_partial, webhook`}},
		{"duplicate key", ok + "root: /a\nroot: /b\n", []string{`3:1 : the key "root" is already on line 2; remove one of them`}},
		{"duplicate key in other quotes", ok + "hosts:\n  a: {}\n  'a': {}\n", []string{`4:3 hosts: the key "a" is already on line 3; remove one of them`}},
		{"no stages", "root: /x\n", []string{"1:1 : the key stages is missing; the smallest inventory is `stages: {staging: {hosts: [web1]}}`"}},
		{"stages without a stage", "stages: {}\n", []string{"1:9 stages: there is no stage; the smallest inventory is `stages: {staging: {hosts: [web1]}}`"}},
		{"stages without a value", "stages:\n", []string{"1:8 stages: is empty; want a mapping of stage names, or remove it"}},
		{"stage without hosts", "stages: {s: {}}\n", []string{"1:13 stages.s: the key hosts is missing; a stage is linked on hosts"}},
		{"stage without a value", "stages:\n  s:\n", []string{"2:5 stages.s: is empty; want a mapping with the key hosts, or remove it"}},
		{"stage as a list", "stages: {s: [a]}\n", []string{"1:13 stages.s: want a mapping with the key hosts, got a list"}},
		{"group without hosts", ok + "groups: {g: {root: /x}}\n", []string{"2:13 groups.g: the key hosts is missing; a group is a list of hosts"}},
		{"hosts of a group as Ansible writes them", ok + "groups:\n  g:\n    hosts:\n      web1:\n", []string{"5:7 groups.g.hosts: want a list of hosts, ranges such as web[1:3] and groups, got a mapping"}},
		{"one host instead of a list", "stages: {s: {hosts: a}}\n", []string{"1:21 stages.s.hosts: want a list of hosts, ranges such as web[1:3] and groups, got text"}},
		{"empty list", "stages: {s: {hosts: []}}\n", []string{"1:21 stages.s.hosts: the list is empty; give it an item or remove it"}},
		{"null item", "stages:\n  s:\n    hosts:\n      - a\n      -\n", []string{"5:8 stages.s.hosts: is empty; want text, or remove it"}},
		{"empty item", "stages: {s: {hosts: [a, '']}}\n", []string{"1:25 stages.s.hosts: is empty; give it a value or remove it"}},
		{"empty value", ok + "root:\n", []string{"2:6 root: is empty; want text, or remove it"}},
		{"list for text", ok + "root: [/x]\n", []string{"2:7 root: want text, got a list"}},
		{"number for text", ok + "python: 3.10\n", []string{`2:9 python: want text, got a number; put quotes around it: "3.10"`}},
		{"date for text", ok + "python: 2026-01-02\n", []string{`2:9 python: want text, got a date; put quotes around it: "2026-01-02"`}},
		{"bool for text", ok + "python: true\n", []string{`2:9 python: want text, got true or false; put quotes around it: "true"`}},
		{"host key that is a number", ok + "hosts: {10: {}}\n", []string{`2:9 hosts: want text, got a number; put quotes around it: "10"`}},
		{"host key that is null", ok + "hosts: {~: {}}\n", []string{"2:9 hosts: is empty; want text, or remove it"}},
		{"key that is a list", ok + "? [a]\n: b\n", []string{"2:3 : want text, got a list"}},
		{"port as octal", ok + "ssh: {port: 0022}\n", []string{`2:13 ssh.port: "0022" begins with 0, which some programs read as octal; write it without`}},
		{"port as YAML 1.2 octal", ok + "ssh: {port: 0o26}\n", []string{`2:13 ssh.port: want a whole number from 1 to 65535, got "0o26"`}},
		{"port with an underscore", ok + "ssh: {port: 2_2}\n", []string{`2:13 ssh.port: want a whole number from 1 to 65535, got "2_2"`}},
		{"port below", ok + "ssh: {port: 0}\n", []string{`2:13 ssh.port: "0" is not between 1 and 65535`}},
		{"port above", ok + "ssh: {port: 65536}\n", []string{`2:13 ssh.port: "65536" is not between 1 and 65535`}},
		{"port beyond an int", ok + "ssh: {port: 99999999999999999999}\n", []string{`2:13 ssh.port: "99999999999999999999" is not between 1 and 65535`}},
		{"negative port", ok + "ssh: {port: -1}\n", []string{`2:13 ssh.port: want a whole number from 1 to 65535, got "-1"`}},
		{"port in quotes", ok + "ssh: {port: '22'}\n", []string{"2:13 ssh.port: want a whole number from 1 to 65535, got text; remove the quotes"}},
		{"unknown builder", ok + "build: poetry\n", []string{`2:8 build: unknown value "poetry"; known: auto, setup.py, build, uv`}},
		{"mistyped mode", ok + "install: {mode: editabel}\n", []string{`2:17 install.mode: unknown value "editabel"; did you mean "editable"? known: editable, regular`}},
		{"one command instead of a list", ok + "verify: pytest\n", []string{"2:9 verify: want a list of commands, got text"}},
		{"blank command", ok + "verify: ['  ']\n", []string{"2:10 verify: is empty; give it a value or remove it"}},
		{"from nowhere", "stages: {s: {hosts: [a], from: b}}", []string{`1:32 stages.s.from: there is no stage "b"`}},
		{"from itself", "stages: {s: {hosts: [a], from: s}}", []string{`1:32 stages.s.from: a stage cannot take packages from itself`}},
		{"confirm", "stages: {s: {hosts: [a], confirm: yes}}\n", []string{`1:35 stages.s.confirm: want true or false, got "yes"`}},
		{"confirm as text", "stages: {s: {hosts: [a], confirm: 'true'}}\n", []string{`1:35 stages.s.confirm: want true or false, got "true"`}},
		{"on_partial", "stages: {s: {hosts: [a], on_partial: bakk}}\n", []string{`1:38 stages.s.on_partial: unknown value "bakk"; did you mean "back"? known: back, forward, stop`}},
		{"command with NUL", ok + `verify: ["a\0b"]` + "\n", []string{"2:10 verify: it has a NUL character, which cannot be passed to a program"}},
		{"variable with NUL", ok + `hosts: {a: {vars: {x: "\0"}}}` + "\n", []string{"2:23 hosts.a.vars.x: it has a NUL character, which cannot be passed to a program"}},
		{"variable without a value", ok + "hosts: {a: {vars: {x: }}}\n", []string{"2:23 hosts.a.vars.x: is empty; want text, a number, true or false, or remove it"}},
		{"variable as a list", ok + "hosts: {a: {vars: {x: [1]}}}\n", []string{"2:23 hosts.a.vars.x: want text, a number, true or false, got a list"}},
		{"variable with a hyphen", ok + "hosts: {a: {vars: {x-y: 1}}}\n", []string{`2:20 hosts.a.vars: "x-y" is not a variable name; use a letter or _, then up to 63 of A-Z a-z 0-9 _`}},
		{"variables that differ only by case", ok + "hosts:\n  a:\n    vars: {rack: 1, Rack: 2}\n", []string{`4:21 hosts.a.vars: "Rack" and "rack" on line 4 differ only by case, and "a" has both; its commands see one variable, so use one spelling`}},
		{"variables of host and group that differ only by case", "groups: {g: {hosts: [\"h[1:9]\"], vars: {rack: 1}}}\nhosts: {\"h[2:3]\": {vars: {RACK: 2}}}\n" + ok, []string{`2:27 hosts.h[2:3].vars: "RACK" and "rack" on line 1 differ only by case, and "h2" has both; its commands see one variable, so use one spelling`}},
		{"path with a control character", ok + `install: {wheels: "a\tb"}` + "\n", []string{`2:19 install.wheels: "a\tb" is not a path: it has control characters`}},
	})
}

func TestRefusesWrongNames(t *testing.T) {
	t.Parallel()
	const hostHint = " is not a host name; use up to 253 of A-Z a-z 0-9 . _ -, or an IP address"
	host := func(quoted, message string) refusal {
		return refusal{"host " + quoted, "stages: {s: {hosts: [" + quoted + "]}}\n", []string{"1:22 stages.s.hosts: " + message}}
	}
	stage := func(name string) refusal {
		return refusal{"stage " + name, fmt.Sprintf("stages: {%q: {hosts: [a]}}\n", name), []string{
			fmt.Sprintf("1:10 stages: %q is not a stage name; use a lower-case letter, then up to 31 of a-z 0-9 _", name),
		}}
	}
	root := func(path, message string) refusal {
		return refusal{"root " + path, ok + "root: '" + path + "'\n", []string{"2:7 root: " + message}}
	}
	long := strings.Repeat("a", 254)
	runRefusals(t, []refusal{
		host("no", `want text, got true or false; put quotes around it: "no"`),
		host("Yes", `want text, got true or false; put quotes around it: "Yes"`),
		host("1", `want text, got a number; put quotes around it: "1"`),
		host(`"-oProxyCommand=x"`, `"-oProxyCommand=x" begins with a hyphen, which programs take for an option`),
		host(`"a b"`, `"a b"`+hostHint),
		host(`"a;b"`, `"a;b"`+hostHint),
		host(`"$(id)"`, `"$(id)"`+hostHint),
		host(`"../x"`, `"../x"`+hostHint),
		host(`"a\nb"`, `"a\nb"`+hostHint),
		host(`"evil\u202e"`, `"evil\u202e"`+hostHint),
		host(`"zero\u200b"`, `"zero\u200b"`+hostHint),
		host("bücher", `"bücher"`+hostHint),
		host(`"!"`, `""`+hostHint),
		host(long, `"`+long[:60]+`…"`+hostHint),
		host(`"`+long[:252]+`[9:10]"`, `"`+long[:60]+`…"`+hostHint),
		host("web1:2222", `"web1:2222" is neither a host name nor an IPv6 address; a port goes into ssh: {port: …}`),
		host("10.0.0.1:22", `"10.0.0.1:22" is neither a host name nor an IPv6 address; a port goes into ssh: {port: …}`),
		host("deploy@web1", `"deploy@web1" is not a host name; the user goes into ssh: {user: …}`),
		host(`"[fe80::1]:22"`, `"[fe80::1]:22" is not a host name; write IPv6 addresses without brackets, the port goes into ssh: {port: …}`),
		host(`"web*"`, `"web*": wildcards and commas work with --hosts only; write one item for each, a range such as web[1:3], or a group`),
		host(`"a,b"`, `"a,b": wildcards and commas work with --hosts only; write one item for each, a range such as web[1:3], or a group`),
		host(`"web[3:1]"`, `"web[3:1]": the range ends before it begins`),
		host(`"web[0:1000]"`, `"web[0:1000]": a range stands for at most 1000 hosts, this one for 1001`),
		host(`"web[01:100]"`, `"web[01:100]": with leading zeros both ends of a range need the same number of digits`),
		host(`"web[1:10:2]"`, `"web[1:10:2]": a range is written [first:last] with whole numbers, as in web[1:3]`),
		host(`"web[a:c]"`, `"web[a:c]": a range is written [first:last] with whole numbers, as in web[1:3]`),
		host(`"web[1-3]"`, `"web[1-3]": a range is written [first:last] with whole numbers, as in web[1:3]`),
		host(`"web[]"`, `"web[]": a range is written [first:last] with whole numbers, as in web[1:3]`),
		host(`"r[1:2]h[1:2]"`, `"r[1:2]h[1:2]" has two ranges; one is possible`),
		host(`"web[1:2"`, `"web[1:2"`+hostHint),
		host(`"@none"`, `unknown group "none"; there is none`),
		stage(".."), stage(".kis"), stage("demo-1.0"), stage("-rf"), stage("a/b"), stage("Prod"), stage("1a"), stage(strings.Repeat("a", 33)),
		root("var/web", `"var/web" is not an absolute path; begin it with /, as in /var/webcode`),
		root("~/web", `"~/web" is not an absolute path; begin it with /, as in /var/webcode`),
		root("/", `"/" cannot be a package repository; name a directory of its own, as in /var/webcode`),
		root("/a/../b", `"/a/../b" is not a clean path; write "/b"`),
		root("/a/", `"/a/" is not a clean path; write "/a"`),
		root("//a", `"//a" is not a clean path; write "/a"`),
		root("/a b", `"/a b" has characters that are unsafe in a #! line or a shell; use A-Z a-z 0-9 . _ / + -`),
		root("/"+strings.Repeat("a", 99), "100 bytes are too long for the #! lines of the environments; use less than 100"),
		{"python with arguments", ok + "python: python3 -S\n", []string{`2:9 python: "python3 -S" is not a command; write a name such as python3.12 or an absolute path`}},
		{"python as an option", ok + "python: -c\n", []string{`2:9 python: "-c" is not a command; write a name such as python3.12 or an absolute path`}},
		{"become nobody there can be", "become: 'a b'\n" + ok, []string{`1:9 become: "a b" is not a user name; use a letter or _, then up to 31 of A-Z a-z 0-9 . _ -`}},
		{"become an option", "become: -i\n" + ok, []string{`1:9 become: "-i" is not a user name; use a letter or _, then up to 31 of A-Z a-z 0-9 . _ -`}},
		{"become a number", "become: 1000\n" + ok, []string{`1:9 become: want text, got a number; put quotes around it: "1000"`}},
		{"relative python", ok + "python: bin/python\n", []string{`2:9 python: "bin/python" is neither a command nor a clean absolute path of A-Z a-z 0-9 . _ / + -`}},
		{"ssh user", ok + "ssh: {user: -x}\n", []string{`2:13 ssh.user: "-x" is not a user name that ssh accepts`}},
		{"jump", ok + "ssh: {jump: 'a b'}\n", []string{`2:13 ssh.jump: "a b"` + hostHint}},
		{"jump as a URL", ok + "ssh: {jump: 'ssh://a'}\n", []string{`2:13 ssh.jump: "ssh://a" is not [user@]host[:port]; separate several by commas, put IPv6 addresses in brackets`}},
		{"port of a jump", ok + "ssh: {jump: 'a:65536'}\n", []string{`2:13 ssh.jump: port 65536 of "a:65536" is not between 1 and 65535`}},
		{"user of a jump", ok + "ssh: {jump: 'a b@c'}\n", []string{`2:13 ssh.jump: "a b" is not a user name that ssh accepts`}},
		{"group name", ok + "groups: {web.de: {hosts: [b]}}\n", []string{`2:10 groups: "web.de" is not a group name; use a letter or _, then up to 63 of A-Z a-z 0-9 _ -`}},
		{"host under hosts", ok + "hosts: {-x: {}}\n", []string{`2:9 hosts: "-x" begins with a hyphen, which programs take for an option`}},
		{"address", ok + "hosts: {a: {address: 'x y'}}\n", []string{`2:22 hosts.a.address: "x y"` + hostHint}},
		{"index without a scheme", ok + "install: {index_url: pypi.org}\n", []string{"2:22 install.index_url: not an http:// or https:// URL with a host"}},
		{"index as a file", ok + "install: {index_url: 'file:///x'}\n", []string{"2:22 install.index_url: not an http:// or https:// URL with a host"}},
		{"index with a space", ok + "install: {index_url: 'https://h/a b'}\n", []string{"2:22 install.index_url: not an http:// or https:// URL with a host"}},
	})
}

func TestRefusesContradictions(t *testing.T) {
	t.Parallel()
	runRefusals(t, []refusal{
		{"host and group of one name", ok + "hosts: {x: {}}\ngroups: {x: {hosts: [b]}}\n", []string{`2:9 hosts: "x" is a group as well as a host; rename one of them`}},
		{"range that meets a group", ok + "groups: {w2: {hosts: [b]}, g: {hosts: ['w[1:3]']}}\n", []string{`2:40 groups.g.hosts: "w2" is a group as well as a host; rename one of them`}},
		{"case of a name", "stages: {s: {hosts: [Web1, web1]}}\n", []string{`1:28 stages.s.hosts: "web1" and "Web1" are one host; use one spelling`}},
		{"trailing dot", "stages: {s: {hosts: [a.b]}, t: {hosts: [a.b.]}}\n", []string{`1:41 stages.t.hosts: "a.b." and "a.b" are one host; use one spelling`}},
		{"spelling of an IPv6 address", "stages: {s: {hosts: ['fe80::1', 'FE80:0::1']}}\n", []string{`1:33 stages.s.hosts: "FE80:0::1" and "fe80::1" are one host; use one spelling`}},
		{"host twice in a list", "stages:\n  s:\n    hosts:\n      - a\n      - a\n", []string{`5:9 stages.s.hosts: "a" is already in the list, on line 4; remove one of them`}},
		{"host and its range in a list", "stages: {s: {hosts: ['w[1:3]', w2]}}\n", []string{`1:32 stages.s.hosts: "w2" is already in the list, on line 1; remove one of them`}},
		{"host and its range under hosts", ok + "hosts:\n  w[1:3]: {}\n  w2: {}\n", []string{`4:3 hosts: "w2" is already among the hosts; remove one of them`}},
		{"one address for a range", ok + "hosts: {'w[1:2]': {address: x}}\n", []string{"2:29 hosts.w[1:2].address: a range of hosts cannot have one address; list the hosts one by one"}},
		{"unknown group with a near one", "groups: {web: {hosts: [b]}}\nstages: {s: {hosts: ['@wep']}}\n", []string{`2:22 stages.s.hosts: unknown group "wep"; did you mean "web"? known: web`}},
		{"group in itself", ok + "groups: {a: {hosts: [a]}}\n", []string{`2:22 groups.a.hosts: the group "a" contains itself: a > a`}},
		{"groups in a circle", ok + "groups: {x: {hosts: [a1, a]}, a: {hosts: [b]}, b: {hosts: ['@a']}}\n", []string{`2:60 groups.b.hosts: the group "a" contains itself: a > b > a`}},
		{"only exclusions", "stages: {s: {hosts: ['!a']}}\n", []string{"1:21 stages.s.hosts: the list only excludes hosts; add the hosts to include"}},
		{"all excluded", "stages: {s: {hosts: ['!a', a]}}\n", []string{"1:21 stages.s.hosts: the list excludes all of its hosts"}},
		{"exclusion of nothing", "stages: {s: {hosts: [a, '!b']}}\n", []string{`1:25 stages.s.hosts: "!b" excludes nothing: what it names is not in the list, or another item excludes it`}},
		{"a circle hides no other error", "root: x\n" + ok + "groups: {a: {hosts: [a]}}\n", []string{
			`1:7 root: "x" is not an absolute path; begin it with /, as in /var/webcode`,
			`3:22 groups.a.hosts: the group "a" contains itself: a > a`,
		}},
	})
}

// An inventory may come from an untrusted project, and reading it must be safe.
func TestInventoryRunsNothingLocally(t *testing.T) {
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
		_, err := Parse("i", []byte(src), nil)
		assert.Error(t, err, src)
	}
}

// A key exists only once its feature does.
func TestKeysOfMissingFeaturesAreUnknown(t *testing.T) {
	t.Parallel()
	const stage = "; known: verify, hosts, confirm, from, dev, before_link, services, after_link, health, rollout, on_partial, webhook"
	runRefusals(t, []refusal{
		{"sync", "stages: {s: {hosts: [a], sync: b}}", []string{`1:26 stages.s: unknown key "sync"` + stage}},
	})
}
