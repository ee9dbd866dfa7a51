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
	for {
		last := time.Now().After(deadline)
		left, locks, running := litter(h), held(w.tb, h), processes(h)
		if (dirty || len(left) == 0) && len(locks) == 0 && len(running) == 0 {
			return
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

// processes lists steps that still run in a package of this host: they carry an agent's mark and work in the package's folder. Services
// that after-link commands started on purpose are left out by their own mark.
func processes(h Host) []string {
	var found []string
	environs, _ := filepath.Glob("/proc/[0-9]*/environ")
	for _, path := range environs {
		environ, err := os.ReadFile(path)
		if err != nil || !strings.Contains(string(environ), "KIS_AGENT=") || strings.Contains(string(environ), "KIS_SERVICE=") {
			continue
		}
		cwd, err := os.Stat(filepath.Join(filepath.Dir(path), "cwd"))
		if err == nil && below(h.Root, cwd) {
			command, _ := os.ReadFile(filepath.Join(filepath.Dir(path), "cmdline"))
			found = append(found, filepath.Base(filepath.Dir(path))+" "+strings.ReplaceAll(string(command), "\x00", " "))
		}
	}
	return found
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
