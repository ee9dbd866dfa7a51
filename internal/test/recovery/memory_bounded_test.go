package recovery

import (
	"bytes"
	"encoding/json"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/keep-it-simple/kis/internal/testenv"
	"github.com/keep-it-simple/kis/internal/testenv/hosttest"
	"github.com/keep-it-simple/kis/internal/testenv/oracle"
)

// mostMemory is what kis may take, whatever hosts send.
const mostMemory = 100 << 20

// flood is shell text that prints without ending the line, on standard output and on standard error at once: 32 MiB on standard error, and as
// many bytes on standard output as are wanted.
func flood(most int) string {
	const size = 32 << 20
	stream := func(n int) string { return "head -c " + strconv.Itoa(n) + " /dev/zero | tr '\\000' x" }
	return stream(size) + " >&2 & " + stream(most) + "; wait"
}

// prints is a build backend that prints 16 MiB of lines and then fails: pip, which has collected them on the host, prints them all. More is too
// much for pip: it takes 1.6 GiB for 64 MiB, and minutes.
const prints = `

def build_editable(*args):
    for _ in range(1 << 18):
        print('x' * 63)
    raise SystemExit(1)
`

// plain is a kis without the race detector, which multiplies memory, whatever the tests are built with.
func plain(t *testing.T) string {
	t.Helper()
	binary := filepath.Join(t.TempDir(), "kis")
	hosttest.Run(t, "go", "build", "-buildvcs=false", "-o", binary, "github.com/keep-it-simple/kis/cmd/kis")
	return binary
}

// mostOfAgent is what the agent may take on the host, whatever it starts. Python alone takes a sixth of it.
const mostOfAgent = 64 << 20

// TestKisStaysSmallWhateverAHostPrints_B7_I8: a host that prints gigabytes, with or without line ends. The agent stays small, too.
func TestKisStaysSmallWhateverAHostPrints_B7_I8(t *testing.T) {
	t.Parallel()
	binary := plain(t)
	w := testenv.New(t, 1, hosttest.Options{})
	backend, err := os.ReadFile(filepath.Join(w.Dir, "build_backend", "backend.py"))
	require.NoError(t, err)
	agent := func() string { // its status(5), as long as it holds the lock
		var holder struct{ PID int }
		text, _ := os.ReadFile(filepath.Join(w.Hosts[0].Repo, ".kis", "locks", w.Stage))
		_ = json.Unmarshal(text, &holder) // what is no JSON, or not there yet, names nobody
		return w.Hosts[0].Inside(fmt.Sprintf("/proc/%d/status", holder.PID))
	}
	for _, c := range []struct {
		name, inventory, bashrc, backend string
		exits                            []int
	}{
		{"in a command after the switch", "stages:\n  staging: {hosts: [web1], after_link: [\"" + doubled(flood(3<<30)) + "\"]}\n", "", "", []int{0}},
		{"while a package is verified", testenv.InventoryText(w.Hosts, "verify: [\""+doubled(flood(256<<20))+"\"]\n"), "", "", []int{0}},
		{"B7: while a package is built", testenv.InventoryText(w.Hosts, ""), "", prints, []int{3}},
		{"before the greeting", testenv.InventoryText(w.Hosts, ""), flood(3 << 30), "", []int{0, 3}}, // whether it has printed all before it is given up depends on the machine
	} {
		t.Run(c.name, func(t *testing.T) {
			in := w.In(t)
			in.Inventory(c.inventory)
			in.Version("1." + strconv.Itoa(len(c.name)))
			if c.bashrc != "" {
				require.NoError(t, os.WriteFile(filepath.Join(in.Hosts[0].Home, ".bashrc"), []byte(c.bashrc+"\n"), 0o644))
			}
			in.Write("build_backend/backend.py", string(backend)+c.backend)
			watch := oracle.Start(t, in.Stage, in.OracleHosts()...)
			cmd := in.Command(t.Context(), "push", "staging", "-v", "--sdist", in.Archive())
			cmd.Path, cmd.Args[0] = binary, binary
			var screen bytes.Buffer
			cmd.Stdout, cmd.Stderr = &screen, &screen
			most, mostThere := measured(t, cmd, agent)
			t.Logf("exit %d, %d MiB at most, %d MiB on the host, %d bytes on the screen", cmd.ProcessState.ExitCode(), most>>20, mostThere>>20, screen.Len())
			assert.Contains(t, c.exits, cmd.ProcessState.ExitCode(), "%.2000s", screen.String())
			assert.Less(t, most, mostMemory)
			assert.Less(t, mostThere, mostOfAgent)
			assert.Less(t, screen.Len(), 2<<20)
			watch.Check(oracle.Expect{Exit: cmd.ProcessState.ExitCode(), To: "hello-1." + strconv.Itoa(len(c.name)), Within: lease})
		})
	}
}

// doubled is shell text as a string of YAML in double quotes has it.
func doubled(text string) string {
	return regexp.MustCompile(`\\`).ReplaceAllString(text, `\\\\`)
}

// measured runs a command and returns the most memory that it has had, and the most of another process, whose file /proc/PID/status other
// names, in bytes: VmHWM of proc(5).
func measured(t *testing.T, cmd *exec.Cmd, other func() string) (own, others int) {
	t.Helper()
	require.NoError(t, cmd.Start())
	own = peak(t, filepath.Join("/proc", strconv.Itoa(cmd.Process.Pid), "status")) // before it is waited for: some runs end at once
	ended := make(chan struct{})
	go func() { // ends with the command, which is waited for below
		defer close(ended)
		_ = cmd.Wait() // the status is looked at by the caller
	}()
	ticker := time.NewTicker(5 * time.Millisecond)
	defer ticker.Stop()
	for {
		own = max(own, peak(t, filepath.Join("/proc", strconv.Itoa(cmd.Process.Pid), "status")))
		others = max(others, peak(t, other()))
		select {
		case <-ended:
			require.NotZero(t, own)
			return own, others
		case <-ticker.C:
		}
	}
}

// peak is VmHWM in a status file, 0 when there is none, as when the process has ended.
func peak(t *testing.T, status string) int {
	t.Helper()
	text, _ := os.ReadFile(status)
	found := regexp.MustCompile(`VmHWM:\s+(\d+) kB`).FindSubmatch(text)
	if found == nil {
		return 0
	}
	kilobytes, err := strconv.Atoi(string(found[1]))
	require.NoError(t, err)
	return kilobytes << 10
}

// TestKisStaysSmallWhateverItReads_N4_I4: an inventory that would expand without end, and a server that only talks.
func TestKisStaysSmallWhateverItReads_N4_I4(t *testing.T) {
	t.Parallel()
	binary := plain(t)
	l, err := net.ListenTCP("tcp4", &net.TCPAddr{IP: net.IPv4(127, 0, 0, 1)})
	require.NoError(t, err)
	talking := make(chan struct{})
	go func() { // ends with the listener, and with kis at the other end
		defer close(talking)
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			for err == nil {
				_, err = c.Write(bytes.Repeat([]byte("welcome to this machine, which is no SSH server\r\n"), 1000))
			}
			_ = c.Close()
		}
	}()
	t.Cleanup(func() {
		_ = l.Close()
		<-talking
	})
	var aliases strings.Builder
	aliases.WriteString("hosts:\n  web1: {vars: &v {a: x, b: y, c: z}}\n")
	for i := range 5000 {
		fmt.Fprintf(&aliases, "  h%d: {vars: *v}\n", i)
	}
	const stage = "stages: {staging: {hosts: [web1]}}\n"
	for _, c := range []struct {
		name, inventory string
		exit            int
		says            string
		within          time.Duration
	}{
		{"aliases", stage + aliases.String(), 2, "anchors and aliases (&name, *name) are not supported", time.Second},
		{"lists in lists", "verify: " + strings.Repeat("[", 40_000) + "\n" + stage, 2, "exceeded max depth", time.Second},
		{"ranges", "stages: {staging: {hosts: [" + strings.Repeat("'w[1:1000]',", 10_000) + "]}}\n", 2, "expand to more than 200000 values", time.Second},
		{"much text", strings.Repeat("# nothing\n", 1<<20) + stage, 2, "larger than 1048576 bytes", time.Second},
		{"N4: a server that only talks", fmt.Sprintf("%shosts: {web1: {address: 127.0.0.1, ssh: {port: %d}}}\n", stage, l.Addr().(*net.TCPAddr).Port), 3, "web1: connect: handshake: ", 8 * time.Second},
	} {
		t.Run(c.name, func(t *testing.T) {
			w := testenv.Around(t, nil)
			require.NoError(t, os.WriteFile(w.Client.Config, []byte("Host *\n  User nobody\n"), 0o600))
			w.Inventory(c.inventory)
			cmd := w.Command(t.Context(), "push", "staging", "--sdist", w.Archive())
			cmd.Path, cmd.Args[0] = binary, binary
			var screen bytes.Buffer
			cmd.Stdout, cmd.Stderr = &screen, &screen
			begin := time.Now()
			most, _ := measured(t, cmd, func() string { return "" })
			took := time.Since(begin)
			if c.exit == 2 { // nothing is waited for, so that what counts is the work
				took = cmd.ProcessState.UserTime() + cmd.ProcessState.SystemTime()
			}
			t.Logf("%d MiB, %v: %.300s", most>>20, took, screen.String())
			assert.Equal(t, c.exit, cmd.ProcessState.ExitCode())
			assert.Contains(t, screen.String(), c.says)
			assert.Less(t, most, mostMemory)
			assert.Less(t, took, c.within)
			assert.Less(t, screen.Len(), 64<<10)
		})
	}
}
