package shellwords_test

import (
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/keep-it-simple/kis/internal/shellwords"
)

func TestWordsAreThoseOfShlex(t *testing.T) {
	t.Parallel()
	for text, want := range map[string][]string{
		`a b=c`:           {"a", "b=c"},
		`a b="c d" e='f'`: {"a", "b=c d", "e=f"},
		`a b=c#d e`:       {"a", "b=c"},
		`a b="c#d"`:       {"a", "b=c#d"},
		`a b=c\ d`:        {"a", "b=c d"},
		`a b="c\"d\e" ''`: {"a", `b=c"d\e`, ""},
		`# a`:             nil,
		"a\tb  # comment": {"a", "b"},
		"a#b\nc\r\nd":     {"a", "c", "d"},
	} {
		got, err := shellwords.Split(text, shellwords.Rules{Escapable: shellwords.Shlex, Comments: true})
		require.NoError(t, err, text)
		assert.Equal(t, want, got, text)
	}
	got, err := shellwords.Split("a#b # c", shellwords.Rules{Escapable: shellwords.Shlex})
	require.NoError(t, err)
	assert.Equal(t, []string{"a#b", "#", "c"}, got, "without comments")
}

func TestTextsThatEndWithinAWordAreRefused(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]string{
		`a 'b`:   "the quote ' is not closed",
		`a "b'`:  `the quote " is not closed`,
		`a "b\"`: `the quote " is not closed`,
		`a \`:    "a backslash at the end",
		`"\`:     "a backslash at the end",
	} {
		_, err := shellwords.Split(text, shellwords.Rules{Escapable: shellwords.Shlex})
		require.EqualError(t, err, want, text)
	}
}
