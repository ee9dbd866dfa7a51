package inventory

import (
	"fmt"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
)

// fill repeats item until the file is almost as large as allowed.
func fill(before string, item func(i int) string, after string) string {
	var b strings.Builder
	b.WriteString(before)
	for i := 0; b.Len() < maxSize-len(after)-100; i++ {
		b.WriteString(item(i))
	}
	b.WriteString(after)
	return b.String()
}

// repeat repeats item n times.
func repeat(before string, n int, item func(i int) string, after string) string {
	var b strings.Builder
	b.WriteString(before)
	for i := range n {
		b.WriteString(item(i))
	}
	b.WriteString(after)
	return b.String()
}

func TestExpansionIsBounded(t *testing.T) {
	t.Parallel()
	const (
		marks = "more than 50000 lines, commas, colons and brackets; this is not an inventory"
		hosts = "more than 10000 hosts; split the inventory"
	)
	for _, tt := range []struct{ name, src, want string }{
		{"commas", fill("{", func(int) string { return "a," }, "}"), marks},
		{"lines", fill("", func(int) string { return "-\n" }, ""), marks},
		{"question marks", fill("", func(int) string { return "? " }, ""), marks},
		{"ranges", repeat("stages: {s: {hosts: [", 10_000, func(i int) string { return fmt.Sprintf("'w%d[1:1000]',", i) }, "]}}"), hosts},
		{"aliases of aliases", repeat("a0: &a0 [x]\n", 50, func(i int) string {
			return fmt.Sprintf("a%d: &a%d [*a%d, *a%d, *a%d]\n", i+1, i+1, i, i, i)
		}, "verify: *a50\n"+ok), "1:5: anchors and aliases"},
		{"stages", repeat("stages:\n", 1001, func(i int) string { return fmt.Sprintf("  s%d: {hosts: [a]}\n", i) }, ""), "more than 1000 names; split the inventory"},
		{"groups", repeat(ok+"groups:\n", 1001, func(i int) string { return fmt.Sprintf("  g%d: {hosts: [a]}\n", i) }, ""), "more than 1000 names; split the inventory"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			_, err := Parse("i", []byte(tt.src), nil)
			if assert.Error(t, err) {
				assert.Contains(t, err.Error(), tt.want)
				assert.Less(t, len(err.Error()), 200_000)
			}
		})
	}
}

func TestLargeFleetsFit(t *testing.T) {
	t.Parallel()
	inv := accepted(t, repeat("stages: {s: {hosts: [all_hosts]}}\ngroups: {all_hosts: {hosts: ['w[1:1000]', 'x[1:1000]', 'y[1:1000]']}}\nhosts:\n", 3000,
		func(i int) string { return fmt.Sprintf("  h%d: {address: 192.0.2.1, ssh: {port: 2222}}\n", i) }, ""))
	assert.Len(t, inv.HostNames(), 6000)
}
