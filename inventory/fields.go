package inventory

import (
	"cmp"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
)

// field is a value of the file that has not been converted yet. A field that the file does not have
// has no node, and every method then returns the zero value. Errors are collected in the reader.
type field struct {
	r    *reader
	n    *node
	path string // for messages
}

// fail adds an error at the place of the field.
func (f field) fail(format string, args ...any) {
	f.r.failAt(f.n.line, f.n.col, f.path, fmt.Sprintf(format, args...))
}

// set reports whether the file has this field.
func (f field) set() bool { return f.n != nil }

// kindName names the kind of the value for a message.
func (f field) kindName() string {
	switch {
	case f.n.kind == sequence:
		return "a list"
	case f.n.kind == mapping:
		return "a mapping"
	case f.n.tag == "!!bool" || f.looksBool():
		return "true or false"
	case f.n.tag == "!!int" || f.n.tag == "!!float":
		return "a number"
	case f.n.tag == "!!timestamp":
		return "a date"
	}
	return "text"
}

// looksBool reports words that are text in YAML 1.2 but true or false in YAML 1.1, which Ansible
// and most editors use.
func (f field) looksBool() bool {
	return f.n.plain && slices.Contains([]string{"yes", "no", "on", "off"}, strings.ToLower(f.n.value))
}

// is checks the kind and refuses tags, which have no meaning in an inventory. Once the reader has
// enough errors it is false for everything, which ends the reading.
func (f field) is(want kind, wanted string) bool {
	switch {
	case f.r.full():
	case f.n.tagged && strings.HasPrefix(f.n.tag, "!") && !strings.HasPrefix(f.n.tag, "!!") && f.n.kind == scalar && f.n.value == "":
		f.fail(`put quotes around it, as in "%s": YAML takes a bare ! for a tag`, f.n.tag)
	case f.n.tagged:
		f.fail("the tag %s is not supported; remove it, or put quotes around the whole value", quote(f.n.tag))
	case f.n.kind == scalar && f.n.tag == "!!null":
		f.fail("is empty; want %s, or remove it", wanted)
	case f.n.kind != want:
		f.fail("want %s, got %s", wanted, f.kindName())
	default:
		return true
	}
	return false
}

// text reads a string. Numbers and the like need quotes, because YAML readers differ in what 1.10
// or no means.
func (f field) text(check func(string) error) string {
	if !f.set() || !f.is(scalar, "text") {
		return ""
	}
	switch {
	case f.n.plain && (f.n.tag != "!!str" || f.looksBool()):
		f.fail("want text, got %s; put quotes around it: %q", f.kindName(), f.n.value)
	case strings.TrimSpace(f.n.value) == "":
		f.fail("is empty; give it a value or remove it")
	default:
		if err := check(f.n.value); err != nil {
			f.fail("%s", err)
			return ""
		}
		return f.n.value
	}
	return ""
}

// parsed reads a string as a value of a type of package name; the zero value for a field that is
// absent or wrong.
func parsed[T any](f field, parse func(string) (T, error)) T {
	var value T
	f.text(func(text string) (err error) {
		value, err = parseName(parse, text)
		return err
	})
	return value
}

// number reads a whole number in decimal.
func (f field) number(low, high int) int {
	wanted := fmt.Sprintf("a whole number from %d to %d", low, high)
	if !f.set() || !f.is(scalar, wanted) {
		return 0
	}
	v := f.n.value
	digits := v != "" && strings.Trim(v, "0123456789") == ""
	switch n, err := strconv.Atoi(v); {
	case digits && !f.n.plain:
		f.fail("want %s, got text; remove the quotes", wanted)
	case digits && len(v) > 1 && v[0] == '0':
		f.fail("%s begins with 0, which some programs read as octal; write it without", quote(v))
	case !digits:
		f.fail("want %s, got %s", wanted, quote(v))
	case err != nil || n < low || n > high:
		f.fail("%s is not between %d and %d", quote(v), low, high)
	default:
		return n
	}
	return 0
}

// flag reads true or false.
func (f field) flag() bool {
	if !f.set() || !f.is(scalar, "true or false") {
		return false
	}
	if !f.n.plain || (f.n.value != "true" && f.n.value != "false") {
		f.fail("want true or false, got %s", quote(f.n.value))
		return false
	}
	return f.n.value == "true"
}

// list reads the items of a list that must not be empty.
func (f field) list(wanted string) []field {
	if !f.set() || !f.is(sequence, wanted) {
		return nil
	}
	if len(f.n.items) == 0 {
		f.fail("the list is empty; give it an item or remove it")
	}
	items := make([]field, 0, len(f.n.items))
	for _, n := range f.n.items {
		items = append(items, field{f.r, n, f.path})
	}
	return items
}

// texts reads a list of strings.
func (f field) texts(wanted string, check func(string) error) []string {
	var all []string
	for _, item := range f.list(wanted) {
		if text := item.text(check); text != "" {
			all = append(all, text)
		}
	}
	return all
}

// choice reads one of a few values. An absent field is the first of them.
func choice[T ~string](f field, values ...T) T {
	given := f.text(func(v string) error {
		if slices.Contains(values, T(v)) {
			return nil
		}
		valid := make([]string, 0, len(values))
		for _, value := range values {
			valid = append(valid, string(value))
		}
		return errors.New(unknown("value", v, valid))
	})
	return cmp.Or(T(given), values[0])
}
