package inventory

import "strings"

// key is a key of the file, the sections it may stand in, and the shape of its value, from which the
// schema for editors is made:
//
//	text, number, flag, scalar   one of these; scalar is text, a number, true or false
//	a|b                          one of these words
//	{name}                       a section
//	[text], [name]               a list of texts; of texts or sections
//	<name>, <scalar>             a mapping of names that the user chooses to sections or scalars
//	text or {name}               either
type key struct{ sections, name, shape string }

// schema is the only list of the keys that exist.
func schema() []key { return append(hostKeys(), stageKeys()...) }

// hostKeys are the keys of hosts, and of what all stages have in common.
func hostKeys() []key {
	return []key{
		{"inventory host group", "root", "text"},
		{"inventory host group", "python", "text"},
		{"inventory host group", "become", "text"},
		{"inventory", "build", "auto|setup.py|build|uv"},
		{"inventory", "install", "{install}"},
		{"install", "mode", "editable|regular"},
		{"install", "installer", "auto|uv"},
		{"install", "extras", "[text]"},
		{"install", "requirements", "text"},
		{"install", "wheels", "text"},
		{"install", "index_url", "text"},
		{"install", "extra_index_urls", "[text]"},
		{"inventory", "keep", "number"},
		{"inventory", "shared", "{shared}"},
		{"shared", "dirs", "[text]"},
		{"shared", "files", "[text]"},
		{"inventory", "prepare", "[command]"},
		{"inventory stage", "verify", "[command]"},
		{"inventory host group", "ssh", "{ssh}"},
		{"ssh", "user", "text"},
		{"ssh", "port", "number"},
		{"ssh", "identity_file", "text"},
		{"ssh", "jump", "text"},
		{"ssh", "host_key", "text"},
		{"inventory", "ansible", "text or {ansible}"},
		{"ansible", "inventory", "text"},
		{"ansible", "encrypted", "refuse|skip"},
		{"inventory", "dynamic", "text"},
		{"inventory", "hosts", "<host>"},
		{"group stage", "hosts", "[text]"},
		{"host", "address", "text"},
		{"host group", "vars", "<scalar>"},
		{"inventory", "groups", "<group>"},
		{"inventory", "stages", "<stage>"},
	}
}

// stageKeys are the keys of stages, and of what is in them.
func stageKeys() []key {
	return []key{
		{"stage", "confirm", "flag"},
		{"stage", "from", "text"},
		{"stage", "dev", "flag"},
		{"stage", "before_link", "[command]"},
		{"stage", "services", "[service]"},
		{"stage", "after_link", "[command]"},
		{"command", "run", "text"},
		{"command", "once", "flag"},
		{"command", "timeout", "text"},
		{"service", "unit", "text"},
		{"service", "user", "flag"},
		{"stage", "health", "{health}"},
		{"health", "url", "text"},
		{"health", "unix", "text"},
		{"health", "host", "text"},
		{"health", "status", "number"},
		{"health", "header", "text"},
		{"health", "expect", "text"},
		{"health", "within", "text"},
		{"health", "consecutive", "number"},
		{"stage", "rollout", "{rollout}"},
		{"rollout", "batch", "scalar"},
		{"stage", "on_partial", "back|forward|stop"},
		{"inventory stage", "webhook", "{webhook}"},
		{"webhook", "url", "text"},
		{"webhook", "format", "json|slack|mattermost"},
	}
}

// sections arranges the schema by section, each with its keys in order.
func sections() map[string][]string {
	all := map[string][]string{}
	for _, k := range schema() {
		for section := range strings.FieldsSeq(k.sections) {
			all[section] = append(all[section], k.name)
		}
	}
	return all
}
