package crash

import (
	"bytes"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/keep-it-simple/kis/internal/hosttest"
	"github.com/keep-it-simple/kis/internal/oracle"
	"github.com/keep-it-simple/kis/internal/site"
)

// mostMemory is what kis may take, whatever hosts send.
const mostMemory = 100 << 20

// flood is shell text that prints so much without ending the line, 3 GiB with -everything.
func flood() string {
	size := 64 << 20
	if *everything {
		size = 3 << 30
	}
	return "head -c " + strconv.Itoa(size) + " /dev/zero | tr '\\000' x"
}

// TestKisStaysSmallWhateverAHostPrints: a host that prints gigabytes without a line end. A build prints by a command of `verify`: what a build
// backend prints is collected by pip first, on the host.
func TestKisStaysSmallWhateverAHostPrints(t *testing.T) {
	t.Parallel()
	// The race detector multiplies memory, so this kis is built without.
	binary := filepath.Join(t.TempDir(), "kis")
	hosttest.Run(t, "go", "build", "-o", binary, "github.com/keep-it-simple/kis/cmd/kis")
	w := site.New(t, 1, hosttest.Options{})
	for _, c := range []struct {
		name, inventory, bashrc string
		exits                   []int
	}{
		{"in a command after the switch", "stages:\n  staging: {hosts: [web1], after_link: [\"" + doubled(flood()) + "\"]}\n", "", []int{0}},
		{"while a package is built", site.InventoryText(w.Hosts, "verify: [\""+doubled(flood())+"\"]\n"), "", []int{0}},
		{"before the greeting", site.InventoryText(w.Hosts, ""), flood(), []int{0, 3}}, // whether it has printed all before it is given up depends on the machine
	} {
		t.Run(c.name, func(t *testing.T) {
			in := w.In(t)
			in.Inventory(c.inventory)
			in.Version("1." + strconv.Itoa(len(c.name)))
			if c.bashrc != "" {
				require.NoError(t, os.WriteFile(filepath.Join(in.Hosts[0].Home, ".bashrc"), []byte(c.bashrc+"\n"), 0o644))
			}
			watch := oracle.Start(t, in.Stage, in.OracleHosts()...)
			cmd := in.Command(t.Context(), "push", "staging", "-v", "--sdist", in.Archive())
			cmd.Path, cmd.Args[0] = binary, binary
			var screen bytes.Buffer
			cmd.Stdout, cmd.Stderr = &screen, &screen
			most := measured(t, cmd)
			t.Logf("exit %d, %d MiB at most, %d bytes on the screen", cmd.ProcessState.ExitCode(), most>>20, screen.Len())
			assert.Contains(t, c.exits, cmd.ProcessState.ExitCode(), "%.2000s", screen.String())
			assert.Less(t, most, mostMemory)
			assert.Less(t, screen.Len(), 2<<20)
			watch.Check(oracle.Expect{Exit: cmd.ProcessState.ExitCode(), To: "hello-1." + strconv.Itoa(len(c.name)), Within: lease})
		})
	}
}

// doubled is shell text as a string of YAML in double quotes has it.
func doubled(text string) string {
	return regexp.MustCompile(`\\`).ReplaceAllString(text, `\\\\`)
}

// measured runs a command and returns the most memory that it has had (VmHWM of proc(5)), in bytes.
func measured(t *testing.T, cmd *exec.Cmd) int {
	t.Helper()
	require.NoError(t, cmd.Start())
	ended := make(chan struct{})
	go func() { // ends with the command, which is waited for below
		defer close(ended)
		_ = cmd.Wait() // the status is looked at by the caller
	}()
	ticker := time.NewTicker(5 * time.Millisecond)
	defer ticker.Stop()
	most, line := 0, regexp.MustCompile(`VmHWM:\s+(\d+) kB`)
	for {
		select {
		case <-ended:
			require.NotZero(t, most)
			return most
		case <-ticker.C:
			text, _ := os.ReadFile(filepath.Join("/proc", strconv.Itoa(cmd.Process.Pid), "status")) // gone at the end
			if found := line.FindSubmatch(text); found != nil {
				kilobytes, err := strconv.Atoi(string(found[1]))
				require.NoError(t, err)
				most = max(most, kilobytes<<10)
			}
		}
	}
}
