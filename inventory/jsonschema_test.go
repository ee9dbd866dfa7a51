package inventory

import (
	"bytes"
	"encoding/json"
	"flag"
	"os"
	"regexp"
	"strings"
	"testing"

	"github.com/santhosh-tekuri/jsonschema/v6"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.yaml.in/yaml/v4"
)

// The schema for editors is made here, in a test, and not in kis: nothing in kis needs it.
var updateSchema = flag.Bool("update", false, "TestJSONSchema writes docs/inventory.schema.json instead of comparing with it") //nolint:gochecknoglobals // flags of a test have no other place

const (
	schemaFile = "../docs/inventory.schema.json"
	schemaURL  = "https://raw.githubusercontent.com/keep-it-simple/kis/main/docs/inventory.schema.json"
)

type object = map[string]any

// required are the keys without which a section is refused.
func required() map[string][]string {
	return map[string][]string{
		"inventory": {"stages"}, "stage": {"hosts"}, "command": {"run"}, "service": {"unit"}, "health": {"url"}, "webhook": {"url"}, "ansible": {"inventory"},
	}
}

// jsonSchema makes the JSON schema of the table that the parser uses.
func jsonSchema(descriptions map[string]string) object {
	definitions := object{}
	for _, k := range schema() {
		for section := range strings.FieldsSeq(k.sections) {
			if definitions[section] == nil {
				definitions[section] = object{"type": "object", "additionalProperties": false, "properties": object{}}
				if keys := required()[section]; keys != nil {
					definitions[section].(object)["required"] = keys
				}
			}
			value := shapeSchema(k.shape)
			if text := descriptions[section+"."+k.name]; text != "" {
				value["description"] = text
			}
			definitions[section].(object)["properties"].(object)[k.name] = value
		}
	}
	top := definitions["inventory"].(object)
	delete(definitions, "inventory")
	top["$schema"], top["$id"], top["title"], top["$defs"] = "https://json-schema.org/draft/2020-12/schema", schemaURL, "The inventory of kis", definitions
	return top
}

// shapeSchema is the schema of a shape.
func shapeSchema(shape string) object {
	inner := strings.Trim(shape, "[]{}<>")
	if one, other, found := strings.Cut(shape, " or "); found {
		return object{"oneOf": []any{shapeSchema(one), shapeSchema(other)}}
	}
	switch {
	case shape == "text":
		return object{"type": "string", "minLength": 1}
	case shape == "number":
		return object{"type": "integer", "minimum": 1}
	case shape == "flag":
		return object{"type": "boolean"}
	case shape == "scalar":
		return object{"type": []string{"string", "number", "boolean"}}
	case shape == "[text]":
		return object{"type": "array", "minItems": 1, "items": shapeSchema("text")}
	case strings.HasPrefix(shape, "["):
		return object{"type": "array", "minItems": 1, "items": shapeSchema("text or {" + inner + "}")}
	case shape == "<scalar>":
		return object{"type": "object", "additionalProperties": shapeSchema("scalar")}
	case shape == "<host>": // a host without settings has no value
		return object{"type": "object", "additionalProperties": object{"oneOf": []any{shapeSchema("{host}"), object{"type": "null"}}}}
	case strings.HasPrefix(shape, "<"):
		return object{"type": "object", "additionalProperties": shapeSchema("{" + inner + "}")}
	case strings.HasPrefix(shape, "{"):
		return object{"$ref": "#/$defs/" + inner}
	}
	return object{"enum": strings.Split(shape, "|")}
}

// descriptions are the comments of the example file by section and key.
func descriptions(t *testing.T) map[string]string {
	t.Helper()
	src, err := os.ReadFile(exampleFile)
	require.NoError(t, err)
	var document yaml.Node
	require.NoError(t, yaml.Unmarshal(disabled.ReplaceAll(src, []byte("$1$2")), &document))
	found := map[string]string{ // which the example cannot set beside the others
		"inventory.ansible": "An Ansible inventory whose hosts and groups the stages can name: a file in INI or YAML, or a directory. Relative to this file. Default: none.",
		"inventory.dynamic": "A command of this machine that prints such hosts as JSON, as ansible-inventory --list does. kis asks before it runs it the first time. Default: none.",
		"ansible.inventory": "The file or directory.",
		"ansible.encrypted": "What becomes of files of variables that ansible-vault has encrypted: refuse, or skip. Default: refuse.",
	}
	describe(document.Content[0], "inventory", found)
	return found
}

func describe(n *yaml.Node, section string, found map[string]string) {
	shapes := map[string]string{}
	for _, k := range schema() {
		for s := range strings.FieldsSeq(k.sections) {
			if s == section {
				shapes[k.name] = k.shape
			}
		}
	}
	for i := 0; n.Kind == yaml.MappingNode && i+1 < len(n.Content); i += 2 {
		key, value := n.Content[i], n.Content[i+1]
		if text := comment(key.HeadComment); text != "" && found[section+"."+key.Value] == "" {
			found[section+"."+key.Value] = text
		}
		shape := shapes[key.Value]
		inner := strings.Trim(shape, "[]{}<>")
		switch {
		case strings.HasPrefix(shape, "{"):
			describe(value, inner, found)
		case strings.HasPrefix(shape, "<"):
			for j := 1; j < len(value.Content); j += 2 {
				describe(value.Content[j], inner, found)
			}
		case strings.HasPrefix(shape, "["):
			for _, item := range value.Content {
				describe(item, inner, found)
			}
		}
	}
}

// comment is the last paragraph of a comment, in one line.
func comment(text string) string {
	if at := strings.LastIndex(text, "\n\n"); at >= 0 {
		text = text[at+2:]
	}
	return strings.Join(strings.Fields(regexp.MustCompile(`(?m)^ *# ?`).ReplaceAllString(text, " ")), " ")
}

func TestJSONSchema(t *testing.T) {
	t.Parallel()
	var want bytes.Buffer
	encoder := json.NewEncoder(&want)
	encoder.SetEscapeHTML(false)
	encoder.SetIndent("", "  ")
	require.NoError(t, encoder.Encode(jsonSchema(descriptions(t))))
	if *updateSchema {
		require.NoError(t, os.WriteFile(schemaFile, want.Bytes(), 0o644))
	}
	published, err := os.ReadFile(schemaFile)
	require.NoError(t, err)
	assert.Equal(t, want.String(), string(published), "to write it: go test ./inventory -run TestJSONSchema -update")
}

// published compiles the schema as an editor does.
func published(t *testing.T) *jsonschema.Schema {
	t.Helper()
	s, err := jsonschema.NewCompiler().Compile(schemaFile)
	require.NoError(t, err)
	return s
}

// validate checks a text as an editor does.
func validate(t *testing.T, s *jsonschema.Schema, src string) error {
	t.Helper()
	var value any
	require.NoError(t, yaml.Unmarshal([]byte(strings.TrimPrefix(src, "\ufeff")), &value))
	text, err := json.Marshal(value)
	require.NoError(t, err)
	instance, err := jsonschema.UnmarshalJSON(bytes.NewReader(text))
	require.NoError(t, err)
	return s.Validate(instance)
}

func TestTheExampleFitsTheJSONSchema(t *testing.T) {
	t.Parallel()
	src, err := os.ReadFile(exampleFile)
	require.NoError(t, err)
	s := published(t)
	require.NoError(t, validate(t, s, string(src)))
	require.NoError(t, validate(t, s, disabled.ReplaceAllString(string(src), "$1$2")))
	assert.Contains(t, string(src), "# yaml-language-server: $schema="+schemaURL+"\n")
	for _, k := range schema() {
		for section := range strings.FieldsSeq(k.sections) {
			if at := s; section == "inventory" {
				assert.Contains(t, at.Properties, k.name)
			}
		}
	}
}

// TestTheJSONSchemaRefusesWhatTheParserRefuses: unknown keys in every section, missing keys and
// wrong types.
func TestTheJSONSchemaRefusesWhatTheParserRefuses(t *testing.T) {
	t.Parallel()
	s := published(t)
	const stage = "stages: {s: {hosts: [a]}}\n"
	require.NoError(t, validate(t, s, stage))
	for _, src := range []string{
		"stages: {s: {hosts: [a], x: 1}}", "x: 1\n" + stage, "hosts: {a: {x: 1}}\n" + stage, "groups: {g: {hosts: [a], x: 1}}\n" + stage, "ssh: {x: 1}\n" + stage,
		"install: {x: 1}\n" + stage, "shared: {x: 1}\n" + stage, "webhook: {url: 'https://h', x: 1}\n" + stage, "verify: [{run: a, x: 1}]\n" + stage,
		"stages: {s: {hosts: [a], health: {url: 'http://h', x: 1}}}", "stages: {s: {hosts: [a], rollout: {x: 1}}}", "stages: {s: {hosts: [a], services: [{unit: a.service, x: 1}]}}",
		"ansible: {inventory: a, x: 1}\n" + stage, "root: /srv", "stages: {s: {}}", "verify: [{once: true}]\n" + stage,
		"build: make\n" + stage, "keep: many\n" + stage, "keep: 0\n" + stage, "root: 1\n" + stage, "verify: a\n" + stage, "verify: []\n" + stage,
		"stages: {s: {hosts: [a], confirm: 'true'}}", "stages: {s: {hosts: a}}", "hosts: {a: {vars: {x: [1]}}}\n" + stage,
	} {
		require.Error(t, validate(t, s, src), src)
		_, err := Parse("inventory.yaml", []byte(src), nil)
		require.Error(t, err, src)
	}
}
