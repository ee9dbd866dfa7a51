package main

import (
	"context"
	"errors"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/keep-it-simple/kis/internal/dynamic"
)

func TestTheUserIsAskedOnceForACommand(t *testing.T) {
	t.Parallel()
	allowed := dynamic.Allowed(filepath.Join(t.TempDir(), "dynamic"))
	c, err := dynamic.Parse("/srv/shop", "./cloud --list")
	require.NoError(t, err)
	asked := []string{}
	answering := func(answer string, err error) func(context.Context, string, bool) (string, error) {
		return func(_ context.Context, question string, _ bool) (string, error) {
			asked = append(asked, question)
			return answer, err
		}
	}
	for _, answer := range []string{"", "n", "ye"} {
		require.EqualError(t, allow(t.Context(), c, allowed, "", answering(answer, nil)), "the command of the inventory was not allowed to run")
	}
	gone := errors.New("no answer")
	require.ErrorIs(t, allow(t.Context(), c, allowed, "", answering("y", gone)), gone)
	require.NoError(t, allow(t.Context(), c, allowed, "", answering("y", nil)))
	require.NoError(t, allow(t.Context(), c, allowed, "", nil), "it is remembered")
	assert.Len(t, asked, 5)
	assert.Contains(t, asked[0], "./cloud --list (in /srv/shop)? [y/N]")
}
