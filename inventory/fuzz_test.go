package inventory

import (
	"os"
	"slices"
	"testing"
	"time"
	"unicode"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// FuzzParse checks that no text makes the parser panic or use much memory, that what it accepts is
// safe to use, and that its errors are safe to print.
func FuzzParse(f *testing.F) {
	example, err := os.ReadFile("../inventory.example.yaml")
	require.NoError(f, err)
	f.Add(example, "web*")
	for _, src := range []string{
		fleet, ok, "", "\xff", "&a [*a]", "stages: &a {s: {hosts: *a}}", "a: b\n---\nc: d", "groups: {a: {hosts: [b]}, b: {hosts: [a]}}",
		"stages: {s: {hosts: ['w[1:1000]', '!w[01:02]', '@g', \"[::1]\", 0022, no]}}\nssh: {port: 0022}",
		"install: {index_url: 'https://u:p@h'}\nroot: |\n  /x\n", "hosts:\n\ta: 1", "{? a, ? b: {<<: *c}}",
	} {
		f.Add([]byte(src), "!a,b[1:2],@c,*")
	}
	f.Fuzz(func(t *testing.T, src []byte, pattern string) {
		inv, err := Parse("i", src, nil)
		if err != nil {
			requireSafeErrors(t, err)
			return
		}
		requireSafeValues(t, inv, pattern)
	})
}

func requireSafeErrors(t *testing.T, err error) {
	t.Helper()
	var all Errors
	require.ErrorAs(t, err, &all)
	require.NotEmpty(t, all)
	require.LessOrEqual(t, len(all), maxErrors)
	for _, e := range all {
		require.Positive(t, e.Line)
		require.Positive(t, e.Column)
		require.LessOrEqual(t, len([]rune(e.Source)), excerptWidth*len(`\U0010ffff`)+2)
		require.GreaterOrEqual(t, e.caret, 0)
		require.LessOrEqual(t, e.caret, len([]rune(e.Source)))
		for _, text := range []string{e.Message, e.Source, e.Path} {
			for _, r := range text {
				require.True(t, unicode.IsPrint(r), "%q in %q", r, text)
			}
		}
	}
}

func requireSafeValues(t *testing.T, inv *Inventory, pattern string) {
	t.Helper()
	hosts, err := inv.Hosts("")
	if len(hosts) == 0 {
		require.Error(t, err)
	}
	require.LessOrEqual(t, len(hosts), maxHosts)
	for _, h := range hosts {
		require.Regexp(t, `^[A-Za-z0-9_][A-Za-z0-9._:%-]*$`, h.Name)
		require.Regexp(t, `^([A-Za-z0-9_][A-Za-z0-9._:%-]*)?$`, h.Address)
		require.Regexp(t, `^/[A-Za-z0-9._/+-]{1,98}$`, h.Root)
		require.Regexp(t, `^[A-Za-z0-9_/][A-Za-z0-9._/+-]*$`, h.Python.String())
		require.Regexp(t, `^([A-Za-z_][A-Za-z0-9._-]*)?$`, h.Become.String())
		require.LessOrEqual(t, h.SSH.Port, 65535)
		require.GreaterOrEqual(t, h.SSH.Port, 0)
		require.NotNil(t, h.Vars)
	}
	for _, name := range inv.StageNames() {
		require.Regexp(t, `^[a-z][a-z0-9_]{0,31}$`, name)
		all, err := inv.Select(name, "")
		require.NoError(t, err)
		require.NotEmpty(t, all)
		if some, err := inv.Select(name, pattern); err == nil {
			assert.Subset(t, names(all), names(some))
		}
		s, err := inv.Stage(name)
		require.NoError(t, err)
		for _, command := range slices.Concat(inv.Prepare(), inv.Verify(), s.Verify, s.BeforeLink, s.AfterLink) {
			require.NotEmpty(t, command.Run)
			require.NotContains(t, command.Run, "\x00")
			require.GreaterOrEqual(t, command.Timeout, time.Duration(0))
		}
		require.LessOrEqual(t, 1, s.Batch.Of(len(all)))
	}
}
