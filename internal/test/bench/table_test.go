//go:build bench

package bench

import (
	"fmt"
	"os"
	"slices"
	"strings"
	"testing"
	"text/tabwriter"

	"github.com/stretchr/testify/require"
)

// table collects what the contenders of one test need, a row for each job, and prints medians.
type table struct {
	t          *testing.T
	contenders []contender
	rows       []*row
	round      int
}

type row struct {
	job    string               // with the unit
	values map[string][]float64 // by the contender's name
	ratio  float64              // kis is to need at most this part of what a job by hand needs, or 0
	limit  float64              // kis is to need at most this, or 0
}

// newTable is a table for kis, for the job by hand, and for the rivals that are given.
func newTable(t *testing.T, rivals []contender) *table {
	return &table{t: t, contenders: slices.Concat([]contender{kis(), byHand()}, rivals)}
}

// each calls f for every contender, in another order in every round. A rival that fails is reported
// and left out from then on.
func (b *table) each(f func(c contender) error) {
	b.t.Helper()
	n := len(b.contenders)
	b.round++
	var failed []string
	for i := range n {
		c := b.contenders[(i+b.round)%n]
		err := f(c)
		if c.name == "kis" || c.name == "hand" {
			require.NoError(b.t, err, c.name)
		}
		if err != nil {
			fmt.Printf("%s has failed, and is not counted: %v\n", c.name, err)
			failed = append(failed, c.name)
		}
	}
	b.contenders = slices.DeleteFunc(b.contenders, func(c contender) bool { return slices.Contains(failed, c.name) })
}

// row is the row of a job, made when it is asked for first.
func (b *table) row(unit, format string, args ...any) *row {
	job := fmt.Sprintf(format, args...) + ", " + unit
	for _, r := range b.rows {
		if r.job == job {
			return r
		}
	}
	r := &row{job: job, values: map[string][]float64{}}
	b.rows = append(b.rows, r)
	return r
}

func (r *row) add(c contender, value float64) *row {
	r.values[c.name] = append(r.values[c.name], value)
	return r
}

// print prints medians and, in parentheses, what kis needs divided by that.
func (b *table) print() {
	b.t.Helper()
	var text strings.Builder
	text.WriteString("\n")
	for _, c := range b.contenders {
		text.WriteString("\t" + c.title())
	}
	text.WriteString("\t\n")
	for _, r := range b.rows {
		text.WriteString(r.job)
		for _, c := range b.contenders {
			text.WriteString("\t" + r.cell(c))
		}
		text.WriteString("\t" + r.target() + "\n")
	}
	w := tabwriter.NewWriter(os.Stdout, 0, 0, 3, ' ', 0)
	_, err := w.Write([]byte(text.String()))
	require.NoError(b.t, err)
	require.NoError(b.t, w.Flush())
}

func (r *row) cell(c contender) string {
	if len(r.values[c.name]) == 0 {
		return "-"
	}
	value := median(r.values[c.name])
	if c.name == "kis" {
		return fmt.Sprintf("%.2f", value)
	}
	return fmt.Sprintf("%.2f (%.2f)", value, median(r.values["kis"])/value)
}

// target is what kis is to need, and whether it does.
func (r *row) target() string {
	need := median(r.values["kis"])
	switch {
	case r.limit > 0:
		return fmt.Sprintf("at most %.2f: %s", r.limit, verdict(need <= r.limit))
	case r.ratio > 0:
		return fmt.Sprintf("at most %.2f of by hand: %s", r.ratio, verdict(need <= r.ratio*median(r.values["hand"])))
	}
	return ""
}

func verdict(met bool) string {
	if met {
		return "met"
	}
	return "MISSED"
}

func median(all []float64) float64 {
	sorted := slices.Sorted(slices.Values(all))
	return sorted[len(sorted)/2]
}
