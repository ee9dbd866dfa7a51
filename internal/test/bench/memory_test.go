//go:build bench

package bench

import (
	"bytes"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// TestMemory: what a link takes on this machine at its peak, summed over the processes of a
// contender. RSS counts what processes share as often as they are, PSS once.
func TestMemory(t *testing.T) {
	s := twoVersions(t, min(64, *most))
	b := newTable(t, rivals(t))
	for range *rounds {
		b.each(func(c contender) error { return b.memory(c, s) })
	}
	b.print()
	s.end()
}

func (b *table) memory(c contender, s site) error {
	rss, pss, err := peak(c.command(s, link("1.1")))
	if c.after != nil {
		c.after(s)
	}
	if err != nil {
		return err
	}
	b.row("MiB of RSS", "link on %d", len(s.Hosts)).add(c, rss/1024)
	b.row("MiB of PSS", "link on %d", len(s.Hosts)).add(c, pss/1024)
	return link("1.1").check(s, c)
}

// sampling is how often memory is read.
const sampling = 10 * time.Millisecond

// peak runs a command, and returns the most memory that it and its descendants had, in KiB.
// Processes that leave the family, as the ControlMasters of Ansible do, are not counted.
func peak(cmd *exec.Cmd) (rss, pss float64, err error) {
	var out bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &out
	if err := cmd.Start(); err != nil {
		return 0, 0, err
	}
	ended := make(chan error)
	go func() { ended <- cmd.Wait() }()
	tick := time.NewTicker(sampling)
	defer tick.Stop()
	for {
		select {
		case err := <-ended:
			if err != nil {
				return 0, 0, fmt.Errorf("%w\n%s", err, out.Bytes())
			}
			return rss, pss, nil
		case <-tick.C:
			r, p := memoryOf(family(cmd.Process.Pid))
			rss, pss = max(rss, r), max(pss, p)
		}
	}
}

// family is a process and its descendants.
func family(pid int) []int {
	children := map[int][]int{}
	all, _ := filepath.Glob("/proc/[0-9]*/stat")
	for _, file := range all {
		text, _ := os.ReadFile(file) // empty if the process has ended
		_, after, found := strings.Cut(string(text), ") ")
		if fields := strings.Fields(after); found {
			child, _ := strconv.Atoi(filepath.Base(filepath.Dir(file)))
			parent, _ := strconv.Atoi(fields[1])
			children[parent] = append(children[parent], child)
		}
	}
	found := []int{pid}
	for i := 0; i < len(found); i++ {
		found = append(found, children[found[i]]...)
	}
	return found
}

// memoryOf is the memory of processes in KiB. RSS is at least what the kernel has seen as the most
// of any one of them, between samples too. That is not ru_maxrss of wait4(2): exec(2) keeps in it
// what the process was before, here the test.
func memoryOf(pids []int) (rss, pss float64) {
	most := 0.0
	for _, pid := range pids {
		rss += kib(pid, "smaps_rollup", "Rss")
		pss += kib(pid, "smaps_rollup", "Pss")
		most = max(most, kib(pid, "status", "VmHWM"))
	}
	return max(rss, most), pss
}

// kib is a number from a file of a process, 0 if the process has ended.
func kib(pid int, file, name string) float64 {
	text, _ := os.ReadFile(fmt.Sprintf("/proc/%d/%s", pid, file))
	for line := range strings.Lines(string(text)) {
		var n float64
		if found, _ := fmt.Sscanf(line, name+": %f kB", &n); found == 1 {
			return n
		}
	}
	return 0
}

// TestMemoryIsCounted: of a process and of its children together.
func TestMemoryIsCounted(t *testing.T) {
	const hold = `python3 -c 'import time; x = bytearray(50 << 20); time.sleep(1)'`
	rss, pss, err := peak(exec.CommandContext(t.Context(), "/bin/sh", "-c", hold+" & "+hold+" & wait"))
	require.NoError(t, err)
	require.InDelta(t, 120, rss/1024, 20)
	require.InDelta(t, 115, pss/1024, 20)
}
