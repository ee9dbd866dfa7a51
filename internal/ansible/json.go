package ansible

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
)

// ReadJSON reads what a dynamic inventory prints for --list. It must have _meta with the variables
// of all hosts: kis does not ask for each host again.
func ReadJSON(text []byte) (*Inventory, error) {
	members, err := object(text)
	if err != nil {
		return nil, fmt.Errorf("the output is not the JSON of an Ansible inventory: %w", err)
	}
	inv := newInventory()
	hostvars, some := map[string]map[string]json.RawMessage{}, false
	for _, m := range members {
		if m.key != "_meta" {
			if err := inv.jsonGroup(m); err != nil {
				return nil, err
			}
			continue
		}
		var meta struct {
			Hostvars map[string]map[string]json.RawMessage `json:"hostvars"`
		}
		if err := json.Unmarshal(m.value, &meta); err != nil {
			return nil, errors.New("_meta.hostvars is not a mapping of hosts to variables")
		}
		hostvars, some = meta.Hostvars, true
	}
	if !some {
		return nil, errors.New(`the output has no _meta; print {"_meta": {"hostvars": {}}} with the variables of the hosts, as ansible-inventory --list does`)
	}
	for _, name := range inv.order {
		for key, raw := range hostvars[name] {
			inv.hosts[name].vars.set(key, jsonValue(raw))
		}
	}
	return inv, inv.finish(place{})
}

// member is one member of an object. Their order is that of the hosts.
type member struct {
	key   string
	value json.RawMessage
}

func object(text []byte) ([]member, error) {
	d := json.NewDecoder(bytes.NewReader(text))
	if first, err := d.Token(); err != nil || first != json.Delim('{') {
		return nil, errors.New("it does not begin with {")
	}
	var all []member
	for d.More() {
		key, err := d.Token()
		if err != nil {
			return nil, err
		}
		m := member{key: fmt.Sprint(key)}
		if err := d.Decode(&m.value); err != nil {
			return nil, err
		}
		all = append(all, m)
	}
	if _, err := d.Token(); err != nil {
		return nil, errors.New("it ends before its }")
	}
	if d.More() {
		return nil, errors.New("more text follows its }")
	}
	return all, nil
}

// jsonGroup reads a group: a list of hosts, or an object.
func (inv *Inventory) jsonGroup(m member) error {
	inv.group(m.key)
	var g struct {
		Hosts    []string                   `json:"hosts"`
		Children []string                   `json:"children"`
		Vars     map[string]json.RawMessage `json:"vars"`
	}
	target := any(&g)
	if strings.HasPrefix(string(bytes.TrimSpace(m.value)), "[") {
		target = &g.Hosts
	}
	if err := json.Unmarshal(m.value, target); err != nil {
		return fmt.Errorf("the group %q is not a list of hosts, nor a mapping with hosts, children and vars", m.key)
	}
	for _, name := range g.Hosts {
		if _, err := inv.addHost(place{}, m.key, name); err != nil {
			return err
		}
	}
	for _, child := range g.Children {
		inv.addChild(m.key, child)
	}
	for key, raw := range g.Vars {
		inv.group(m.key).set(key, jsonValue(raw))
	}
	return nil
}

func jsonValue(raw json.RawMessage) value {
	var text string
	switch trimmed := string(bytes.TrimSpace(raw)); {
	case json.Unmarshal(raw, &text) == nil: // null is empty, too
		return value{text: text}
	case strings.HasPrefix(trimmed, "{") || strings.HasPrefix(trimmed, "["):
		if strings.Contains(trimmed, `"__ansible_vault"`) {
			return value{problem: "is encrypted by ansible-vault"}
		}
		return value{problem: "is not plain text"}
	default:
		return value{text: trimmed} // a number, true or false
	}
}
