package remote_test

import (
	"errors"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/keep-it-simple/kis/internal/name"
	"github.com/keep-it-simple/kis/remote"
)

// TestVariablesOfCommandsAreChecked: the controller refuses names that are no variables of kis, for
// the two steps that have any.
func TestVariablesOfCommandsAreChecked(t *testing.T) {
	t.Parallel()
	agent := startLocal(t)
	pkg, err := name.ParsePackage("a-1")
	require.NoError(t, err)
	for variable, good := range map[string]bool{
		"KIS_STAGE": true, "KIS_VAR_RACK": true, "KIS_VAR_A_2": true, "KIS_VAR__X": true,
		"": false, "KIS_": false, "PATH": false, "LD_PRELOAD": false, "KIS_rack": false, "KIS_A=B": false, "KIS_A B": false, "XKIS_A": false, "KIS_A\n": false,
	} {
		c := remote.Commands{Package: pkg, Env: map[string]string{variable: "x"}}
		err := agent.Run(t.Context(), c, nil)
		assert.Equal(t, !good, errors.Is(err, remote.ErrVariable), "run: %q: %v", variable, err)
		err = agent.Command(t.Context(), name.Stage{}, name.Run{}, c, nil)
		assert.Equal(t, !good, errors.Is(err, remote.ErrVariable), "command: %q: %v", variable, err)
	}
}
