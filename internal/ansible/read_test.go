package ansible

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// files writes files into a new directory.
func files(t *testing.T, texts map[string]string) string {
	t.Helper()
	dir := t.TempDir()
	for name, text := range texts {
		path := filepath.Join(dir, name)
		require.NoError(t, os.MkdirAll(filepath.Dir(path), 0o755))
		require.NoError(t, os.WriteFile(path, []byte(text), 0o600))
	}
	return dir
}

func TestWrongInventoriesAreRefusedByFileAndLine(t *testing.T) {
	t.Parallel()
	for want, texts := range map[string]map[string]string{
		`hosts:2: "[web :vars]" is not a section`:                         {"hosts": "a\n[web :vars]\n"},
		"hosts:1: [web:host]: a section is":                               {"hosts": "[web:host]\n"},
		"hosts:2: [wbe:vars] is of a group that is not declared":          {"hosts": "[web]\n[wbe:vars]\nx=1\n"},
		"hosts:2: the group db is not declared":                           {"hosts": "[all:children]\ndb\n[web]\na\n"},
		`hosts:2: "a" is not the name of a group`:                         {"hosts": "[all:children]\na ansible_password=secret\n"},
		`hosts:2: "x" is not a variable; write name=value`:                {"hosts": "[all:vars]\nx\n"},
		`hosts:1: what follows the host "a" is not name=value`:            {"hosts": "a ansible_password=my secret\n"},
		"hosts:1: a quote is not closed":                                  {"hosts": "a x='b\n"},
		`hosts:1: "a[1:3": a [ without its ]`:                             {"hosts": "a[1:3\n"},
		`hosts:1: "a[3:1]": the range ends before it begins`:              {"hosts": "a[3:1]\n"},
		`hosts:1: "a[01:100]": with leading zeros`:                        {"hosts": "a[01:100]\n"},
		`hosts:1: "a[1:100000]": more than 10000 hosts`:                   {"hosts": "a[1:100000]\n"},
		`hosts:1: "a[1:5:x]": the step "x"`:                               {"hosts": "a[1:5:x]\n"},
		`hosts:2: "a:" ends with a colon`:                                 {"hosts": "[x]\na:\n"},
		"the group \"a\" contains itself":                                 {"hosts": "[a:children]\nb\n[b:children]\na\n[c]\nx\n"},
		"hosts: has no hosts":                                             {"hosts": "[a]\n"},
		"hosts: is a program; use `dynamic:`":                             {"hosts": "#!/bin/sh\necho\n"},
		"hosts: is encrypted by ansible-vault":                            {"hosts": "$ANSIBLE_VAULT;1.1;AES256\n61\n"},
		"hosts: is not UTF-8":                                             {"hosts": "\xff\n"},
		"hosts.toml: is TOML":                                             {"hosts.toml": "[web]\n"},
		"hosts.yml: is empty":                                             {"hosts.yml": "# x\n"},
		"hosts.yml:1: the inventory is not a mapping":                     {"hosts.yml": "- a\n"},
		"hosts.yml:1: this configures the inventory plugin aws_ec2":       {"hosts.yml": "plugin: aws_ec2\n"},
		"hosts.yml:2: host of the group web: a group has hosts":           {"hosts.yml": "web:\n  host: {a: }\n"},
		"hosts.yml:1: hosts of the group web is not a mapping":            {"hosts.yml": "web: {hosts: [a]}\n"},
		`hosts.yml:3: the inventory has the key "web" twice`:              {"hosts.yml": "web:\n  hosts: {a: }\nweb: {hosts: {b: }}\n"},
		"hosts.yml:1: the host a has a merge key":                         {"hosts.yml": "web: {hosts: {a: {<<: {x: 1}}}}\n"},
		"hosts.yml:2: not YAML":                                           {"hosts.yml": "a: [\n"},
		"group_vars/all/vault.yml: is encrypted by ansible-vault, so kis": {"hosts": "a\n", "group_vars/all/vault.yml": "$ANSIBLE_VAULT;1.1;AES256\n61\n"},
		"host_vars/a.yml:1: the file is not a mapping":                    {"hosts": "a\n", "host_vars/a.yml": "- x\n"},
	} {
		name := "hosts"
		for _, other := range []string{"hosts.yml", "hosts.toml"} {
			if _, some := texts[other]; some {
				name = other
			}
		}
		dir := files(t, texts)
		_, err := Read(filepath.Join(dir, name), false)
		require.Error(t, err, want)
		assert.Contains(t, strings.ReplaceAll(err.Error(), dir+"/", ""), want)
		assert.NotContains(t, err.Error(), "secret")
	}
}

// TestAliasesCannotMultiplyGroups: a small file may stand for 2^40 groups.
func TestAliasesCannotMultiplyGroups(t *testing.T) {
	t.Parallel()
	var text strings.Builder
	text.WriteString("g0: &g0 {hosts: {a: }}\n")
	for i := range 40 {
		fmt.Fprintf(&text, "g%d: &g%d {children: {x: *g%d, y: *g%d}}\n", i+1, i+1, i, i)
	}
	_, err := Read(filepath.Join(files(t, map[string]string{"hosts.yml": text.String()}), "hosts.yml"), false)
	require.ErrorContains(t, err, "more than 20000 groups")
}

func TestEncryptedVariablesCanBeSkipped(t *testing.T) {
	t.Parallel()
	dir := files(t, map[string]string{"hosts": "a\n", "group_vars/all/main.yml": "ansible_user: u\nx: !vault |\n  $ANSIBLE_VAULT\n", "group_vars/all/vault.yml": "$ANSIBLE_VAULT;1.1;AES256\n61\n"})
	inv, err := Read(filepath.Join(dir, "hosts"), true)
	require.NoError(t, err)
	assert.Equal(t, "u", inv.Connection("a").User)
}

func TestConnections(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		vars    string
		want    Connection
		problem string
	}{
		{"ansible_host=h ansible_ssh_host=g", Connection{Address: "g"}, ""},
		{"ansible_become=yes", Connection{Become: "root"}, ""},
		{"ansible_become=no ansible_become_user=app", Connection{}, ""},
		{"ansible_become_user=app", Connection{}, ""},
		{"ansible_become=True ansible_become_user=app ansible_become_method=su", Connection{Become: "app"}, `a:1: ansible_become_method of a is "su"; kis uses sudo`},
		{"ansible_become=maybe", Connection{}, "a:1: ansible_become of a is not true or false"},
		{"ansible_port=0", Connection{}, "a:1: ansible_port of a is not a port from 1 to 65535"},
		{"ansible_port=x", Connection{}, "a:1: ansible_port of a is not a port from 1 to 65535"},
		{"ansible_user='{{ u }}'", Connection{}, "a:1: ansible_user of a is a template, which kis does not render"},
		{`ansible_user="['a']"`, Connection{}, "a:1: ansible_user of a is not plain text"},
		{"ansible_python_interpreter=auto_silent", Connection{}, ""},
		{"ansible_connection=docker", Connection{}, `a:1: ansible_connection of a is "docker"; kis connects by SSH only`},
		{"ansible_ssh_common_args='-o ProxyCommand=\"ssh -W %h:%p -q me@bastion\"'", Connection{Jump: "me@bastion"}, ""},
		{"ansible_ssh_common_args='-J bastion,b2 -C'", Connection{Jump: "bastion,b2"}, ""},
		{"ansible_ssh_extra_args='-oProxyJump=b -o ControlMaster=auto'", Connection{Jump: "b"}, ""},
		{"ansible_ssh_args='-o ProxyCommand=\"nc %h %p\"'", Connection{}, `a:1: ansible_ssh_args of a has the option "-oProxyCommand"; write it into ssh_config, and the jump host into ssh: {jump: …}`},
		{"ansible_ssh_args='-C #x -J bastion'", Connection{Jump: "bastion"}, `a:1: ansible_ssh_args of a has the option "#x"; write it into ssh_config, and the jump host into ssh: {jump: …}`},
		{"ansible_password=x ansible_shell_type=csh foo=bar", Connection{}, ""},
	} {
		dir := files(t, map[string]string{"a": "a " + tt.vars + "\n"})
		inv, err := Read(filepath.Join(dir, "a"), false)
		require.NoError(t, err, tt.vars)
		got := inv.Connection("a")
		problem := ""
		for _, p := range got.Problems {
			problem += strings.TrimPrefix(p.Err.Error(), dir+"/")
		}
		if got.Problems = nil; tt.want.Port == 0 {
			got.Port = 0 // of a wrong port nothing uses the number
		}
		assert.Equal(t, tt.want, got, tt.vars)
		assert.Equal(t, tt.problem, problem, tt.vars)
	}
}

// FuzzRead checks that no text makes the readers panic or use much memory.
func FuzzRead(f *testing.F) {
	for _, path := range inventories() {
		if text, err := os.ReadFile(path); err == nil {
			f.Add(string(text))
		}
	}
	f.Add(`{"web": ["a"], "_meta": {"hostvars": {"a": {"ansible_port": 22}}}}`)
	f.Fuzz(func(t *testing.T, text string) {
		ini, yml := newInventory(), newInventory()
		fromINI := ini.readINI("f", text) == nil && ini.finish(place{}) == nil
		root, err := parseYAML("f", []byte(text))
		fromYAML := err == nil && yml.readYAML("f", root) == nil && yml.finish(place{}) == nil
		for inv, read := range map[*Inventory]bool{ini: fromINI, yml: fromYAML} {
			for _, host := range inv.Hosts() {
				if read {
					inv.Connection(host)
				}
			}
		}
		if inv, err := ReadJSON([]byte(text)); err == nil {
			inv.Groups()
		}
	})
}
