package ui

import (
	"bytes"
	"encoding"
	"encoding/json"
	"go/ast"
	"go/parser"
	"go/token"
	"maps"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/keep-it-simple/kis/internal/event"
	"github.com/keep-it-simple/kis/internal/survey"
	"github.com/keep-it-simple/kis/internal/testenv/outputschema"
)

// TestOutputSchema: docs/output.schema.json describes what -o json prints. It is made of the types that are
// printed; that what is printed has these types is checked wherever a test reads it (outputschema.Check).
func TestOutputSchema(t *testing.T) {
	t.Parallel()
	made := schemaOf(t)
	if *update {
		require.NoError(t, os.WriteFile("../../docs/output.schema.json", made, 0o644))
	}
	published, err := os.ReadFile("../../docs/output.schema.json")
	require.NoError(t, err)
	assert.Equal(t, string(made), string(published), "go test ./internal/ui -run TestOutputSchema -update")
}

// TestOutputSchemaOfRecordedRuns: the streams of real runs, and lines that are wrong.
func TestOutputSchemaOfRecordedRuns(t *testing.T) {
	t.Parallel()
	schema := outputschema.Read(t)
	streams, err := filepath.Glob("testdata/*.jsonl")
	require.NoError(t, err)
	for _, path := range streams {
		recorded, err := os.ReadFile(path)
		require.NoError(t, err)
		for line := range bytes.Lines(recorded) {
			require.NoError(t, schema.Check(line), path)
		}
	}
	for _, wrong := range []string{
		`{"type":"file","schema":2,"file":{"path":7}}`, `{"type":"file","schema":2,"file":{"path":"a","more":1}}`, `{"type":"file","schema":2}`,
		`{"type":"never"}`, `{}`, `{"type":"file","schema":2,"file":{"path":"a"}} x`,
	} {
		require.Error(t, schema.Check([]byte(wrong)), wrong)
	}
}

// schemaOf makes the schema: a definition for each type of line, and one for each type inside.
func schemaOf(t *testing.T) []byte {
	t.Helper()
	g := generator{t: t, defs: map[string]any{}, comments: commentsOf(t)}
	var lines []any
	for kind, members := range map[event.Type][2][]string{ // required, optional
		event.TypeStart:    {{"op", "stage", "hosts"}, {"package"}},
		event.TypeStep:     {{"host", "step", "state"}, {"seconds", "message", "failure"}},
		event.TypeOutput:   {{"host", "message"}, {"step"}},
		event.TypeCommand:  {{"host", "step", "state", "message"}, nil},
		event.TypeProgress: {{"host", "step"}, {"done", "total", "message"}},
		event.TypeNotice:   {{"message"}, {"host"}},
		event.TypeBarrier:  {{"state"}, {"links"}},
		event.TypeReport:   {{"report"}, nil},
	} {
		lines = append(lines, g.event(kind, members[0], members[1]))
	}
	for kind, value := range map[string]any{
		"status": survey.Stage{}, "package": survey.Package{}, "run": survey.Run{}, "diff": event.Difference{}, "exec": event.Ran{},
		"verify": event.Intact{}, "init": newInventory{}, "file": written{},
	} {
		lines = append(lines, g.line(kind, map[string]any{kind: g.schema(reflect.TypeOf(value))}, []string{kind}))
	}
	for kind, value := range map[string]any{
		"sdist": sdistRecord{}, "error": errorRecord{}, "cleanup": cleanupRecord{}, "lock": lockRecord{}, "host": hostRecord{}, "version": versionRecord{},
	} {
		properties, required := g.members(reflect.TypeOf(value))
		lines = append(lines, g.line(kind, properties, required))
	}
	slices.SortFunc(lines, func(a, b any) int { return strings.Compare(ref(a), ref(b)) })
	text, err := json.MarshalIndent(map[string]any{
		"$schema": "https://json-schema.org/draft/2020-12/schema", "title": "A line of kis -o json", "oneOf": lines, "$defs": g.defs,
		"description": "Within a schema number, types and members are only ever added: ignore what you do not know.",
	}, "", "  ")
	require.NoError(t, err)
	return append(text, '\n')
}

func ref(schema any) string { return schema.(map[string]any)["$ref"].(string) } //nolint:forcetypeassert // of lines

// generator makes schemas of Go types.
type generator struct {
	t        *testing.T
	defs     map[string]any
	comments map[string]string // of fields, by package.Type.Field
}

// event is a line of a run, with the members that its type has. Some are printed outside of runs, too.
func (g *generator) event(kind event.Type, required, optional []string) any {
	all, _ := g.members(reflect.TypeFor[event.Event]())
	properties := map[string]any{}
	for _, name := range slices.Concat([]string{"seq", "time", "run"}, required, optional) {
		require.Contains(g.t, all, name)
		properties[name] = all[name]
	}
	return g.line(string(kind), properties, required)
}

// line defines a type of line.
func (g *generator) line(kind string, properties map[string]any, required []string) any {
	properties["type"] = map[string]any{"const": kind}
	required = append([]string{"type"}, slices.DeleteFunc(required, func(name string) bool { return name == "type" })...)
	if _, ofRun := properties["seq"]; !ofRun {
		properties["schema"] = map[string]any{"type": "integer"}
		required = append(required, "schema")
	}
	slices.Sort(required)
	name := "line " + kind
	g.defs[name] = map[string]any{"type": "object", "properties": properties, "required": slices.Compact(required)}
	return map[string]any{"$ref": "#/$defs/" + strings.ReplaceAll(name, " ", "%20")}
}

// members are those of a struct, and of what it embeds; required are those that are always there.
func (g *generator) members(of reflect.Type) (properties map[string]any, required []string) {
	properties = map[string]any{}
	for f := range of.Fields() {
		if f.Anonymous {
			more, always := g.members(f.Type)
			maps.Copy(properties, more)
			required = append(required, always...)
			continue
		}
		name, options, _ := strings.Cut(f.Tag.Get("json"), ",")
		if name == "-" || !f.IsExported() {
			continue
		}
		require.NotEmpty(g.t, name, "%s.%s has no name in JSON", of, f.Name)
		schema := g.schema(f.Type)
		comment := g.comments[of.String()+"."+f.Name]
		if strings.Contains(comment, "null:") {
			schema = map[string]any{"anyOf": []any{schema, map[string]any{"type": "null"}}}
		}
		if comment != "" {
			schema["description"] = comment
		}
		properties[name] = schema
		if !strings.Contains(options, "omit") {
			required = append(required, name)
		}
	}
	return properties, required
}

func (g *generator) schema(of reflect.Type) map[string]any {
	text := reflect.TypeFor[encoding.TextMarshaler]()
	switch {
	case of == reflect.TypeFor[time.Time]():
		return map[string]any{"type": "string", "format": "date-time"}
	case of.Implements(text), of.Kind() == reflect.String:
		return map[string]any{"type": "string"}
	case of.Kind() == reflect.Pointer:
		return g.schema(of.Elem())
	case of.Kind() == reflect.Bool:
		return map[string]any{"type": "boolean"}
	case of.Kind() == reflect.Float64:
		return map[string]any{"type": "number"}
	case of.Kind() == reflect.Int, of.Kind() == reflect.Int64:
		return map[string]any{"type": "integer"}
	case of.Kind() == reflect.Slice:
		return map[string]any{"type": "array", "items": g.schema(of.Elem())}
	case of.Kind() == reflect.Map:
		return map[string]any{"type": "object", "additionalProperties": g.schema(of.Elem())}
	case of == reflect.TypeFor[survey.Advice](): // see its MarshalJSON
		return map[string]any{
			"type": "object", "required": []string{"command", "why"},
			"properties": map[string]any{"command": map[string]any{"type": "string"}, "why": map[string]any{"type": "string"}},
		}
	case of.Kind() == reflect.Struct:
		return g.define(of)
	}
	require.Failf(g.t, "no schema", "for %s", of)
	return nil
}

// define defines a struct once.
func (g *generator) define(of reflect.Type) map[string]any {
	name := strings.TrimPrefix(of.String(), "ui.")
	if _, done := g.defs[name]; !done {
		g.defs[name] = nil // in case it contains itself
		properties, required := g.members(of)
		slices.Sort(required)
		g.defs[name] = map[string]any{"type": "object", "properties": properties, "required": append([]string{}, required...)}
	}
	return map[string]any{"$ref": "#/$defs/" + name}
}

// commentsOf are the comments of the fields of all structs that are printed.
func commentsOf(t *testing.T) map[string]string {
	t.Helper()
	comments := map[string]string{}
	for _, dir := range []string{".", "../event", "../survey", "../starter", "../../remote", "../../sshx/config"} {
		files, err := filepath.Glob(dir + "/*.go")
		require.NoError(t, err)
		require.NotEmpty(t, files)
		for _, path := range files {
			file, err := parser.ParseFile(token.NewFileSet(), path, nil, parser.ParseComments)
			require.NoError(t, err)
			ast.Inspect(file, func(n ast.Node) bool {
				spec, ok := n.(*ast.TypeSpec)
				if !ok {
					return true
				}
				if of, ok := spec.Type.(*ast.StructType); ok {
					for _, f := range of.Fields.List {
						text := strings.Join(strings.Fields(f.Doc.Text()+" "+f.Comment.Text()), " ")
						for _, name := range f.Names {
							comments[file.Name.Name+"."+spec.Name.Name+"."+name.Name] = text
						}
					}
				}
				return true
			})
		}
	}
	return comments
}
