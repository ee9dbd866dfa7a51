package recovery

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/keep-it-simple/kis/internal/testenv"
	"github.com/keep-it-simple/kis/internal/testenv/hosttest"
	"github.com/keep-it-simple/kis/internal/testenv/oracle"
)

// TestRequirementsDiffer_B5_S8: two pushes to one host each find different versions. Their packages are not linked together.
func TestRequirementsDiffer_B5_S8(t *testing.T) {
	t.Parallel()
	w := testenv.New(t, 2, hosttest.Options{Env: []string{"PIP_NO_INDEX=1"}})
	for i, h := range w.Hosts {
		wheel(t, filepath.Join(h.Home, "index"), "moody", fmt.Sprintf("2.%d", i+1))
		require.NoError(t, os.MkdirAll(filepath.Join(h.Home, ".config", "pip"), 0o755))
		require.NoError(t, os.WriteFile(filepath.Join(h.Home, ".config", "pip", "pip.conf"), []byte("[global]\nfind-links = /home/kistest/index\n"), 0o644))
	}
	w.Inventory(testenv.InventoryText(w.Hosts, "install: {requirements: requirements.txt}\n"))
	w.Write("requirements.txt", "moody\n")
	archive := w.Archive()
	for _, host := range []string{"web1", "web2"} {
		w.Run(0, "", "push", "staging", "--no-link", "--sdist", archive, "--hosts", host)
	}
	for _, args := range [][]string{{"push", "staging", "--sdist", archive}, {"link", "staging", "hello-0.3"}} {
		r := w.Run(3, "hello-0.3", args...)
		assert.Contains(t, r.Err, "another environment than on web1")
		assert.Contains(t, r.Err, "moody==2.2 only on web2, moody==2.1 only on web1")
	}

	w.Version("0.4")
	w.Run(0, "hello-0.4", "push", "staging", "--sdist", w.Archive())
}

// TestPythonTooOld_H6: the host's own pip decides, and before anything is uploaded.
func TestPythonTooOld_H6(t *testing.T) {
	t.Parallel()
	w := testenv.New(t, 1, hosttest.Options{})
	backend, err := os.ReadFile(filepath.Join(w.Dir, "build_backend", "backend.py"))
	require.NoError(t, err)
	const version = "Metadata-Version: 2.2\\n" // as it stands in Python
	require.Contains(t, string(backend), version)
	w.Write("build_backend/backend.py", strings.ReplaceAll(string(backend), version, version+"Requires-Python: >=3.99rc1\\n"))
	r := w.Run(3, "", "push", "staging", "--sdist", w.Archive())
	own := strings.TrimSpace(w.Hosts[0].Shell(t, "/usr/bin/python3 -c 'import platform; print(platform.python_version())'"))
	assert.Contains(t, r.Err, "web1: check: python is "+own+" (/usr/bin/python3), and hello-0.3 requires >=3.99rc1")
}

// TestBuildKilled_H18: the kernel does it when memory is short, to pip or to the build that pip has started.
func TestBuildKilled_H18(t *testing.T) {
	t.Parallel()
	w := testenv.New(t, 3, hosttest.Options{})
	archive := w.Hold()
	s := w.PushHeld(archive)
	kill := func(host int, part string) {
		pids := w.PIDs(w.Hosts[host], part)
		require.Len(t, pids, 1, part)
		w.Signal(w.Hosts[host], pids[0], syscall.SIGKILL)
	}
	kill(1, "/pip --no-color install")
	kill(2, "_in_process.py")
	kill(2, "sleep 1000") // pip waits for whoever has the output of its build
	w.On("web1").Release()
	r := s.End(time.Minute)
	require.Equal(t, 3, r.Exit)
	s.Watch.Check(oracle.Expect{Exit: 3, To: "hello-0.4"})
	assert.Contains(t, r.Err, "web2: environment: ")
	assert.Contains(t, r.Err, "pip could not install the application: pip was killed by signal 9 (out of memory?)")
	assert.Contains(t, r.Err, "web3: environment: pip could not install the application")
	assert.Contains(t, r.Err, "exit code: -9")
	w.Release()
	w.Run(0, "hello-0.4", "push", "staging", "--sdist", archive)
}
