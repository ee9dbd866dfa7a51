package inventory

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"regexp"
	"strings"

	"go.yaml.in/yaml/v4"
	"go.yaml.in/yaml/v4/plugin/loaderlimits"
)

// maxDepth is more than the deepest key needs and far below what costs memory.
const maxDepth = 20

// kind is the kind of a node.
type kind int

const (
	scalar kind = iota
	sequence
	mapping
)

// node is a part of the file with its place. Only this file uses the YAML library, so that it can
// be replaced. The library's decoding into structs is not used, because it drops empty items, reads
// 0022 as 18 and reports no columns.
type node struct {
	kind      kind
	value     string  // of a scalar: the text, without quotes
	tag       string  // the tag in the file, or that YAML resolves a scalar to, such as !!int
	tagged    bool    // the file sets the tag
	plain     bool    // a scalar without quotes
	line, col int     // from 1; columns in characters
	items     []*node // of a sequence
	pairs     []pair  // of a mapping
}

// pair is one entry of a mapping.
type pair struct{ key, value *node }

// syntaxError is an error of the YAML library, or of kis about YAML that the library would accept.
type syntaxError struct {
	line, col int
	message   string
}

// parseYAML returns the only document of the text, or nil if there is none. It refuses anchors, and
// with them aliases, so that the tree is no larger than the text.
func parseYAML(src []byte) (*node, *syntaxError) {
	loader, err := yaml.NewLoader(bytes.NewReader(src), yaml.WithPlugin(loaderlimits.New(loaderlimits.DepthValue(maxDepth))))
	if err != nil {
		return nil, explain(err, src)
	}
	var document, second yaml.Node
	if err := loader.Load(&document); errors.Is(err, io.EOF) {
		return nil, nil
	} else if err != nil {
		return nil, explain(err, src)
	}
	switch err := loader.Load(&second); {
	case err == nil:
		return nil, &syntaxError{second.Line, second.Column, "a second document begins here; an inventory is one document, remove the ---"}
	case !errors.Is(err, io.EOF):
		return nil, explain(err, src)
	}
	if len(document.Content) == 0 {
		return nil, nil
	}
	return convert(document.Content[0])
}

// convert copies a node. The first anchor or alias is an error.
func convert(y *yaml.Node) (*node, *syntaxError) {
	if y.Anchor != "" || y.Kind == yaml.AliasNode {
		return nil, &syntaxError{y.Line, y.Column, "anchors and aliases (&name, *name) are not supported; " +
			"write the value at each place, or put what hosts have in common into a group"}
	}
	n := &node{value: y.Value, tag: y.ShortTag(), line: y.Line, col: y.Column, tagged: y.Style&yaml.TaggedStyle != 0}
	parts := make([]*node, 0, len(y.Content))
	for _, part := range y.Content {
		converted, bad := convert(part)
		if bad != nil {
			return nil, bad
		}
		parts = append(parts, converted)
	}
	switch y.Kind {
	case yaml.SequenceNode:
		n.kind, n.items = sequence, parts
	case yaml.MappingNode:
		n.kind = mapping
		for i := 0; i+1 < len(parts); i += 2 {
			n.pairs = append(n.pairs, pair{parts[i], parts[i+1]})
		}
	default:
		quoted := yaml.DoubleQuotedStyle | yaml.SingleQuotedStyle | yaml.LiteralStyle | yaml.FoldedStyle
		n.plain = y.Style&quoted == 0
	}
	return n, nil
}

// tabIndent is a line that begins with a tab, perhaps after spaces.
var tabIndent = regexp.MustCompile(`^ *\t`)

// explain translates the library's errors about common mistakes, and returns its own text for
// others.
func explain(err error, src []byte) *syntaxError {
	var load *yaml.LoadError
	if !errors.As(err, &load) {
		return &syntaxError{1, 1, "not YAML: " + mask(err.Error())}
	}
	c := &syntaxError{max(load.Mark.Line, 1), max(load.Mark.Column, 1), "not YAML: " + mask(load.Message)}
	context := load.ContextMark
	if load.ContextMsg != "" {
		c.message += " " + load.ContextMsg
	}
	if context.Line > 0 && (context.Line < c.line || reserved(src, context.Line, context.Column) != "") {
		c.line, c.col = context.Line, context.Column // the place where the bracket, quote or tag opens
	}
	if text := lineAt(src, c.line); tabIndent.MatchString(text) {
		return &syntaxError{c.line, strings.IndexByte(text, '\t') + 1, "a tab; YAML is indented with spaces"}
	}
	if mark := reserved(src, c.line, c.col); mark != "" {
		c.message = fmt.Sprintf(`put quotes around what begins with %s, as in "%sweb": YAML reserves the character`, mark, mark)
	}
	return c
}

// reserved returns the character at a place if a value can begin with it only inside quotes.
func reserved(src []byte, line, col int) string {
	text := []rune(lineAt(src, line))
	if col > len(text) || !strings.ContainsRune("@`%*!", text[col-1]) || (text[col-1] == '%' && col == 1) {
		return "" // % at the beginning of a line is a directive, such as %YAML
	}
	return string(text[col-1])
}

// lineAt returns a line of the text, counted from 1, without its end; "" beyond the last.
func lineAt(src []byte, line int) string {
	for range line - 1 {
		_, rest, more := bytes.Cut(src, []byte("\n"))
		if !more {
			return ""
		}
		src = rest
	}
	first, _, _ := bytes.Cut(src, []byte("\n"))
	return strings.TrimSuffix(string(first), "\r")
}
