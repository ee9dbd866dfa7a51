package inventory

import "strings"

// key is a key of the file and the sections it may stand in.
type key struct{ sections, name string }

// schema is the only list of the keys that exist.
func schema() []key {
	return []key{
		{"inventory host group", "root"},
		{"inventory host group", "python"},
		{"inventory host group", "become"},
		{"inventory", "build"},
		{"inventory", "install"},
		{"install", "mode"},
		{"install", "extras"},
		{"install", "requirements"},
		{"install", "wheels"},
		{"install", "index_url"},
		{"install", "extra_index_urls"},
		{"inventory", "keep"},
		{"inventory", "shared"},
		{"shared", "dirs"},
		{"shared", "files"},
		{"inventory", "prepare"},
		{"inventory stage", "verify"},
		{"inventory host group", "ssh"},
		{"ssh", "user"},
		{"ssh", "port"},
		{"ssh", "identity_file"},
		{"ssh", "jump"},
		{"ssh", "host_key"},
		{"inventory", "ansible"},
		{"ansible", "inventory"},
		{"ansible", "encrypted"},
		{"inventory", "dynamic"},
		{"inventory group stage", "hosts"},
		{"host", "address"},
		{"host group", "vars"},
		{"inventory", "groups"},
		{"inventory", "stages"},
		{"stage", "confirm"},
		{"stage", "from"},
		{"stage", "dev"},
		{"stage", "before_link"},
		{"stage", "services"},
		{"stage", "after_link"},
		{"command", "run"},
		{"command", "once"},
		{"command", "timeout"},
		{"service", "unit"},
		{"service", "user"},
		{"stage", "health"},
		{"health", "url"},
		{"health", "unix"},
		{"health", "host"},
		{"health", "status"},
		{"health", "header"},
		{"health", "expect"},
		{"health", "within"},
		{"health", "consecutive"},
		{"stage", "rollout"},
		{"rollout", "batch"},
		{"stage", "on_partial"},
		{"inventory stage", "webhook"},
		{"webhook", "url"},
		{"webhook", "format"},
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
