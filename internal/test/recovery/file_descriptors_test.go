package recovery

import (
	"fmt"
	"os/exec"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/keep-it-simple/kis/internal/testenv"
	"github.com/keep-it-simple/kis/internal/testenv/hosttest"
	"github.com/keep-it-simple/kis/internal/testenv/oracle"
)

// TestFewFileDescriptors_K9: with too few descriptors for its hosts kis contacts none, and says what to do, unless they are so few
// that it cannot begin; with some more it works.
func TestFewFileDescriptors_K9(t *testing.T) {
	t.Parallel()
	w := testenv.New(t, 6, hosttest.Options{})
	archive := w.Archive()
	w.Run(0, "hello-0.3", "push", "staging", "--sdist", archive)
	w.Version("0.4")
	next := w.Archive()
	told, worked := 0, false
	for limit := 8; limit <= 64 && !worked; limit += 4 {
		watch := oracle.Start(t, w.Stage, w.OracleHosts()...)
		cmd := w.Command(t.Context(), "push", "staging", "--sdist", next)
		cmd.Args = append([]string{"prlimit", fmt.Sprintf("--nofile=%d:%d", limit, limit), cmd.Path}, cmd.Args[1:]...)
		path, err := exec.LookPath("prlimit")
		require.NoError(t, err)
		cmd.Path = path
		r := w.Wait(cmd)
		watch.Check(oracle.Expect{Exit: r.Exit, To: "hello-0.4"})
		require.Contains(t, []int{0, 2}, r.Exit, "with %d files", limit)
		worked = r.Exit == 0
		if strings.Contains(r.Screen(), "ulimit -n ") {
			told++
		}
	}
	assert.True(t, worked, "64 files are enough for 6 hosts")
	assert.Positive(t, told)
}
