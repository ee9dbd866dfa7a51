// Package outputschema checks lines of -o json against docs/output.schema.json.
package outputschema

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/santhosh-tekuri/jsonschema/v6"
	"github.com/stretchr/testify/require"

	"github.com/keep-it-simple/kis/internal/testenv/docpage"
)

// Schema is the published schema.
type Schema struct{ lines map[string]*jsonschema.Schema } // by type

// Read reads the schema.
func Read(tb testing.TB) *Schema {
	tb.Helper()
	text, err := os.ReadFile(filepath.Join(docpage.Dir(tb), "output.schema.json"))
	require.NoError(tb, err)
	document, err := jsonschema.UnmarshalJSON(bytes.NewReader(text))
	require.NoError(tb, err)
	closed(document)
	compiler, s := jsonschema.NewCompiler(), &Schema{lines: map[string]*jsonschema.Schema{}}
	require.NoError(tb, compiler.AddResource("schema.json", document))
	defs, _ := document.(map[string]any)["$defs"].(map[string]any) //nolint:forcetypeassert // the compiler has taken it
	for name := range defs {
		if kind, ofLine := strings.CutPrefix(name, "line "); ofLine {
			s.lines[kind], err = compiler.Compile("schema.json#/$defs/line%20" + kind)
			require.NoError(tb, err)
		}
	}
	return s
}

// Check returns why a line of -o json is not as the schema says. Members that the schema lacks are wrong, too: programs
// ignore them, but whoever reads the schema does not find them.
func (s *Schema) Check(line []byte) error {
	value, err := jsonschema.UnmarshalJSON(bytes.NewReader(line))
	if err != nil {
		return err
	}
	object, ok := value.(map[string]any)
	if !ok {
		return fmt.Errorf("no object: %s", line)
	}
	of := s.lines[fmt.Sprint(object["type"])]
	if of == nil {
		return fmt.Errorf("the schema has no lines of type %q", object["type"])
	}
	return of.Validate(value)
}

// closed allows objects no members but those that are named.
func closed(schema any) {
	switch s := schema.(type) {
	case map[string]any:
		if _, object := s["properties"]; object && s["type"] == "object" {
			s["additionalProperties"] = false
		}
		for _, below := range s {
			closed(below)
		}
	case []any:
		for _, below := range s {
			closed(below)
		}
	}
}
