package name_test

import (
	"encoding"
	"encoding/json"
	"os/exec"
	"path"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/keep-it-simple/kis/internal/name"
)

// hostile is text that a path, a shell, a terminal or a careless pattern reads in another way.
func hostile() []string {
	return []string{
		"", ".", "..", "/", "-", "-rf", "~", "*", "a b", " a-1", "a-1 ", "a-1\n", "\na-1", "a-1\r", "a-1\t", "a-1\x00", "a-1;id", "a-1$(id)", "a-1`id`", "a-1'", `a-1"`, "a-1&",
		"a-1|cat", "a-1>x", "a-1<x", "a-1#", "a-1?", "a-1[x]", "a-1{x}", "a-1\\", "../a-1", "a-1/..", "a-1/", "a/b-1", "a-1\u202e", "a-1\u200b", "é-1", "a-１", "a-\xff", "a\u00851",
		"\u017f", "\u212a", "a\u017f", "a\u212a", "\u017fa", "\u212aa", "a\u017f-1", "a-1\u212a", "abcdefg\u017f", "abcdefg\u212a", "\u0130a", "a\u0131", "/a\u017f", "/a\n", "a\n",
	}
}

// kind is one type of names, for the tests that all must pass.
type kind struct {
	parse func(string) (encoding.TextMarshaler, error)
	into  func() encoding.TextUnmarshaler
	good  []string
	bad   []string
}

func of[T encoding.TextMarshaler](parse func(string) (T, error)) func(string) (encoding.TextMarshaler, error) {
	return func(text string) (encoding.TextMarshaler, error) { return parse(text) }
}

func kinds() map[string]kind {
	return map[string]kind{
		"package": {
			of(name.ParsePackage), func() encoding.TextUnmarshaler { return new(name.Package) },
			[]string{"a-1", "projecta-0.4", "my_project-1.0.post1", "a-1!2.0", "a-1.0+local.1", "a-1.0-1", "9-9", "a-" + strings.Repeat("1", 100), strings.Repeat("a", 198) + "-1"},
			[]string{
				"a", "a-", "-1", "A-1", "a__b-1", "_a-1", "a_-1", "a.b-1", "a--1", "a-.1", "a-1..2", "a-_1", "a-+1", "a-1.", "a-1-", "a-1+", ".kis", "/a-1",
				"a-" + strings.Repeat("1", 101), strings.Repeat("a", 199) + "-1", strings.Repeat("a", 1000) + "-1",
			},
		},
		"stage": {
			of(name.ParseStage), func() encoding.TextUnmarshaler { return new(name.Stage) },
			[]string{"a", "staging", "production_2", "s" + strings.Repeat("x", 31)},
			[]string{"shared", "Staging", "1", "_a", "a-1", "a-b", "a.b", ".kis", "/a", "s" + strings.Repeat("x", 32), strings.Repeat("s", 1000)},
		},
		"run": {
			of(name.ParseRun), func() encoding.TextUnmarshaler { return new(name.Run) },
			[]string{"00000000", "abcdefghijklmnopqrstuvwxyz", strings.Repeat("0", 64), name.NewRun().String()},
			[]string{"short", "UPPER000", "abcdefg_", "abcd-efgh", "/abcdefgh", strings.Repeat("x", 65), strings.Repeat("x", 1000)},
		},
		"user": {
			of(name.ParseUser), func() encoding.TextUnmarshaler { return new(name.User) },
			[]string{"app", "_apt", "www-data", "Ann.Smith-2", "A", "u" + strings.Repeat("x", 31)},
			[]string{".app", "-u", "app$", "#0", "1000", "user@realm", `DOM\user`, "/app", "u" + strings.Repeat("x", 32), strings.Repeat("u", 1000)},
		},
		"interpreter": {
			of(name.ParseInterpreter), func() encoding.TextUnmarshaler { return new(name.Interpreter) },
			[]string{"python3", "python3.12", "/usr/bin/python3", "/opt/py+x/bin/python", "pypy3.10-v7", "_python", "/a/-b/..c"},
			[]string{"bin/python3", "./python3", "//usr/bin/python3", "/usr/bin/", "/usr/../bin/python3", "/.", "/..", "~/python3", "+x", ".python"},
		},
	}
}

func TestNamesAreThemselvesOrNothing(t *testing.T) {
	t.Parallel()
	for what, k := range kinds() {
		for _, good := range k.good {
			n, err := k.parse(good)
			require.NoError(t, err, "%s %q", what, good)
			text, err := json.Marshal(n)
			require.NoError(t, err)
			assert.Equal(t, `"`+good+`"`, string(text))
			back := k.into()
			require.NoError(t, json.Unmarshal(text, back))
			again, err := json.Marshal(back)
			require.NoError(t, err)
			assert.Equal(t, string(text), string(again))
		}
		for _, text := range append(hostile(), k.bad...) {
			n, err := k.parse(text)
			require.Error(t, err, "%s %q", what, text)
			assert.Zero(t, n, "%s %q", what, text)
			assert.Less(t, len(err.Error()), 400)
			assert.Regexp(t, `^"[ -~]*"…? [ -~…]*$`, err.Error(), "nothing that a terminal would obey, and no letter that only looks like another")
			if text != "" {
				require.Error(t, k.into().UnmarshalText([]byte(text)), "%s %q", what, text)
			}
		}
		none := k.into()
		require.NoError(t, none.UnmarshalText(nil))
		assert.Equal(t, k.into(), none)
		text, err := none.(encoding.TextMarshaler).MarshalText()
		require.NoError(t, err)
		assert.Empty(t, text)
	}
}

// A value that was there before must not survive a text that is none.
func TestUnmarshalReplacesOrRefuses(t *testing.T) {
	t.Parallel()
	p, err := name.ParsePackage("a-1")
	require.NoError(t, err)
	require.Error(t, p.UnmarshalText([]byte("../x")))
	assert.Equal(t, "a-1", p.String())
	require.NoError(t, p.UnmarshalText(nil))
	assert.True(t, p.IsZero())
}

func TestVersionIsWhatFollowsTheFirstHyphen(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]string{"a-1": "1", "my_app-1.0-1": "1.0-1", "a-1!2.0+x": "1!2.0+x"} {
		p, err := name.ParsePackage(text)
		require.NoError(t, err)
		assert.Equal(t, want, p.Version())
	}
}

func TestPackageOfAProject(t *testing.T) {
	t.Parallel()
	for _, test := range []struct{ project, version, want string }{
		{"projecta", "0.4", "projecta-0.4"},
		{"Project.A-_b", "1.0+Local", "project_a_b-1.0+Local"},
		{"A", "1!2.0", "a-1!2.0"},
		{"9", "9", "9-9"},
	} {
		p, err := name.PackageOf(test.project, test.version)
		require.NoError(t, err)
		assert.Equal(t, test.want, p.String())
	}
	for _, test := range []struct{ project, version, says string }{
		{"", "1", "not a valid project name"},
		{"-a", "1", "not a valid project name"},
		{"a.", "1", "not a valid project name"},
		{"a b", "1", "not a valid project name"},
		{"a\n", "1", "not a valid project name"},
		{"pa\u017fte", "1", `"pa\u017fte"`}, // folds to s
		{"\u212ais", "1", `"\u212ais"`},     // folds to k
		{"ki\u017f", "1", `"ki\u017f"`},
		{"a", "", "not a canonical version"},
		{"a", "1..2", "not a canonical version"},
		{"a", "1.", "not a canonical version"},
		{"a", "1\u212a", "not a canonical version"},
		{"a", strings.Repeat("1", 101), "not a canonical version"},
		{strings.Repeat("a", 198), "0.4", "longer than 200 bytes"},
	} {
		p, err := name.PackageOf(test.project, test.version)
		require.ErrorContains(t, err, test.says, "%q %q", test.project, test.version)
		assert.True(t, p.IsZero())
	}
}

// Stages and packages are entries of one directory, beside .kis.
func TestStagesCanNeverBePackages(t *testing.T) {
	t.Parallel()
	for _, k := range kinds() {
		for _, text := range append(append(hostile(), k.good...), k.bad...) {
			_, stage := name.ParseStage(text)
			_, pkg := name.ParsePackage(text)
			assert.False(t, stage == nil && pkg == nil, "%q", text)
		}
	}
}

func TestNewRunsAreRunsAndDiffer(t *testing.T) {
	t.Parallel()
	first, second := name.NewRun(), name.NewRun()
	assert.NotEqual(t, first, second)
	parsed, err := name.ParseRun(first.String())
	require.NoError(t, err)
	assert.Equal(t, first, parsed)
	assert.False(t, first.IsZero())
}

func TestHosts(t *testing.T) {
	t.Parallel()
	for text := range strings.FieldsSeq("web1 1 _x a.b.c. A-b_c 192.0.2.1 fe80::1%eth0 2001:db8::ffff 0::1 xn--bcher-kva") {
		h, err := name.ParseHost(text)
		require.NoError(t, err, text)
		assert.Equal(t, text, h.String())
	}
	for _, text := range append(hostile(), "-oProxyCommand=x", "u@h", "web1:22", "[::1]", "a%b", "192.0.2.1%eth0", ":", "\u017f.example", "\u212a.example", strings.Repeat("a", 254)) {
		if text == "a-1" || text == ".." || text == "." {
			continue
		}
		_, err := name.ParseHost(text)
		assert.Error(t, err, "%q", text)
	}
}

func TestFingerprints(t *testing.T) {
	t.Parallel()
	good := "SHA256:" + strings.Repeat("a", 42) + "+"
	f, err := name.ParseFingerprint(good)
	require.NoError(t, err)
	assert.Equal(t, good, f.String())
	for _, text := range append(hostile(), good[:49], good+"=", good+"\n", good[:49]+"\u017f", good[:49]+"\u212a", strings.ToLower(good), "MD5:"+good) {
		_, err := name.ParseFingerprint(text)
		assert.Error(t, err, "%q", text)
	}
}

func FuzzParsePackage(f *testing.F) {
	f.Add("projecta-0.4")
	f.Add("a-1!2.0+local.1")
	f.Add("../a-1")
	f.Add("a-1\n")
	f.Fuzz(func(t *testing.T, text string) {
		p, err := name.ParsePackage(text)
		if err != nil {
			return
		}
		survives(t, p.String(), text)
		if _, err := name.ParseStage(text); err == nil {
			t.Errorf("%q is a package and a stage", text)
		}
	})
}

func FuzzParseStage(f *testing.F) {
	f.Add("production")
	f.Add("a-b")
	f.Add(".kis")
	f.Fuzz(func(t *testing.T, text string) {
		s, err := name.ParseStage(text)
		if err == nil {
			survives(t, s.String(), text)
		}
	})
}

// A source distribution that is accepted has a package: nothing that Open lets through may fail
// later.
func FuzzPackageOf(f *testing.F) {
	f.Add("projecta", "0.4")
	f.Add("ki\u017f", "1")
	f.Add("A.-_b", "1!2+x")
	f.Fuzz(func(t *testing.T, project, version string) {
		p, err := name.PackageOf(project, version)
		if err != nil {
			return
		}
		again, err := name.ParsePackage(p.String())
		if err != nil || again != p || p.IsZero() || p.Version() != version {
			t.Errorf("%q %q: %q, %v", project, version, p, err)
		}
	})
}

// survives requires of an accepted name that it is itself as one element of a path and as one
// unquoted word of a shell.
func survives(t *testing.T, name, text string) {
	t.Helper()
	if name != text {
		t.Errorf("%q was accepted as %q", text, name)
	}
	if joined := path.Join("/r", name); joined != "/r/"+name || path.Dir(joined) != "/r" {
		t.Errorf("%q is no element of a path: %s", name, joined)
	}
	out, err := exec.CommandContext(t.Context(), "/bin/sh", "-c", "cd /; printf '%s|' "+name).Output()
	if err != nil || string(out) != name+"|" {
		t.Errorf("%q is %q to a shell (%v)", name, out, err)
	}
}
