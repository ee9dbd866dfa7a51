package sdist

import (
	"crypto/sha256"
	"encoding/hex"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestContentDigestMatchesDocumentation(t *testing.T) {
	t.Parallel()
	script := member{name: in("run it.sh"), typeflag: '0', mode: 0o700, data: "abc"}
	a := mustOpen(t, sample(script, dir(in("empty/")), link(in("ü"), "run it.sh"))...)
	lines := strings.Join([]string{
		"f 0644 81 " + hexSHA256(pkgInfo) + " PKG-INFO\n",
		"d 0755 0 - empty\n",
		"f 0755 3 " + hexSHA256("abc") + " run%20it.sh\n",
		"l 0777 0 run%20it.sh %C3%BC\n",
	}, "")
	require.Len(t, pkgInfo, 81)
	assert.Equal(t, "sha256:"+hexSHA256(lines), a.Content)
}

func TestContentIgnoresWhatUnpackingIgnores(t *testing.T) {
	t.Parallel()
	members := sample(dir(in("src/")), file(in("src/a.py"), "pass\n"), link(in("b.py"), "src/a.py"), dir(in("empty/")))
	want := mustOpen(t, members...).Content
	change := func(i int, edit func(*member)) []member {
		changed := slices.Clone(members)
		edit(&changed[i])
		return changed
	}
	reversed := slices.Clone(members)
	slices.Reverse(reversed)
	tests := map[string][]member{
		"order":                reversed,
		"implied directories":  {members[1], members[3], members[4], members[5]},
		"umask of files":       change(3, func(m *member) { m.mode = 0o600 }),
		"umask of directories": change(2, func(m *member) { m.mode = 0o700 }),
		"mode of links":        change(4, func(m *member) { m.mode = 0 }),
		"top-level spelling": func() []member {
			renamed := slices.Clone(members)
			for i := range renamed {
				renamed[i].name = strings.Replace(renamed[i].name, "projecta", "projectA", 1)
			}
			return renamed
		}(),
		"times in pax":  change(3, func(m *member) { m.pax = map[string]string{"mtime": "12345.678"} }),
		"long name":     change(3, func(m *member) { m.long, m.name = m.name, "x" }),
		"global header": append([]member{{name: "g", typeflag: 'g', data: paxData(map[string]string{"comment": "c"})}}, members...),
	}
	for name, changed := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			assert.Equal(t, want, mustOpen(t, changed...).Content)
		})
	}
}

func TestContentChangesWithTheTree(t *testing.T) {
	t.Parallel()
	members := sample(dir(in("src/")), file(in("src/a.py"), "pass\n"), link(in("b.py"), "src/a.py"), dir(in("empty/")))
	change := func(i int, edit func(*member)) []member {
		changed := slices.Clone(members)
		edit(&changed[i])
		return changed
	}
	tests := map[string][]member{
		"same":               members,
		"bytes":              change(3, func(m *member) { m.data = "Pass\n" }),
		"executable":         change(3, func(m *member) { m.mode = 0o755 }),
		"path":               change(3, func(m *member) { m.name = in("src/c.py") }),
		"target":             change(4, func(m *member) { m.link = "src" }),
		"file for link":      change(4, func(m *member) { *m = file(m.name, "src/a.py") }),
		"file for directory": change(5, func(m *member) { *m = file(in("empty"), "") }),
		"no empty directory": members[:5],
		"more":               append(slices.Clone(members), file(in("z"), "")),
		"path fakes a line":  change(3, func(m *member) { m.name = in("src/a.py f 0644 0 x y") }),
	}
	seen := map[string]string{}
	for name, changed := range tests {
		content := mustOpen(t, changed...).Content
		assert.Empty(t, seen[content], "%s has the same digest", name)
		seen[content] = name
	}
}

func TestOpenWarns(t *testing.T) {
	t.Parallel()
	const key = "-----BEGIN OPENSSH PRIVATE KEY-----\nx"
	tests := map[string]struct {
		member member
		want   string
	}{
		"environment file":    {file(in(".env"), "A=1"), ".env: is a file that usually holds secrets"},
		"environment variant": {file(in("conf/.env.production"), "A=1"), "conf/.env.production: is a file that usually holds secrets"},
		"environment sample":  {file(in(".env.example"), "A="), ""},
		"key by name":         {file(in("deploy/id_ed25519"), "x"), "deploy/id_ed25519: is a file that usually holds secrets"},
		"public key":          {file(in("deploy/id_ed25519.pub"), "x"), ""},
		"key by content":      {file(in("tests/server.pem"), key), "tests/server.pem: contains a private key"},
		"certificate":         {file(in("cacert.pem"), "-----BEGIN CERTIFICATE-----\nx"), ""},
		"cloud credentials":   {file(in(".aws/credentials"), "x"), ".aws/credentials: is a file that usually holds secrets"},
		"repository":          {file(in("sub/.git/config"), "x"), "sub/.git: is the data of a version control system, with all its history"},
		"ignore file":         {file(in(".gitignore"), "x"), ""},
		"strange name":        {file(in("my key.p12"), "x"), `"my key.p12": is a file that usually holds secrets`},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			warnings := mustOpen(t, sample(test.member)...).Warnings
			if test.want == "" {
				assert.Empty(t, warnings)
				return
			}
			require.Len(t, warnings, 1)
			assert.Contains(t, warnings[0], test.want)
		})
	}
}

func TestOpenAcceptsNamesInPaxHeaders(t *testing.T) {
	t.Parallel()
	a := mustOpen(t, sample(
		member{name: in("caf?"), typeflag: '0', mode: 0o644, pax: map[string]string{"path": in("café")}},
		member{name: in("x"), typeflag: '2', link: "caf?", pax: map[string]string{"linkpath": "café"}},
		member{name: in("y"), typeflag: '0', mode: 0o644, pax: map[string]string{"path": in("y"), "mtime": "1.5"}}, // says the same
		member{name: "cut", typeflag: '0', mode: 0o644, long: in(strings.Repeat("n", 120))},                        // busybox reads these
	)...)
	assert.Equal(t, 6, a.Files)
	assert.Empty(t, a.Warnings)
}

func TestOpenWarnsOncePerRepository(t *testing.T) {
	t.Parallel()
	a := mustOpen(t, sample(file(in(".git/HEAD"), "x"), file(in(".git/config"), "x"), file(in(".git/hooks/.env"), "x"))...)
	assert.Len(t, a.Warnings, 1)
}

func TestOpenBoundsItsWarnings(t *testing.T) {
	t.Parallel()
	members := sample()
	for i := range 30 {
		members = append(members, file(in(strings.Repeat("d/", i+1)+".env"), "x"))
	}
	a := mustOpen(t, members...)
	require.Len(t, a.Warnings, maxWarnings+1)
	assert.Equal(t, "25 more files of these kinds", a.Warnings[maxWarnings])
}

func hexSHA256(s string) string {
	sum := sha256.Sum256([]byte(s))
	return hex.EncodeToString(sum[:])
}
