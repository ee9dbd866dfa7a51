package dynamic

import (
	"encoding/json"
	"os"
)

// Remember keeps the names of hosts and groups that a command printed, for completion. What else it printed
// may be secret, and is not kept. An output that is no inventory is not kept either.
func (a Allowed) Remember(c Command, output []byte) error {
	names, err := onlyNames(output)
	if err != nil {
		return nil //nolint:nilerr // whoever reads the inventory says what is wrong with it
	}
	if err := os.MkdirAll(string(a), 0o700); err != nil {
		return err
	}
	return os.WriteFile(a.path(c)+".json", names, 0o600)
}

// Names are what Remember has kept of the newest output of the command, as an inventory in the same form.
func (a Allowed) Names(c Command) ([]byte, error) { return os.ReadFile(a.path(c) + ".json") }

// onlyNames is an inventory without variables.
func onlyNames(output []byte) ([]byte, error) {
	var all map[string]json.RawMessage
	if err := json.Unmarshal(output, &all); err != nil {
		return nil, err
	}
	type group struct {
		Hosts    []string `json:"hosts,omitempty"`
		Children []string `json:"children,omitempty"`
	}
	kept := map[string]any{"_meta": map[string]any{"hostvars": map[string]any{}}}
	for name, raw := range all {
		if name == "_meta" {
			continue
		}
		var g group
		if json.Unmarshal(raw, &g.Hosts) != nil { // the short form of a group is a list of its hosts
			if err := json.Unmarshal(raw, &g); err != nil {
				return nil, err
			}
		}
		kept[name] = g
	}
	return json.Marshal(kept)
}
