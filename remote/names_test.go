package remote_test

import (
	"encoding/json"
	"os/exec"
	"path"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/keep-it-simple/kis/remote"
)

// odd is text that a path, a shell or a terminal reads in another way.
func odd() []string {
	return []string{
		"", ".", "..", "/", "-", "-rf", ".kis", "~", "*", "a b", " a-1", "a-1 ", "a-1\n", "\na-1", "a-1\r", "a-1\t", "a-1\x00", "a-1;id", "a-1$(id)", "a-1`id`", "a-1'", `a-1"`, "a-1&", "a-1|cat",
		"a-1>x", "a-1<x", "a-1#", "a-1?", "a-1[x]", "a-1{x}", "a-1\\", "../a-1", "a-1/..", "a-1/", "/a-1", "a/b-1", "a-1\u202e", "a-1\u200b", "é-1", "a-１", "a-\xff",
	}
}

func TestPackageNames(t *testing.T) {
	t.Parallel()
	for _, good := range []string{"a-1", "projecta-0.4", "my_project-1.0.post1", "a-1!2.0", "a-1.0+local.1", "a-1.0-1", "9-9", "a-" + strings.Repeat("1", 100)} {
		p, err := remote.ParsePackage(good)
		require.NoError(t, err, good)
		assert.Equal(t, good, p.String())
		assert.Equal(t, good, path.Base(path.Join("/var/webcode", p.String())))
		text, err := json.Marshal(p)
		require.NoError(t, err)
		var back remote.Package
		require.NoError(t, json.Unmarshal(text, &back))
		assert.Equal(t, p, back)
	}
	bad := append(odd(), "a", "a-", "-1", "A-1", "a__b-1", "_a-1", "a_-1", "a.b-1", "a--1", "a-.1", "a-1..2", "a-_1", "a-+1", "a-"+strings.Repeat("1", 101))
	for _, text := range bad {
		p, err := remote.ParsePackage(text)
		require.Error(t, err, "%q", text)
		assert.True(t, p.IsZero())
		assert.NotContains(t, err.Error(), "\x00")
		assert.NotContains(t, err.Error(), "\n")
	}
	var none remote.Package
	require.NoError(t, none.UnmarshalText(nil))
	require.True(t, none.IsZero())
	require.Error(t, none.UnmarshalText([]byte("../x")))
}

func TestVersionIsWhatFollowsTheFirstDash(t *testing.T) {
	t.Parallel()
	for name, want := range map[string]string{"a-1": "1", "my_app-1.0-1": "1.0-1", "a-1!2.0+x": "1!2.0+x"} {
		assert.Equal(t, want, pkg(t, name).Version())
	}
}

func TestStageNames(t *testing.T) {
	t.Parallel()
	for _, good := range []string{"a", "staging", "production_2", "s" + strings.Repeat("x", 31)} {
		s, err := remote.ParseStage(good)
		require.NoError(t, err, good)
		assert.Equal(t, good, s.String())
	}
	for _, text := range append(odd(), "Staging", "1", "_a", "a-1", "a-b", "a.b", "s"+strings.Repeat("x", 32)) {
		_, err := remote.ParseStage(text)
		assert.Error(t, err, "%q", text)
	}
}

func TestCommandIsMadeOfPlainWords(t *testing.T) {
	t.Parallel()
	for _, test := range []struct{ python, become, want string }{
		{"python3", "", "exec /bin/sh -s -- python3"},
		{"/opt/python3.12/bin/python3", "", "exec /bin/sh -s -- /opt/python3.12/bin/python3"},
		{"python3", "app", "exec /usr/bin/env LC_ALL=C /usr/bin/env sudo -n -H -u app -- /bin/sh -s -- python3"},
		{"python3", "Ann.Smith-2", "exec /usr/bin/env LC_ALL=C /usr/bin/env sudo -n -H -u Ann.Smith-2 -- /bin/sh -s -- python3"},
	} {
		got, err := remote.Command(test.python, test.become)
		require.NoError(t, err)
		assert.Equal(t, test.want, got)
	}
	for _, text := range odd() {
		if text == "." || text == ".." || text == ".kis" || text == "../a-1" || text == "/a-1" || text == "a/b-1" || text == "a-1/.." {
			continue // paths: to no interpreter, but harmless
		}
		_, err := remote.Command(text, "")
		require.ErrorIs(t, err, remote.ErrName, "%q", text)
	}
	for _, text := range append(odd(), ".app", "-u", "app$", "app;id", "#0", "1000") {
		if text == "" {
			continue // nobody else
		}
		_, err := remote.Command("python3", text)
		require.ErrorIs(t, err, remote.ErrName, "%q", text)
	}
}

// The agent looks at every name once more, because it is what turns them into paths.
func TestAgentRefusesNamesThatAreNone(t *testing.T) {
	t.Parallel()
	l := owner(t, repository(t))
	for _, run := range append(odd(), "short", "UPPER000", strings.Repeat("x", 65)) {
		_, err := l.Fence(t.Context(), l.stage, run)
		requireRefused(t, err, "bad-request")
	}
	_, err := l.Have(t.Context(), []string{"../locks/staging"})
	requireRefused(t, err, "bad-request")
	for _, root := range []string{"", "relative", "./x", "/nul\x00"} {
		requireRefused(t, opened(t, l.root).Open(t.Context(), root), "bad-request")
	}
}

func FuzzParsePackage(f *testing.F) {
	f.Add("projecta-0.4")
	f.Add("a-1!2.0+local.1")
	f.Add("../a-1")
	f.Add("a-1\n")
	f.Fuzz(func(t *testing.T, text string) {
		p, err := remote.ParsePackage(text)
		if err != nil {
			return
		}
		survives(t, p.String(), text)
		if _, err := remote.ParseStage(text); err == nil {
			t.Errorf("%q is a package and a stage", text)
		}
	})
}

func FuzzParseStage(f *testing.F) {
	f.Add("production")
	f.Add("a-b")
	f.Add(".kis")
	f.Fuzz(func(t *testing.T, text string) {
		s, err := remote.ParseStage(text)
		if err == nil {
			survives(t, s.String(), text)
		}
	})
}

// survives requires of an accepted name that it is itself as one element of a path and as one unquoted word of a shell.
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
