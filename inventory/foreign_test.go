package inventory

import (
	"errors"
	"fmt"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

const ansibleHosts = `
mail
localhost ansible_connection=local
[web]
web[01:03] ansible_user=www
web02 ansible_host=192.0.2.2
[db]
db1 ansible_port=2222
[all:vars]
ansible_user=everyone
[win]
w1 ansible_connection=winrm ansible_host="{{ x }}"
`

// loaded reads an inventory beside an Ansible inventory.
func loaded(t *testing.T, hosts, text string) (*Inventory, error) {
	t.Helper()
	dir := t.TempDir()
	write(t, filepath.Join(dir, "hosts.ini"), hosts)
	return Load(write(t, filepath.Join(dir, "inventory.yaml"), text), Options{})
}

func TestHostsOfAnAnsibleInventory(t *testing.T) {
	t.Parallel()
	inv, err := loaded(t, ansibleHosts, `
ansible: hosts.ini
root: /srv
ssh: {user: top, port: 22}
groups:
  db: {root: /db, ssh: {user: postgres}}
  both: {hosts: [web, db]}
hosts: {web03: {address: 192.0.2.3, ssh: {user: own}}, extra: {}}
stages: {production: {hosts: ["@web", "!web01", db1]}, staging: {hosts: [extra]}}
`)
	require.NoError(t, err)
	hosts, err := inv.Select("production", "")
	require.NoError(t, err)
	assert.ElementsMatch(t, []string{"web03", "web02", "db1"}, names(hosts))
	web2, web3, db1 := hostNamed(t, inv, "web02"), hostNamed(t, inv, "web03"), hostNamed(t, inv, "db1")
	assert.Equal(t, SSH{User: "www", Port: 22}, web2.SSH, "Ansible's inventory wins over the top level")
	assert.Equal(t, "192.0.2.2", web2.Address)
	assert.Equal(t, "own", web3.SSH.User)
	assert.Equal(t, "192.0.2.3", web3.Address)
	assert.Equal(t, SSH{User: "postgres", Port: 2222}, db1.SSH, "a group of the file wins over Ansible's inventory")
	assert.Equal(t, "/db", db1.Root)
	assert.Equal(t, []string{"all", "db", "both"}, db1.Groups)
	hosts, err = inv.Select("production", "@db")
	require.NoError(t, err)
	assert.Equal(t, []string{"db1"}, names(hosts))
	assert.NotContains(t, inv.HostNames(), "localhost", "what no list names is no host of kis")
	_, err = inv.Select("production", "@win")
	require.EqualError(t, err, `host pattern "@win": "@win" names no host of stage production, which has: web02, web03, db1`)
}

// TestRangesOfAnAnsibleInventoryCountOnce, as without one: 150,000 names are fewer than maxExpanded.
func TestRangesOfAnAnsibleInventoryCountOnce(t *testing.T) {
	t.Parallel()
	stage := func(i int) string { return fmt.Sprintf("  s%d: {hosts: ['w[1:1000]']}\n", i) }
	inv, err := loaded(t, "w[1:1000]\n", repeat("ansible: hosts.ini\nstages:\n", 150, stage, ""))
	require.NoError(t, err)
	assert.Len(t, inv.HostNames(), 1000)
}

func TestWrongUsesOfAnAnsibleInventory(t *testing.T) {
	t.Parallel()
	const stage = "\nstages: {s: {hosts: [web01]}}"
	for text, want := range map[string]string{
		"ansible: hosts.ini\nstages: {s: {hosts: [wob]}}":                         `stages.s.hosts: unknown host or group "wob"; did you mean "web"?`,
		"ansible: hosts.ini\nstages: {s: {hosts: [web4]}}":                        `stages.s.hosts: unknown host or group "web4"; did you mean "web`,
		"ansible: hosts.ini\nstages: {s: {hosts: ['@wob']}}":                      `unknown group "wob"; did you mean "web"?`,
		"ansible: gone.ini" + stage:                                               "gone.ini: no such file or directory",
		"ansible: hosts.ini\ngroups: {web: {hosts: [db1]}}" + stage:               `groups.web.hosts: the hosts of "web" are those of the Ansible inventory`,
		"ansible: hosts.ini\ndynamic: x" + stage:                                  "ansible and dynamic are two sources of hosts; remove one of them",
		"ansible: {encrypted: skip}" + stage:                                      "ansible: the key inventory is missing",
		"ansible: {inventory: hosts.ini, encrypted: x}" + stage:                   `ansible.encrypted: unknown value "x"; known: refuse, skip`,
		"ansible: hosts.ini\nstages: {s: {hosts: [all, '!win', '!mail', '!db']}}": `hosts.ini:3: ansible_connection of localhost is "local"; kis connects by SSH only; exclude the host`,
		"ansible: hosts.ini\nstages: {s: {hosts: [w1]}}":                          "hosts.ini:12: ansible_host of w1 is a template, which kis does not render; set it in this file",
		"dynamic: ''" + stage:                                                     "dynamic: is empty; give it a value or remove it",
		"ansible: hosts.ini\nstages: {s: {hosts: ['web[3:1]']}}":                  `stages.s.hosts: "web[3:1]": the range ends before it begins`,
		"dynamic: cat hosts.json" + stage:                                         "dynamic: a command cannot run here",
	} {
		_, err := loaded(t, ansibleHosts, text)
		require.Error(t, err, text)
		assert.Contains(t, err.Error(), want, text)
	}
	_, err := Parse("inventory.yaml", []byte("ansible: hosts.ini"+stage), nil)
	require.ErrorContains(t, err, "1:10: ansible: works in a file only")
}

func TestOwnSettingsReplaceWhatKisCannotRead(t *testing.T) {
	t.Parallel()
	inv, err := loaded(t, "[web]\nw1 ansible_host='{{ x }}'\n[web:vars]\nansible_port={{ p }}\n",
		"ansible: hosts.ini\nhosts: {w1: {address: 192.0.2.1}}\ngroups: {web: {ssh: {port: 22}}}\nstages: {s: {hosts: [web]}}")
	require.NoError(t, err)
	assert.Equal(t, "192.0.2.1", hostNamed(t, inv, "w1").Address)
	assert.Equal(t, 22, hostNamed(t, inv, "w1").SSH.Port)
}

// TestEverySettingCanBeReplaced: each that kis cannot read is refused with the key that replaces it, and that key does.
func TestEverySettingCanBeReplaced(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ variable, own, remedy string }{
		{"ansible_host", "hosts: {w1: {address: 192.0.2.1}}", "hosts: {HOST: {address: …}}"},
		{"ansible_user", "hosts: {w1: {ssh: {user: deploy}}}", "{NAME: {ssh: {user: …}}}"},
		{"ansible_port", "hosts: {w1: {ssh: {port: 22}}}", "{NAME: {ssh: {port: …}}}"},
		{"ansible_ssh_private_key_file", "hosts: {w1: {ssh: {identity_file: key}}}", "{NAME: {ssh: {identity_file: …}}}"},
		{"ansible_ssh_common_args", "hosts: {w1: {ssh: {jump: gate}}}", "{NAME: {ssh: {jump: …}}}"},
		{"ansible_become_user", "hosts: {w1: {become: www}}", "{NAME: {become: …}}"},
		{"ansible_python_interpreter", "hosts: {w1: {python: /usr/bin/python3}}", "{NAME: {python: …}}"},
	} {
		ini, stage := "[web]\nw1 ansible_become=true "+c.variable+"='{{ x }}'\n", "\nstages: {s: {hosts: [web]}}"
		_, err := loaded(t, ini, "ansible: hosts.ini"+stage)
		require.ErrorContains(t, err, c.remedy, c.variable)
		_, err = loaded(t, ini, "ansible: hosts.ini\n"+c.own+stage)
		require.NoError(t, err, c.variable)
	}
}

// TestUnusableSettingsOfAnAnsibleInventory name the host and what is wrong, as those of an inventory of kis do.
func TestUnusableSettingsOfAnAnsibleInventory(t *testing.T) {
	t.Parallel()
	for variable, want := range map[string]string{
		"ansible_user='a b'":                        `user of w1: "a b" is not a user name that ssh accepts; set it in this file, where it wins: hosts or groups: {NAME: {ssh: {user: …}}}`,
		"ansible_become=true ansible_become_user=-": `become of w1: "-" is not `,
		"ansible_python_interpreter='python 3'":     `python of w1: "python 3" is not `,
	} {
		_, err := loaded(t, "[web]\nw1 "+variable+"\n", "ansible: hosts.ini\nstages: {s: {hosts: [web]}}")
		require.ErrorContains(t, err, "ansible: the Ansible inventory: "+want, variable)
	}
}

func TestHostsOfACommand(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	path := write(t, filepath.Join(dir, "inventory.yaml"), "dynamic: cloud --list\nstages: {s: {hosts: [web]}}")
	run := func(out string, err error) Options {
		return Options{Dynamic: func(in, command string) ([]byte, error) {
			assert.Equal(t, dir, in)
			assert.Equal(t, "cloud --list", command)
			return []byte(out), err
		}}
	}
	inv, err := Load(path, run(`{"web": ["b", "a"], "_meta": {"hostvars": {"a": {"ansible_host": "192.0.2.1", "ansible_port": 22}}}}`, nil))
	require.NoError(t, err)
	assert.Equal(t, []string{"b", "a"}, inv.HostNames(), "the order of the output")
	assert.Equal(t, "192.0.2.1", hostNamed(t, inv, "a").Address)

	failed := errors.New("exit status 1")
	_, err = Load(path, run("", failed))
	require.ErrorIs(t, err, failed)
	require.EqualError(t, err, path+":1:10: dynamic: exit status 1")
	for out, want := range map[string]string{
		`{"a b": ["c"], "_meta": {"hostvars": {}}}`: `the group "a b" of the Ansible inventory has characters that --hosts cannot name; use A-Z a-z 0-9 _ . -`,
		"":                              "the output is not the JSON of an Ansible inventory: it does not begin with {",
		"[]":                            "it does not begin with {",
		`{"web": ["a"]}`:                "the output has no _meta",
		`{"web": 3, "_meta": {}}`:       `the group "web" is not a list of hosts`,
		`{"web": ["a"], "_meta": {}} x`: "more text follows",
		`{"web": ["a"`:                  "the output is not the JSON",
		`{"_meta": {"hostvars": []}}`:   "_meta.hostvars is not a mapping",
	} {
		_, err = Load(path, run(out, nil))
		require.Error(t, err, out)
		assert.Contains(t, err.Error(), want, out)
	}
}
