package inventory

import (
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestOtherFilesAreRecognized(t *testing.T) {
	t.Parallel()
	const (
		own     = "kis needs an inventory.yaml of its own: kis init writes one"
		ansible = "kis takes its hosts with `ansible: file` in an inventory.yaml that has the stages (docs/ansible.md)"
	)
	for name, tt := range map[string]struct{ src, is, remedy string }{
		"ansible ini":            {"[web]\nweb1 ansible_host=192.0.2.1\n\n[web:vars]\nansible_user=deploy\n", "an Ansible inventory", ansible},
		"ansible ini, one group": {"[web]\n", "an Ansible inventory", ansible},
		"ansible ini, comments":  {"# hosts\n; old\nbastion\n[web:children]\nfront # x\n", "an Ansible inventory", ansible},
		"ansible ini, no group":  {"web1 ansible_host=192.0.2.1\nweb2\n", "an Ansible inventory", ansible},
		"ansible yaml":           {"all:\n  hosts:\n    web1:\n", "an Ansible inventory", ansible},
		"ansible yaml, groups":   {"web:\n  hosts: {web1: {ansible_host: 192.0.2.1}}\ndb:\n  children: {web: }\n", "an Ansible inventory", ansible},
		"ansible plugin": {
			"plugin: amazon.aws.aws_ec2\nregions: [eu-west-1]\n", "a configuration of an Ansible inventory plugin",
			"kis takes its hosts with `dynamic: ansible-inventory -i file --list` in an inventory.yaml that has the stages (docs/ansible.md)",
		},
		"dynamic output":   {`{"_meta": {"hostvars": {}}, "all": {"children": []}}`, "the output of a dynamic inventory of Ansible", "name the command that prints it: `dynamic: COMMAND` in an inventory.yaml (docs/ansible.md)"},
		"program":          {"#!/usr/bin/env python3\nimport json\n", "a program", "kis takes its hosts with `dynamic: ./file` in an inventory.yaml that has the stages (docs/ansible.md)"},
		"playbook":         {"---\n- hosts: web\n  tasks:\n    - ping:\n", "an Ansible playbook", "name Ansible's inventory instead, with the key ansible of an inventory.yaml (docs/ansible.md)"},
		"group_vars":       {"ansible_user: deploy\nx: 1\n", "a file of Ansible's variables", "name Ansible's inventory instead, with the key ansible of an inventory.yaml (docs/ansible.md)"},
		"vault":            {"$ANSIBLE_VAULT;1.1;AES256\n6162\n", "a file that ansible-vault has encrypted", own},
		"ansible.cfg":      {"[defaults]\ninventory = hosts\n", "a configuration file of Ansible", own},
		"capistrano":       {"lock \"~> 3.17\"\nset :application, 'shop'\nset :repo_url, 'git@x:y.git'\n", "a configuration of Capistrano", own},
		"capistrano stage": {"server 'web1', user: 'deploy', roles: %w{app}\n", "a configuration of Capistrano", own},
		"deployer":         {"<?php\nnamespace Deployer;\n", "a PHP file, as Deployer uses", own},
		"deployer yaml":    {"import: [recipe/common.php]\nhosts: {web1: {remote_user: x}}\n", "a configuration of Deployer", own},
		"fabric":           {"from fabric import task\n\n@task\ndef deploy(c): pass\n", "a Fabric file", own},
		"compose":          {"services:\n  web: {image: shop}\n", "a file of Docker Compose", own},
		"kubernetes":       {"apiVersion: v1\nkind: Pod\n", "a manifest of Kubernetes", own},
		"kamal":            {"service: shop\nimage: me/shop\nservers: [192.0.2.1]\n", "a configuration of Kamal", own},
		"github":           {"on: push\njobs: {test: {runs-on: x}}\n", "a CI configuration", own},
		"gitlab":           {"stages: [test, deploy]\nimage: python\n", "a CI configuration", own},
		"requirements":     {"django==5.2\npsycopg[binary]>=3.2\n", "a requirements file of pip", "name it in an inventory.yaml: install: {requirements: file}"},
		"pyproject":        {"[project]\nname = \"shop\"\n", "a TOML file of a Python project", own},
		"setup.py":         {"from setuptools import setup\nsetup()\n", "a Python file", own},
		"setup.cfg":        {"[metadata]\nname = shop\n", "a configuration file of Python tools", own},
		"unit":             {"[Unit]\nDescription=x\n", "a systemd unit", own},
		"dockerfile":       {"FROM python:3.12\nRUN pip install x\n", "a Dockerfile", own},
		"terraform":        {"resource \"aws_instance\" \"web\" {\n}\n", "a Terraform file", own},
		"ssh_config":       {"Host web*\n  User deploy\n", "an ssh_config", "kis reads it with --ssh-config file; name its hosts in the stages of an inventory.yaml"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			_, err := Parse("dir/file", []byte(tt.src), nil)
			var all Errors
			require.ErrorAs(t, err, &all)
			require.Len(t, all, 1, "one error says it")
			assert.Equal(t, "this is "+tt.is+", not an inventory of kis; "+tt.remedy, all[0].Message)
		})
	}
}

// TestMistakesInAnInventoryAreStillNamed: a file of kis with a mistake is not taken for another
// kind.
func TestMistakesInAnInventoryAreStillNamed(t *testing.T) {
	t.Parallel()
	for _, src := range []string{
		"stages: {all: {hosts: [web1]}}\nservices: {a: b}\n",
		"hosts: {web1: }\n",
		"groups: {all: {hosts: [web1]}}\n",
		"stage: {s: {hosts: [a]}}\n",
		"stages: [production]\n",
		"- a\n- b\n", "- {a: 1}\n- [b]\n", "# nothing\n", "---\n...\n", "text", "stages: {s: {hosts: [@web]}}\n", "stages:\n  s:\n    hosts:\n    [web]\n    x\n", "",
	} {
		_, err := Parse("inventory.yaml", []byte(src), nil)
		require.Error(t, err, src)
		assert.NotContains(t, err.Error(), "this is a", src)
	}
}
