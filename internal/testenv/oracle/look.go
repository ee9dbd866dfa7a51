package oracle

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// linked is the text of the stage's link, "" for none. Anything but a relative link to a folder in the same folder breaks I1.
func linked(tb testing.TB, h Host, stage string) string {
	tb.Helper()
	path := filepath.Join(h.Root, stage)
	target, err := os.Readlink(path)
	if errors.Is(err, fs.ErrNotExist) {
		return ""
	}
	require.NoErrorf(tb, err, "I1 %s: %s is no symbolic link", h.Name, stage)
	assert.NotContainsf(tb, target, "/", "I1 %s: %s is not a plain relative link", h.Name, stage)
	return target
}

// sealed lists the packages that have a receipt.
func sealed(tb testing.TB, h Host) []string {
	tb.Helper()
	receipts, err := filepath.Glob(filepath.Join(h.Root, "*", ".kis", "receipt.json"))
	require.NoError(tb, err)
	var names []string
	for _, path := range receipts {
		folder := filepath.Dir(filepath.Dir(path))
		if info, err := os.Lstat(folder); err == nil && info.IsDir() {
			names = append(names, filepath.Base(folder))
		}
	}
	return names
}

// digest is over names, kinds, modes, link targets and bytes of a tree.
func digest(tb testing.TB, top string) string {
	tb.Helper()
	sum := sha256.New()
	err := filepath.WalkDir(top, func(path string, e fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		info, err := e.Info()
		if err != nil {
			return err
		}
		_, _ = fmt.Fprintf(sum, "%s %v\n", path, info.Mode()) // a hash never fails
		switch {
		case info.Mode().IsRegular():
			data, err := os.ReadFile(path) //nolint:gosec // the test's own folder
			sum.Write(data)
			return err
		case info.Mode()&fs.ModeSymlink != 0:
			target, err := os.Readlink(path)
			_, _ = fmt.Fprintln(sum, target)
			return err
		}
		return nil
	})
	require.NoError(tb, err)
	return hex.EncodeToString(sum.Sum(nil))
}

func journal(tb testing.TB, h Host, stage string) []string {
	tb.Helper()
	text, err := os.ReadFile(filepath.Join(h.Root, ".kis", "journal", stage))
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	require.NoError(tb, err)
	return slices.DeleteFunc(strings.Split(string(text), "\n"), func(line string) bool { return line == "" })
}

// checkLeftovers is I6. An agent that was killed cannot clean up after itself; with dirty, prepared links and run folders do not count,
// because the next run removes them.
func (w *Watch) checkLeftovers(h Host, within time.Duration, dirty bool) {
	w.tb.Helper()
	if _, err := os.Stat(filepath.Join(h.Root, ".kis")); err != nil {
		return
	}
	// A look takes long on a busy machine, so that it is the beginning of the last one that counts.
	deadline := time.Now().Add(within)
	ticker := time.NewTicker(20 * time.Millisecond)
	defer ticker.Stop()
	for again := true; ; {
		last := time.Now().After(deadline)
		left, locks := litter(h), held(w.tb, h)
		clean := (dirty || len(left) == 0) && len(locks) == 0
		var running []string
		if clean || last { // it is the look at all processes that takes long
			running = processes(h)
		}
		if clean && len(running) == 0 {
			return
		}
		if last && again && len(running) == 0 { // what held a lock may have ended between the looks at the locks and at the processes
			again = false
			continue
		}
		if last {
			assert.Failf(w.tb, "I6", "%s: locks still held: %v; processes still there: %v; litter: %v", h.Name, locks, running, left)
			return
		}
		<-ticker.C
	}
}

// litter lists prepared links and run folders.
func litter(h Host) []string {
	armed, _ := filepath.Glob(filepath.Join(h.Root, ".kis", "armed", "*"))
	runs, _ := filepath.Glob(filepath.Join(h.Root, ".kis", "run", "*"))
	probes, _ := filepath.Glob(filepath.Join(h.Root, ".kis-probe*"))
	return slices.Concat(armed, runs, probes)
}

// held lists the lock files that somebody holds.
func held(tb testing.TB, h Host) []string {
	tb.Helper()
	var names []string
	locks, err := filepath.Glob(filepath.Join(h.Root, ".kis", "locks", "*"))
	require.NoError(tb, err)
	alive, err := filepath.Glob(filepath.Join(h.Root, ".kis", "run", "*", "alive"))
	require.NoError(tb, err)
	for _, path := range append(locks, alive...) {
		file, err := os.Open(path)
		if err != nil {
			continue // it went away just now
		}
		if syscall.Flock(int(file.Fd()), syscall.LOCK_SH|syscall.LOCK_NB) != nil {
			names = append(names, path)
		}
		_ = file.Close()
	}
	return names
}

// processes lists what still runs of a run: agents, and what they have started. Of hosts with a mount namespace of their own everything is
// seen, wherever it works; of others, what works in the package repository. Services that after-link commands started on purpose are left
// out by their own mark.
func processes(h Host) []string {
	root, err := os.Stat(h.Root)
	if err != nil {
		return nil
	}
	var found []string
	all, _ := filepath.Glob("/proc/[0-9]*")
	for _, process := range all {
		command, _ := os.ReadFile(filepath.Join(process, "cmdline"))
		environ, _ := os.ReadFile(filepath.Join(process, "environ"))
		if !ours(string(command), string(environ)) {
			continue
		}
		cwd, err := os.Stat(filepath.Join(process, "cwd"))
		if there, unseen := os.Stat(filepath.Join(process, "root", usualRoot)); unseen == nil && os.SameFile(there, root) || err == nil && below(h.Root, cwd) {
			found = append(found, filepath.Base(process)+" "+strings.ReplaceAll(string(command[:min(len(command), 300)]), "\x00", " "))
		}
	}
	return found
}

// usualRoot is where a host with a mount namespace of its own has its package repository.
const usualRoot = "/var/webcode"

// ours tells agents, by the options that Python is started with, and what they have started, by the variables that it was given.
func ours(command, environ string) bool {
	started := strings.Contains(environ, "KIS_AGENT=") || strings.Contains(environ, "KIS_RUN=")
	return strings.Contains(command, "\x00-X\x00utf8\x00-I\x00-S\x00") || started && !strings.Contains(environ, "KIS_SERVICE=")
}

// below compares folders, not paths: a host in a mount namespace of its own calls them otherwise.
func below(root string, folder os.FileInfo) bool {
	entries, err := os.ReadDir(root)
	if err != nil {
		return false
	}
	for _, e := range entries {
		if info, err := os.Stat(filepath.Join(root, e.Name())); err == nil && os.SameFile(info, folder) {
			return true
		}
	}
	return false
}
