package requirements

import (
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strings"
)

// marker is an expression of environment markers: a comparison, or and/or over others.
type marker struct {
	operator    string    // and, or; of a comparison: ==, in, …
	operands    []*marker // of and, or
	left, right operand   // of a comparison
}

// operand is a variable, or a text with its quotation marks.
type operand string

func (o operand) isText() bool {
	return strings.HasPrefix(string(o), `"`) || strings.HasPrefix(string(o), "'")
}

// text is the operand without quotation marks.
func (o operand) text() string { return strings.Trim(string(o), `"'`) }

// markerToken is what a marker consists of.
var markerToken = regexp.MustCompile(`^(?:\(|\)|'[^']*'|"[^"]*"|===|==|~=|!=|<=|>=|<|>|[A-Za-z_][A-Za-z0-9_.]*)`)

// markerVariable is a variable of a marker, in its present and its older spelling. Lock files have
// two more.
var markerVariable = regexp.MustCompile(`^(?:python_version|python_full_version|os[._]name|sys[._]platform|platform_(?:release|system)|` +
	`platform[._](?:version|machine|python_implementation)|python_implementation|implementation_(?:name|version)|extras?|dependency_groups)$`)

var errMarkerEnd = errors.New("has a marker that ends too early")

// parseMarker reads a marker as packaging does.
func parseMarker(text string) (*marker, error) {
	p := &markerParser{}
	for rest := strings.TrimLeft(text, " \t"); rest != ""; rest = strings.TrimLeft(rest, " \t") {
		token := markerToken.FindString(rest)
		if token == "" {
			return nil, fmt.Errorf("has a marker that pip cannot read, at %q", rest)
		}
		p.tokens = append(p.tokens, token)
		rest = rest[len(token):]
	}
	m, err := p.or(0)
	if err != nil {
		return nil, err
	}
	if len(p.tokens) > 0 {
		return nil, fmt.Errorf("has a marker that pip cannot read, at %q", p.tokens[0])
	}
	return m, nil
}

// checkMarker refuses a marker that pip on a host does not read.
func checkMarker(text string) error {
	m, err := parseMarker(text)
	if err == nil && (m.uses("extras") || m.uses("dependency_groups")) {
		err = errors.New("has a marker with extras or dependency_groups, which only lock files have")
	}
	return err
}

// uses reports whether a variable is in the marker.
func (m *marker) uses(variable operand) bool {
	return m.left == variable || m.right == variable || slices.ContainsFunc(m.operands, func(o *marker) bool { return o.uses(variable) })
}

type markerParser struct{ tokens []string }

// maxNesting is more than any marker needs.
const maxNesting = 50

func (p *markerParser) next() string {
	token := p.peek()
	p.tokens = p.tokens[min(1, len(p.tokens)):]
	return token
}

func (p *markerParser) peek() string {
	if len(p.tokens) == 0 {
		return ""
	}
	return p.tokens[0]
}

func (p *markerParser) or(depth int) (*marker, error) {
	return p.list("or", depth, func() (*marker, error) { return p.list("and", depth, func() (*marker, error) { return p.atom(depth) }) })
}

// list reads operands with one operator between them.
func (p *markerParser) list(operator string, depth int, operand func() (*marker, error)) (*marker, error) {
	if depth > maxNesting {
		return nil, errors.New("has a marker with too many parentheses")
	}
	first, err := operand()
	if err != nil || p.peek() != operator {
		return first, err
	}
	all := &marker{operator: operator, operands: []*marker{first}}
	for p.peek() == operator {
		p.next()
		more, err := operand()
		if err != nil {
			return nil, err
		}
		all.operands = append(all.operands, more)
	}
	return all, nil
}

func (p *markerParser) atom(depth int) (*marker, error) {
	if p.peek() == "(" {
		p.next()
		inner, err := p.or(depth + 1)
		if err == nil && p.next() != ")" {
			err = errMarkerEnd
		}
		return inner, err
	}
	m := &marker{}
	var err error
	if m.left, err = p.operand(); err != nil {
		return nil, err
	}
	switch operator := p.next(); operator {
	case "not":
		if p.next() != "in" {
			return nil, errors.New("has a marker with not, which needs in behind it")
		}
		m.operator = "not in"
	case "in", "===", "==", "~=", "!=", "<=", ">=", "<", ">":
		m.operator = operator
	case "":
		return nil, errMarkerEnd
	default:
		return nil, fmt.Errorf("has a marker with %q where a comparison is expected", operator)
	}
	m.right, err = p.operand()
	return m, err
}

func (p *markerParser) operand() (operand, error) {
	switch o := operand(p.next()); {
	case o == "":
		return "", errMarkerEnd
	case o.isText() && !strings.Contains(string(o), `\`), markerVariable.MatchString(string(o)):
		return o, nil
	default:
		return "", fmt.Errorf("has a marker with %s, which is neither a variable of markers nor a text", o)
	}
}

// String writes the marker as pip reads it.
func (m *marker) String() string {
	if len(m.operands) == 0 {
		return fmt.Sprintf("%s %s %s", m.left, m.operator, m.right)
	}
	var parts []string
	for _, o := range m.operands {
		if len(o.operands) > 0 {
			parts = append(parts, "("+o.String()+")")
		} else {
			parts = append(parts, o.String())
		}
	}
	return strings.Join(parts, " "+m.operator+" ")
}

// selection is what of a lock file is installed.
type selection struct{ extras, groups []string }

// resolve evaluates the parts of a marker that only lock files have, `"name" in extras` and `"name"
// in dependency_groups`, which pip on a host does not know. It returns the rest, nil if that is
// always true; or false.
func (m *marker) resolve(s selection) (rest *marker, possible bool, err error) {
	if m == nil {
		return nil, true, nil
	}
	if len(m.operands) == 0 {
		return m.resolveComparison(s)
	}
	all := &marker{operator: m.operator}
	for _, o := range m.operands {
		rest, possible, err := o.resolve(s)
		switch {
		case err != nil:
			return nil, false, err
		case m.operator == "and" && !possible:
			return nil, false, nil
		case m.operator == "or" && possible && rest == nil:
			return nil, true, nil
		case possible && rest != nil:
			all.operands = append(all.operands, rest)
		}
	}
	switch {
	case len(all.operands) == 0:
		return nil, m.operator == "and", nil
	case len(all.operands) == 1:
		return all.operands[0], true, nil
	}
	return all, true, nil
}

func (m *marker) resolveComparison(s selection) (rest *marker, possible bool, err error) {
	var names []string
	switch m.right {
	case "extras":
		names = s.extras
	case "dependency_groups":
		names = s.groups
	default:
		if m.left == "extras" || m.left == "dependency_groups" {
			return nil, false, fmt.Errorf("has a marker with %s in a place where it has no meaning", m.left)
		}
		return m, true, nil
	}
	if !m.left.isText() || m.operator != "in" && m.operator != "not in" {
		return nil, false, fmt.Errorf(`has a marker with %s that is not "name" in %s`, m.right, m.right)
	}
	in := slices.Contains(normalized(names), canonical(m.left.text()))
	return nil, in == (m.operator == "in"), nil
}
