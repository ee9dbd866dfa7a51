package inventory

import "strings"

// state says whether kis does what a key asks for.
type state bool

const (
	built state = true
	later state = false // read and checked, but refused: a setting that is ignored would be a lie
)

// key is a key of the file, or one value of a key, written `key=value`.
type key struct {
	sections string // the sections it may stand in
	name     string
	state    state
}

// schema is the one place that says which keys exist and which of them work. To finish a feature, turn its `later`
// into `built`. Values are listed only while they are refused.
func schema() []key {
	return []key{
		{"inventory host group", "root", built},
		{"inventory host group", "python", built},
		{"inventory", "keep", later},
		{"inventory host group", "become", built},
		{"inventory", "build", built},
		{"inventory", "install", built},
		{"install", "mode", built},
		{"install", "requirements", built},
		{"install", "wheels", built},
		{"install", "index_url", built},
		{"install", "installer", built},
		{"install", "installer=uv", later},
		{"inventory", "shared", later},
		{"shared", "dirs", built},
		{"shared", "files", built},
		{"inventory stage", "verify", built},
		{"inventory host group", "ssh", built},
		{"ssh", "user", built},
		{"ssh", "port", built},
		{"ssh", "identity_file", built},
		{"ssh", "jump", built},
		{"ssh", "host_key", built},
		{"inventory group stage", "hosts", built},
		{"host", "address", built},
		{"host group", "vars", built},
		{"inventory", "groups", built},
		{"inventory", "stages", built},
		{"stage", "from", later},
		{"stage", "confirm", built},
		{"stage", "after_link", built},
		{"stage", "health", later},
		{"health", "url", built},
		{"health", "expect", built},
		{"health", "within", built},
		{"health", "consecutive", built},
		{"stage", "on_partial", built},
		{"inventory", "dynamic", later},
	}
}

// sections arranges the schema by section, each with its keys in order.
func sections() map[string][]key {
	all := map[string][]key{}
	for _, k := range schema() {
		for section := range strings.FieldsSeq(k.sections) {
			all[section] = append(all[section], k)
		}
	}
	return all
}
