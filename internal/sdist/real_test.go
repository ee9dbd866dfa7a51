//go:build unix

package sdist

import (
	"maps"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// realArchives are what tools and sites put into harmless archives, as members beside the least ones.
// TestTarsUnpackRealArchives unpacks them with the tars of hosts.
func realArchives() map[string][]member {
	// As Python's tarfile fills the field where a pax record has the whole name
	truncated := func(name string) member {
		return member{name: name[:100], typeflag: '0', mode: 0o644, data: "y", pax: map[string]string{"path": name}}
	}
	name := func(end string) string { return in(strings.Repeat("n", 100-len(in(""))-2) + end) }
	sized := func(m member, size string) member {
		m.pax = map[string]string{"path": m.name, "size": size}
		return m
	}
	mode := func(m member, mode int64) member { m.mode = mode; return m }
	return map[string][]member{
		"sizes in pax records, as uv_build writes them": {
			sized(file(in("x"), "yy"), "2"), sized(file(in("empty"), ""), "0"), sized(dir(in("d/")), "0"),
		},
		"a project below a set-group-id directory":    {mode(dir(in("src")), 0o2755), mode(file(in("src/x"), "y"), 0o664)},
		"a sticky directory":                          {mode(dir(in("tmp")), 0o1777), mode(file(in("tmp/x"), "y"), 0o1644)},
		"names as `tar ./projecta-0.4` writes them":   {dir("./"), dir("./projecta-0.4/"), file("./"+in("a/./b//x"), "y")},
		"directories and equal files twice":           {dir(in("d/")), dir(in("d")), file(in("d/x"), "y"), file(in("d/x"), "y"), file("./"+in("PKG-INFO"), pkgInfo)},
		"a name that is cut before its last dot":      {truncated(name("/.github/workflow.yml"))},
		"a name that is cut within a character":       {truncated(name("xé.txt"))},
		"a directory's name that is cut at its slash": {truncated(name("x/y"))},
		"backslashes": {file(in(`dev-disk-by\x2dlabel.device`), "y")},
	}
}

func TestOpenAcceptsWhatRealArchivesContain(t *testing.T) {
	t.Parallel()
	for name, members := range realArchives() {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			_, err := openMembers(t, sample(members...)...)
			require.NoError(t, err)
		})
	}
}

// What is written again without a member is accepted again, and is otherwise the same.
func TestRealArchivesAreWrittenWithoutAMember(t *testing.T) {
	t.Parallel()
	for name, members := range realArchives() {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			want := mustOpen(t, sample(members...)...)
			with := mustOpen(t, sample(append(members, file("./"+in("inventory.yaml"), "z"))...)...)
			path := filepath.Join(t.TempDir(), "projecta-0.4.tar.gz")
			require.NoError(t, with.WriteWithout("inventory.yaml", path))
			got, err := Open(path)
			require.NoError(t, err)
			assert.Equal(t, want.Content, got.Content)
			require.NoError(t, got.Close())
		})
	}
}

// Spelling does not count, as all tars unpack the same.
func TestContentIgnoresTheSpellingOfNames(t *testing.T) {
	t.Parallel()
	want := mustOpen(t, sample(dir(in("d/")), file(in("d/x"), "y"))...)
	got := mustOpen(t, dir("./"), dir("./projecta-0.4"), file(".//projecta-0.4/./PKG-INFO", pkgInfo), dir(in("d//")), file(in("d/./x"), "y"), file(in("d/x"), "y"))
	assert.Equal(t, want.Content, got.Content)
	assert.Equal(t, want.Top, got.Top)
	_, found := got.Find("d/x")
	assert.True(t, found)
}

func TestTarsUnpackRealArchives(t *testing.T) {
	t.Parallel()
	c := newComparison(t)
	for i, name := range slices.Sorted(maps.Keys(realArchives())) {
		members := sample(realArchives()[name]...)
		path := write(t, gzipped(t, tarOf(members...)))
		a, err := Open(path)
		require.NoError(t, err, name)
		require.NoError(t, a.Close())
		c.unpack(t, i, path, a, name, !needsPax(members))
	}
	c.compare(t)
}
