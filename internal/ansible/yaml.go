package ansible

import (
	"bytes"
	"errors"
	"fmt"
	"io"

	"go.yaml.in/yaml/v4"
	"go.yaml.in/yaml/v4/plugin/loaderlimits"
)

// nullTag and mergeTag are tags that YAML gives to plain text.
const (
	nullTag  = "!!null"
	mergeTag = "!!merge"
)

// pair is one entry of a mapping, with its aliases resolved.
type pair struct {
	key   string
	at    place
	value *yaml.Node
}

// parseYAML returns the first document, or nil for an empty one.
func parseYAML(file string, text []byte) (*yaml.Node, error) {
	whole := place{file: file}
	loader, err := yaml.NewLoader(bytes.NewReader(text), yaml.WithPlugin(loaderlimits.New(loaderlimits.DepthValue(maxDepth*4))))
	if err != nil {
		return nil, whole.fail("not YAML")
	}
	var document yaml.Node
	var load *yaml.LoadError
	switch err := loader.Load(&document); {
	case errors.Is(err, io.EOF):
		return nil, nil //nolint:nilnil // an empty file is no error
	case errors.As(err, &load):
		return nil, place{file, max(load.Mark.Line, 1)}.fail("not YAML: %s", load.Message)
	case err != nil:
		return nil, whole.fail("not YAML")
	case len(document.Content) == 0 || document.Content[0].ShortTag() == nullTag:
		return nil, nil //nolint:nilnil // an empty file is no error
	}
	return resolve(document.Content[0]), nil
}

// resolve follows aliases.
func resolve(n *yaml.Node) *yaml.Node {
	for range maxDepth {
		if n.Kind != yaml.AliasNode {
			break
		}
		n = n.Alias
	}
	return n
}

// pairs returns the entries of a mapping, none for an empty value.
func pairs(file string, n *yaml.Node, what string) ([]pair, error) {
	if n == nil || n.Kind == yaml.ScalarNode && n.ShortTag() == nullTag {
		return nil, nil
	}
	if n.Kind != yaml.MappingNode {
		return nil, place{file, n.Line}.fail("%s is not a mapping", what)
	}
	seen := map[string]bool{}
	var list []pair
	for i := 0; i+1 < len(n.Content); i += 2 {
		key, at := resolve(n.Content[i]), place{file, n.Content[i].Line}
		switch {
		case key.ShortTag() == mergeTag:
			return nil, at.fail("%s has a merge key (<<), which kis does not read; write out what it stands for", what)
		case key.Kind != yaml.ScalarNode:
			return nil, at.fail("a key of %s is not text", what)
		case seen[key.Value]:
			return nil, at.fail("%s has the key %q twice", what, key.Value)
		}
		seen[key.Value] = true
		list = append(list, pair{key.Value, at, resolve(n.Content[i+1])})
	}
	return list, nil
}

// readYAML reads an inventory in YAML.
func (inv *Inventory) readYAML(file string, root *yaml.Node) error {
	if root == nil {
		return place{file: file}.fail("is empty")
	}
	groups, err := pairs(file, root, "the inventory")
	if err != nil {
		return err
	}
	for _, g := range groups {
		if g.key == "plugin" {
			return g.at.fail("this configures the inventory plugin %s; plugins are programs: use `dynamic: ansible-inventory -i FILE --list`", g.value.Value)
		}
	}
	for _, g := range groups {
		if err := inv.yamlGroup(g, 0); err != nil {
			return err
		}
	}
	return nil
}

func (inv *Inventory) yamlGroup(g pair, depth int) error {
	if depth > maxDepth {
		return g.at.fail("groups are nested more than %d deep", maxDepth)
	}
	if inv.read++; inv.read > maxGroups { // aliases multiply
		return g.at.fail("more than %d groups", maxGroups)
	}
	inv.group(g.key)
	parts, err := pairs(g.at.file, g.value, "the group "+g.key)
	if err != nil {
		return err
	}
	for _, part := range parts {
		what := part.key + " of the group " + g.key
		entries, err := named(part, what)
		if err != nil {
			return err
		}
		for _, e := range entries {
			switch part.key {
			case "hosts":
				err = inv.yamlHost(g.key, e)
			case "children":
				inv.addChild(g.key, e.key)
				err = inv.yamlGroup(e, depth+1)
			case "vars":
				inv.group(g.key).set(e.key, yamlValue(e))
			}
			if err != nil {
				return err
			}
		}
	}
	return nil
}

// named returns the entries of hosts, children or vars. A single name may stand for them.
func named(part pair, what string) ([]pair, error) {
	switch part.key {
	case "hosts", "children", "vars":
	default:
		return nil, part.at.fail("%s: a group has hosts, children and vars only", what)
	}
	if part.value.Kind == yaml.ScalarNode && part.value.ShortTag() == "!!str" && part.key != "vars" {
		return []pair{{part.value.Value, part.at, nil}}, nil
	}
	return pairs(part.at.file, part.value, what)
}

func (inv *Inventory) yamlHost(group string, e pair) error {
	names, port, err := hostPattern(e.key)
	if err != nil {
		return e.at.fail("%s", err)
	}
	vars, err := yamlVariables(e.at.file, e.value, "the host "+e.key)
	if err != nil {
		return err
	}
	if _, some := vars["ansible_port"]; port != "" && !some {
		vars["ansible_port"] = value{place: e.at, text: port}
	}
	return inv.addHosts(e.at, group, names, vars)
}

func yamlVariables(file string, n *yaml.Node, what string) (variables, error) {
	entries, err := pairs(file, n, what)
	vars := variables{}
	for _, e := range entries {
		vars.set(e.key, yamlValue(e))
	}
	return vars, err
}

func yamlValue(e pair) value {
	v := value{place: e.at}
	switch n := e.value; {
	case n.Kind != yaml.ScalarNode:
		v.problem = "is not plain text"
	case n.Tag == "!vault":
		v.problem = "is encrypted by ansible-vault"
	case n.ShortTag() == nullTag:
	case n.ShortTag() == "!!float":
		v.problem = fmt.Sprintf("is the number %s; put it in quotes", n.Value)
	default:
		v.text = n.Value
	}
	return v
}
