package dynamic

import (
	"context"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestCommandsAreSplitAsInAShell(t *testing.T) {
	t.Parallel()
	for text, want := range map[string][]string{
		"ansible-inventory -i hosts.ini --list": {"ansible-inventory", "-i", "hosts.ini", "--list"},
		"  a\t b\nc ":                           {"a", "b", "c"},
		`a 'b c' "d e" f\ g`:                    {"a", "b c", "d e", "f g"},
		`a '' "" x''y`:                          {"a", "", "", "xy"},
		`a "b\"c\d" 'e\f' '$x|y'`:               {"a", `b"c\d`, `e\f`, "$x|y"},
		`env A=b c~d e#f`:                       {"env", "A=b", "c~d", "e#f"},
	} {
		words, err := split(text)
		require.NoError(t, err, text)
		assert.Equal(t, want, words, text)
	}
	for text, want := range map[string]string{
		"a | b": `'|' has a meaning for a shell`, "a $(b)": `'$' has a meaning`, `a "$b"`: `'$' has a meaning`, "a > b": `'>' has`,
		"a *": `'*' has`, "a; b": `';' has`, "a ~/b": `'~' has`, "a # b": `'#' has`, "a 'b": "the quote ' is not closed",
		`a \`: "a backslash at the end", "''": "names no program", " ": "names no program", "A=b c": "begins with a variable; write env",
	} {
		_, err := split(text)
		require.ErrorContains(t, err, want, text)
	}
}

// command is a command in a directory with a program of that text.
func command(t *testing.T, script, text string) Command {
	t.Helper()
	dir := t.TempDir()
	require.NoError(t, os.WriteFile(filepath.Join(dir, "hosts"), []byte("#!/bin/sh\n"+script), 0o755))
	c, err := Parse(dir, text)
	require.NoError(t, err)
	return c
}

func TestTheCommandRunsInTheDirectory(t *testing.T) {
	t.Parallel()
	c := command(t, `printf '%s|' "$PWD" "$@"; cat; echo noise >&2`, "./hosts 'a b' '$HOME'")
	out, err := c.Run(t.Context())
	require.NoError(t, err)
	assert.Equal(t, c.Dir()+"|a b|$HOME|", string(out))
}

func TestFailedCommandsSayWhy(t *testing.T) {
	t.Parallel()
	_, err := command(t, "echo first >&2; echo 'no credentials' >&2; exit 3", "./hosts").Run(t.Context())
	var failed *Error
	require.ErrorAs(t, err, &failed)
	require.EqualError(t, err, "./hosts: exit status 3")
	assert.Equal(t, []string{"first", "no credentials"}, failed.Tail())

	_, err = command(t, "", "kis-has-no-such-program --list").Run(t.Context())
	require.EqualError(t, err, `kis-has-no-such-program --list: there is no program "kis-has-no-such-program" in PATH`)
	_, err = command(t, "", "./gone").Run(t.Context())
	require.ErrorIs(t, err, os.ErrNotExist)
	_, err = command(t, "exec sleep 60", "./hosts").run(t.Context(), 50*time.Millisecond)
	require.EqualError(t, err, "./hosts: did not finish in 50 ms")
	_, err = command(t, "exec head -c 70000000 /dev/zero", "./hosts").Run(t.Context())
	require.EqualError(t, err, "./hosts: printed more than 64 MiB")

	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	_, err = command(t, "exec sleep 60", "./hosts").Run(ctx)
	require.ErrorIs(t, err, context.Canceled)
}

func TestAllowedCommandsAreRemembered(t *testing.T) {
	t.Parallel()
	allowed := Allowed(filepath.Join(t.TempDir(), "dynamic"))
	c, err := Parse("/srv/shop", "./hosts --list")
	require.NoError(t, err)
	has := func(dir, text string) bool {
		other, err := Parse(dir, text)
		require.NoError(t, err)
		some, err := allowed.Has(other)
		require.NoError(t, err)
		return some
	}
	assert.False(t, has("/srv/shop", "./hosts --list"))
	require.NoError(t, allowed.Add(c))
	assert.True(t, has("/srv/shop", "./hosts --list"))
	assert.False(t, has("/srv/shop", "./hosts --list x"), "another command")
	assert.False(t, has("/srv/blog", "./hosts --list"), "another directory")
}
