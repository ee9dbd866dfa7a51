package faults

import (
	"fmt"
	"regexp"
	"slices"
	"strings"
)

// Row is one fault: one line of a table of docs/faults.md with an id in its first column.
type Row struct {
	ID      string // a letter and a number
	Fault   string
	Promise string
	Tests   []Test // none: the last column says why
	Why     string // the text of the last column
}

// Test is a test as the matrix names it: the folder of its package below the module, and its name, with subtests as `go test -v` prints them.
type Test struct {
	Folder string
	Name   string
}

// String is the test as it stands in the matrix.
func (t Test) String() string { return t.Folder + "." + t.Name }

// Top is the name of the test function.
func (t Test) Top() string {
	top, _, _ := strings.Cut(t.Name, "/")
	return top
}

var (
	rowLine  = regexp.MustCompile(`^\| ([A-Z][0-9]+) \| (.*) \| (.*) \| (.*) \|$`)
	testName = regexp.MustCompile("`([a-z0-9/]+)\\.((?:Test|Fuzz)[^`]+)`")
)

// Parse reads the rows of the matrix in their order. It refuses an id that stands there twice, and a row with neither a test nor a reason.
func Parse(text string) ([]Row, error) {
	var rows []Row
	for number, line := range strings.Split(text, "\n") {
		found := rowLine.FindStringSubmatch(line)
		if found == nil {
			continue
		}
		r := Row{ID: found[1], Fault: found[2], Promise: found[3], Why: found[4]}
		if slices.ContainsFunc(rows, func(other Row) bool { return other.ID == r.ID }) {
			return nil, fmt.Errorf("line %d: %s stands there twice", number+1, r.ID)
		}
		for _, t := range testName.FindAllStringSubmatch(r.Why, -1) {
			r.Tests = append(r.Tests, Test{Folder: t[1], Name: t[2]})
		}
		if strings.TrimSpace(r.Why) == "" {
			return nil, fmt.Errorf("line %d: %s has neither a test nor a reason why there is none", number+1, r.ID)
		}
		rows = append(rows, r)
	}
	return rows, nil
}
