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

// TestRequirementsDiffer_B5_S8: two hosts ask the same index at different moments, and it has something new for one.
func TestRequirementsDiffer_B5_S8(t *testing.T) {
	t.Parallel()
	w := testenv.New(t, 2, hosttest.Options{Env: []string{"PIP_NO_INDEX=1"}})
	for i, h := range w.Hosts {
		wheel(t, filepath.Join(h.Home, "index"), "moody", fmt.Sprintf("2.%d", i+1))
		require.NoError(t, os.MkdirAll(filepath.Join(h.Home, ".config", "pip"), 0o755))
		require.NoError(t, os.WriteFile(filepath.Join(h.Home, ".config", "pip", "pip.conf"), []byte("[install]\nfind-links = /home/kistest/index\n"), 0o644))
	}
	w.Inventory(testenv.InventoryText(w.Hosts, "install: {requirements: requirements.txt}\n"))
	w.Write("requirements.txt", "moody\n")
	archive := w.Archive()
	r := w.Run(3, "hello-0.3", "push", "staging", "--sdist", archive)
	assert.Contains(t, r.Err, "another environment than on web1")
	assert.Contains(t, r.Err, "moody==2.2 only here, moody==2.1 only there")
	r = w.Run(3, "hello-0.3", "link", "staging", "hello-0.3")
	assert.Contains(t, r.Err, "another environment than on web1", "not by another way either")

	wheel(t, filepath.Join(w.Hosts[0].Home, "index"), "moody", "2.2")
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

// TestVerificationFails_V2_V4_I7_I8: commands of the inventory, run before the barrier on web2, that do not come to a good end.
func TestVerificationFails_V2_V4_I7_I8(t *testing.T) {
	t.Parallel()
	w := testenv.New(t, 2, hosttest.Options{})
	w.Earlier("0.3")
	w.Version("0.4")
	archive := w.Archive()
	w.Install(archive) // so that what runs on the hosts is the commands of the inventory only
	for _, c := range []struct{ name, command, says string }{
		{"V2: it fails", "echo the tests say no; test $KIS_HOST = web1", "the tests say no"},
		{"V4: it kills what started it", "test $KIS_HOST = web1 || kill -9 $PPID", "web2: "},
		{"V4: it says what an agent would say", `test $KIS_HOST = web1 || { printf 'KIS1 %032d {"id":9,"ev":"done"}' 0; false; }`, "web2: verify: "},
		{"V4: it says so to all that started it", forging, "web2: "},
		{"V4,I7: it prints control characters", `printf '\033]52;c;YQ==\007\rweb2 is fine\n'; test $KIS_HOST = web1`, "web2: verify: "},
		{"V4,I8: it prints without end", "test $KIS_HOST = web1 || { head -c 300000000 /dev/zero; false; }", "web2: verify: "},
	} {
		ok := t.Run(c.name, func(t *testing.T) {
			w := w.In(t)
			w.Inventory(fmt.Sprintf("stages: {staging: {hosts: [web1, web2]}}\nverify: [%s]\n", "'"+strings.ReplaceAll(c.command, "'", "''")+"'"))
			watch := oracle.Start(t, w.Stage, w.OracleHosts()...)
			r := w.Kis("push", "staging", "--sdist", archive)
			require.Equal(t, 3, r.Exit)
			watch.Check(oracle.Expect{Exit: 3, To: "hello-0.4", Dirty: true})
			assert.Contains(t, r.Err, c.says)
		})
		if !ok {
			return
		}
	}
	w.Inventory(testenv.InventoryText(w.Hosts, ""))
	w.Run(0, "hello-0.4", "push", "staging", "--sdist", archive)
}

// TestPythonOfPackageGone_B15: the interpreter was upgraded after the package was built.
func TestPythonOfPackageGone_B15(t *testing.T) {
	long(t)
	t.Parallel()
	w := testenv.New(t, 2, hosttest.Options{})
	w.Hosts[1].Shell(t, "cp $(readlink -f /usr/bin/python3) ~kistest/python3.old")
	own := "hosts: {web2: {python: /home/kistest/python3.old}}\n"
	w.Inventory(testenv.InventoryText(w.Hosts, own))
	w.Run(0, "hello-0.3", "push", "staging", "--sdist", w.Archive())
	w.Inventory(testenv.InventoryText(w.Hosts, ""))
	w.Version("0.4")
	w.Run(0, "hello-0.4", "push", "staging", "--sdist", w.Archive())
	w.Hosts[1].Shell(t, "rm ~kistest/python3.old")

	r := w.Run(3, "hello-0.3", "rollback", "staging")
	assert.Contains(t, r.Err, "web2: verify: the environment's python does not run")
	assert.Equal(t, w.All("hello-0.4"), w.Links())
}

// TestRollbackRefused_R1_R2_R5_R9: nothing is linked, and the remedy is named.
func TestRollbackRefused_R1_R2_R5_R9(t *testing.T) {
	t.Parallel()
	w := testenv.New(t, 2, hosttest.Options{})
	w.Earlier("0.3")
	for _, c := range []struct {
		name  string
		fault func(w *testenv.Env)
		exit  int
		says  string
	}{
		{"R5: there is nothing before", func(*testenv.Env) {}, 3, "nothing to roll back to"},
		{"R2: one host has another before", func(w *testenv.Env) {
			w.Version("0.4")
			w.Install(w.Archive())
			w.On("web1").Run(0, "hello-0.4", "link", "staging", "hello-0.4", "--hosts", "web1")
			w.Earlier("0.5")
		}, 3, "--to"},
		{"R1: a host lacks it", func(w *testenv.Env) {
			w.Run(0, "hello-0.4", "link", "staging", "hello-0.4")
			w.Run(0, "hello-0.5", "link", "staging", "hello-0.5")
			w.Hosts[1].Shell(w.T, "rm -r /var/webcode/hello-0.4")
		}, 3, "web2: check: hello-0.4 is not installed\n  hint: installed on all hosts: hello-0.3, hello-0.5"},
		{"R9: a host is down", func(w *testenv.Env) { w.Hosts[1].Kill() }, 3, "web2: connect: "},
	} {
		if !t.Run(c.name, func(t *testing.T) {
			w := w.In(t)
			c.fault(w)
			r := w.Run(c.exit, "", "rollback", "staging")
			assert.Contains(t, r.Err, c.says)
		}) {
			return
		}
	}
	w.Hosts[1].Restart(t)
	w.Run(0, "hello-0.3", "rollback", "staging", "--to", "hello-0.3")
}

// TestPlantedDirectories_U11_S2: another user could write to the repository once, and has left something there.
func TestPlantedDirectories_U11_S2(t *testing.T) {
	t.Parallel()
	for name, plant := range map[string]string{
		"a .kis of another user":                      "install -d -o nobody -m 755 /var/webcode/.kis",
		"a .kis that is a link":                       "install -d -o nobody /var/webcode/theirs; ln -s theirs /var/webcode/.kis",
		"a package of another user":                   "install -d -o nobody -m 755 /var/webcode/hello-0.3; install -o nobody -m 644 /dev/null /var/webcode/hello-0.3/VERSION",
		"a folder for links of another user":          "install -d -o kistest -m 700 /var/webcode/.kis; install -d -o nobody -m 777 /var/webcode/.kis/armed",
		"U11: a folder for uploads that leads beyond": "install -d -o kistest -m 700 /var/webcode/.kis; install -d -o nobody -m 777 /var/webcode/theirs; ln -s ../theirs /var/webcode/.kis/incoming",
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := testenv.New(t, 1, hosttest.Options{Bare: true})
			w.Hosts[0].Shell(t, plant)
			r := w.Kis("push", "staging", "--sdist", w.Archive())
			assert.Equal(t, 3, r.Exit)
			assert.Contains(t, r.Err, "web1: ")
			assert.Empty(t, w.Links()[0], "nothing is linked")
			left, err := filepath.Glob(filepath.Join(w.Hosts[0].Repo, "theirs", "*"))
			require.NoError(t, err)
			assert.Empty(t, left, "nothing is written where a link of theirs leads")
		})
	}
}

// TestPlantedLinkNotFollowed_R8_S2: a link with the name of a package was not made by kis, so it is neither followed nor removed.
func TestPlantedLinkNotFollowed_R8_S2(t *testing.T) {
	t.Parallel()
	w := testenv.New(t, 1, hosttest.Options{})
	w.Hosts[0].Shell(t, "install -d -o nobody -m 777 /var/webcode/theirs; echo kept >/var/webcode/theirs/file; ln -s theirs /var/webcode/hello-0.3")
	r := w.Run(3, "", "push", "staging", "--sdist", w.Archive())
	assert.Contains(t, r.Err, "web1: check: /var/webcode/hello-0.3 exists and is not a package")
	assert.Equal(t, "file\nkept\n", w.Hosts[0].Shell(t, "ls /var/webcode/theirs; cat /var/webcode/theirs/file"))
	to, err := os.Readlink(filepath.Join(w.Hosts[0].Repo, "hello-0.3"))
	require.NoError(t, err)
	assert.Equal(t, "theirs", to)
}

// TestStateDirectoryNotWritable_K6: there would be no log of the run, so that no host is contacted.
func TestStateDirectoryNotWritable_K6(t *testing.T) {
	t.Parallel()
	w := testenv.New(t, 1, hosttest.Options{})
	archive := w.Archive()
	before := w.Trees()
	w.Home = "/proc" // nobody can make a folder there, not even root
	r := w.Run(2, "", "push", "staging", "--sdist", archive)
	assert.Contains(t, r.Err, "XDG_STATE_HOME")
	assert.Equal(t, before, w.Trees())
}

// TestDiskFullAtUpload_U6: SFTP says "Failure", whatever it is. The agent knows what it is, and what to do.
func TestDiskFullAtUpload_U6(t *testing.T) {
	t.Parallel()
	w := testenv.New(t, 2, hosttest.Options{})
	w.Earlier("0.3")
	host := w.Hosts[1]
	host.Shell(t, `mount -t tmpfs -o size=100m,mode=755,uid=$(id -u kistest) none /var/webcode
cp /usr/lib/openssh/sftp-server /media/sftp-server
printf '#!/bin/sh\ncat /dev/zero >/var/webcode/other 2>/dev/null\nexec /media/sftp-server\n' >/media/filling
chmod 755 /media/filling
mount --bind /media/filling /usr/lib/openssh/sftp-server`)
	w.Roots = map[string]string{"web2": host.Inside(hosttest.Repository)}
	w.Version("0.4")
	archive := w.Archive()
	before := w.Links()
	r := w.Run(3, "hello-0.4", "push", "staging", "--sdist", archive)
	assert.Contains(t, r.Err, "web2: upload: disk full: ")
	assert.Contains(t, r.Err, "hint: see: df -h /var/webcode")
	assert.Equal(t, before, w.Links())

	host.Shell(t, "umount /usr/lib/openssh/sftp-server; rm /var/webcode/other")
	w.Run(0, "hello-0.4", "push", "staging", "--sdist", archive)
}
