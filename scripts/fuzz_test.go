package scripts_test

import (
	"os/exec"
	"testing"

	"github.com/stretchr/testify/require"
)

// Whatever files and commands say, the agent answers. More cases, or others: python3
// scripts/testdata/fuzz_agent.py SEED CASES.
func TestAgentAnswersWhateverFilesAndCommandsSay(t *testing.T) {
	t.Parallel()
	cases := "8"
	if thorough {
		cases = "100"
	}
	out, err := exec.CommandContext(t.Context(), python, "testdata/fuzz_agent.py", "1", cases).CombinedOutput()
	require.NoError(t, err, "%s", out)
	require.Contains(t, string(out), "seed 1: "+cases+" cases, 0 failures")
}
