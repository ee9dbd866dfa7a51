package inventory

import (
	"fmt"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
)

// What users give to kis instead of an inventory is recognized by its content, so that the error
// names the file and the remedy, not the first character that is not YAML.

const (
	useAnsible = "kis takes its hosts with `ansible: %s` in an inventory.yaml that has the stages (docs/ansible.md)"
	useDynamic = "kis takes its hosts with `dynamic: %s` in an inventory.yaml that has the stages (docs/ansible.md)"
	writeOne   = "kis needs an inventory.yaml of its own: kis init writes one"
)

// mistaken is a kind of file: what it is, and the remedy, in which %s is the file.
type mistaken struct{ is, remedy string }

// textPattern recognizes a file that need not be YAML by a line of it.
type textPattern struct {
	line *regexp.Regexp
	mistaken
}

// ownKey is in every inventory of kis, even in one that is not YAML by mistake.
var ownKey = regexp.MustCompile(`(?m)^stages:`)

// textPatterns are in the order in which they are tried: the special ones before Ansible's INI,
// which has few rules.
func textPatterns() []textPattern {
	return []textPattern{
		{regexp.MustCompile(`\A#!`), mistaken{"a program", useDynamic}},
		{regexp.MustCompile(`\A\$ANSIBLE_VAULT;`), mistaken{"a file that ansible-vault has encrypted", writeOne}},
		{regexp.MustCompile(`(?m)^\[(project|build-system|tool\..*|\[package\])\]\s*$`), mistaken{"a TOML file of a Python project", writeOne}},
		{regexp.MustCompile(`(?m)^\[(metadata|options|bdist_wheel|flake8|tox|testenv.*)\]\s*$`), mistaken{"a configuration file of Python tools", writeOne}},
		{regexp.MustCompile(`(?m)^\[(defaults|ssh_connection|privilege_escalation)\]\s*$`), mistaken{"a configuration file of Ansible", writeOne}},
		{regexp.MustCompile(`(?m)^\[(Unit|Service|Install)\]\s*$`), mistaken{"a systemd unit", writeOne}},
		{regexp.MustCompile(`(?m)^\s*(lock ["']|set :\w+,|server ["']|role :\w+|require ["']capistrano)`), mistaken{"a configuration of Capistrano", writeOne}},
		{regexp.MustCompile(`\A\s*<\?php`), mistaken{"a PHP file, as Deployer uses", writeOne}},
		{regexp.MustCompile(`(?m)^(from|import) (fabric|fabtools|invoke)\b`), mistaken{"a Fabric file", writeOne}},
		{regexp.MustCompile(`(?m)^(from [\w.]+ import |import \w|def \w+\()`), mistaken{"a Python file", writeOne}},
		{regexp.MustCompile(`(?m)^FROM [\w./:-]+`), mistaken{"a Dockerfile", writeOne}},
		{regexp.MustCompile(`(?m)^(resource|provider|variable) "\w+"`), mistaken{"a Terraform file", writeOne}},
		{regexp.MustCompile(`(?m)^(?:[Hh]ost|[Mm]atch)[ =]\S.*\n\s+(?:[Hh]ost[Nn]ame|[Uu]ser|[Pp]ort|[Ii]dentity[Ff]ile|[Pp]roxy[Jj]ump)[ =]`), mistaken{"an ssh_config", "kis reads it with --ssh-config %s; name its hosts in the stages of an inventory.yaml"}},
		{regexp.MustCompile(`(?m)^(-[rce] \S|--(hash|index-url|extra-index-url|find-links)[= ]|[A-Za-z][\w.-]*(\[[\w,.-]+\])?\s*(==|~=|>=|<=)\s*\d)`), mistaken{"a requirements file of pip", "name it in an inventory.yaml: install: {requirements: %s}"}},
		{regexp.MustCompile(`(?m)^\s*\[[^\[\]:,\s"'{}]+(:(vars|children))?\]\s*(#.*)?$`), mistaken{"an Ansible inventory", useAnsible}},
		{regexp.MustCompile(`(?m)^[\w.\[\]:-]+(\s+\w+=\S+)*\s+ansible_\w+=`), mistaken{"an Ansible inventory", useAnsible}},
	}
}

// recognize returns the kind of a file that is not an inventory of kis. The root is nil if it is
// not YAML.
func recognize(src []byte, root *node) (mistaken, bool) {
	if root != nil && root.kind == mapping {
		return recognizeMapping(root)
	}
	if root != nil && root.kind == sequence && slices.ContainsFunc(root.items, func(n *node) bool { return n.kind == mapping }) {
		return recognizeSequence(root)
	}
	if ownKey.Match(src) {
		return mistaken{}, false
	}
	for _, p := range textPatterns() {
		if p.line.Match(src) {
			return p.mistaken, true
		}
	}
	return mistaken{}, false
}

func recognizeSequence(root *node) (mistaken, bool) {
	for _, n := range root.items {
		for _, key := range []string{"hosts", "tasks", "roles", "import_playbook"} {
			if n.child(key) != nil {
				return mistaken{"an Ansible playbook", "name Ansible's inventory instead, with the key ansible of an inventory.yaml (docs/ansible.md)"}, true
			}
		}
	}
	return mistaken{}, false
}

// recognizeMapping knows files by their keys at the top. One with a mapping of stages is kis's own.
func recognizeMapping(root *node) (mistaken, bool) {
	if stages := root.child("stages"); stages != nil && stages.kind == mapping {
		return mistaken{}, false
	}
	has := func(keys ...string) bool {
		return !slices.ContainsFunc(keys, func(key string) bool { return root.child(key) == nil })
	}
	switch services := root.child("services"); {
	case services != nil && services.kind == mapping:
		return mistaken{"a file of Docker Compose", writeOne}, true
	case has("apiVersion", "kind"):
		return mistaken{"a manifest of Kubernetes", writeOne}, true
	case has("service", "image"):
		return mistaken{"a configuration of Kamal", writeOne}, true
	case has("jobs"), has("script"), root.child("stages") != nil && has("image"):
		return mistaken{"a CI configuration", writeOne}, true
	case has("plugin"):
		return mistaken{"a configuration of an Ansible inventory plugin", "kis takes its hosts with `dynamic: ansible-inventory -i %s --list` in an inventory.yaml that has the stages (docs/ansible.md)"}, true
	case has("_meta"):
		return mistaken{"the output of a dynamic inventory of Ansible", "name the command that prints it: `dynamic: COMMAND` in an inventory.yaml (docs/ansible.md)"}, true
	case len(root.pairs) > 0 && !slices.ContainsFunc(root.pairs, func(p pair) bool { return !isAnsibleGroup(p) }):
		return mistaken{"an Ansible inventory", useAnsible}, true
	case has("import", "hosts") || has("recipe"):
		return mistaken{"a configuration of Deployer", writeOne}, true
	case slices.ContainsFunc(root.pairs, func(p pair) bool { return strings.HasPrefix(p.key.value, "ansible_") }):
		return mistaken{"a file of Ansible's variables", "name Ansible's inventory instead, with the key ansible of an inventory.yaml (docs/ansible.md)"}, true
	}
	return mistaken{}, false
}

// isAnsibleGroup reports whether an entry at the top is a group of an Ansible inventory in YAML.
// The groups and hosts of kis have mappings of the same look, below keys of their own.
func isAnsibleGroup(p pair) bool {
	if p.key.value == "all" || p.key.value == "ungrouped" {
		return true
	}
	if p.key.value == "groups" || p.key.value == "hosts" || p.value.kind != mapping || len(p.value.pairs) == 0 {
		return false
	}
	return !slices.ContainsFunc(p.value.pairs, func(q pair) bool {
		return !slices.Contains([]string{"hosts", "children", "vars"}, q.key.value) || q.value.kind == sequence
	})
}

// child returns the value of a key of a mapping, or nil.
func (n *node) child(key string) *node {
	if n.kind != mapping {
		return nil
	}
	for _, p := range n.pairs {
		if p.key.value == key {
			return p.value
		}
	}
	return nil
}

// message says what the file is, and the remedy.
func (m mistaken) message(file string) string {
	remedy := m.remedy
	if strings.Contains(remedy, "%s") {
		name := filepath.Base(file)
		if m.remedy == useDynamic {
			name = "./" + name
		}
		remedy = fmt.Sprintf(remedy, name)
	}
	return "this is " + m.is + ", not an inventory of kis; " + remedy
}
