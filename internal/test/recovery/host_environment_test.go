package recovery

import (
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/keep-it-simple/kis/internal/testenv"
	"github.com/keep-it-simple/kis/internal/testenv/hosttest"
	"github.com/keep-it-simple/kis/internal/testenv/oracle"
)

// TestUnusualEnvironments_H8_H13_H14_H15_H16_S7: everything here has to work, whatever surrounds it.
func TestUnusualEnvironments_H8_H13_H14_H15_H16_S7(t *testing.T) {
	t.Parallel()
	faketime := fakeTime(t)
	for _, c := range []struct {
		name  string
		env   []string
		fault string // shell text, run on the host
		after func(t *testing.T, h *hosttest.Host)
	}{
		{name: "H8,S7: umask 000", fault: "echo umask 000 >>~kistest/.bashrc", after: nothingIsOpenToOthers},
		{name: "H8: umask 077", fault: "echo umask 077 >>~kistest/.bashrc", after: othersMayRead},
		{name: "H13: tmp is full and noexec", fault: fullTmp},
		{name: "H14: a Turkish locale", env: []string{"LANG=tr_TR.UTF-8", "LC_ALL=tr_TR.UTF-8"}},
		{name: "H14: no UTF-8", env: []string{"LANG=C", "LC_ALL=C", "PYTHONIOENCODING=ascii"}},
		{name: "H16: foreign programs first in PATH", fault: foreignPrograms, after: noForeignProgramRan},
		{name: "H16: variables that lead Python astray", env: []string{"PYTHONPATH=/nowhere", "PYTHONHOME=/nowhere", "PYTHONSTARTUP=/nowhere", "TMPDIR=/nowhere"}},
		{name: "H15: a clock ten years behind", env: []string{"LD_PRELOAD=" + faketime, "FAKETIME=-3650d"}},
		{name: "H15: a clock ten years ahead", env: []string{"LD_PRELOAD=" + faketime, "FAKETIME=+3650d"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			w := testenv.New(t, 1, hosttest.Options{Env: c.env})
			if strings.Contains(strings.Join(c.env, " "), "tr_TR") {
				require.Contains(t, w.Hosts[0].Shell(t, "locale -a"), "tr_TR.utf8", "run: make setup")
			}
			if c.fault != "" {
				w.Hosts[0].Shell(t, c.fault)
			}
			w.Run(0, "hello-0.3", "push", "staging", "--sdist", w.Archive())
			w.Version("0.4")
			w.Run(0, "hello-0.4", "push", "staging", "--sdist", w.Archive())
			w.Run(0, "hello-0.3", "rollback", "staging")
			assert.Contains(t, w.Kis("status", "staging").Out, "the same on all hosts")
			if c.after != nil {
				c.after(t, w.Hosts[0])
			}
		})
	}
}

// fakeTime is the library that tells programs another time.
func fakeTime(t *testing.T) string {
	t.Helper()
	found, err := filepath.Glob("/usr/lib/*/faketime/libfaketime.so.1")
	require.NoError(t, err)
	require.Len(t, found, 1, "run: make setup")
	return found[0]
}

// TestClockJumps_H15: ten years forth and twenty back while a command of the inventory prints, so that the agent looks at its
// deadlines again and again. None of them goes by that clock. What the journal says does, which shows that the agent has seen it.
func TestClockJumps_H15(t *testing.T) {
	t.Parallel()
	const clock = "/home/kistest/clock"
	w := testenv.New(t, 1, hosttest.Options{Env: []string{
		"LD_PRELOAD=" + fakeTime(t), "FAKETIME_TIMESTAMP_FILE=" + clock, "FAKETIME_NO_CACHE=1", "FAKETIME_DONT_FAKE_MONOTONIC=1",
	}})
	h := w.Hosts[0]
	set := func(offset string) {
		// Renamed into place: what is read is never half a number.
		h.Shell(t, "echo "+offset+" >"+clock+".new; mv "+clock+".new "+clock)
	}
	ticks := func() int {
		text, _ := os.ReadFile(filepath.Join(h.Home, "ticks")) // not there at first
		return len(text)
	}
	set("+0")
	w.Inventory(testenv.InventoryText(w.Hosts, "verify: ['touch ~/hold; while test -e ~/hold; do echo tick; printf x >>~/ticks; sleep 0.02; done']\n"))
	s := w.Start("push", "staging", "--sdist", w.Archive())
	for _, offset := range []string{"+0", "+3650d", "-3650d"} {
		set(offset)
		begin := ticks()
		require.Eventually(t, func() bool { return ticks() > begin+30 }, time.Minute, 10*time.Millisecond, "%s", s.Screen())
		require.True(t, s.Running(), "%s", s.Screen())
	}
	w.Release()
	r := s.End(time.Minute)
	require.Equal(t, 0, r.Exit)
	s.Watch.Check(oracle.Expect{Exit: 0, To: "hello-0.3"})
	assert.Contains(t, h.Shell(t, "tail -n 1 /var/webcode/.kis/journal/staging"), fmt.Sprintf(`"%d-`, time.Now().AddDate(-10, 0, 3).Year()))
	set("+0")
	w.Run(0, "hello-0.3", "push", "staging", "--sdist", w.Archive())
}

// everyFile calls look for everything in the repository that is no symbolic link.
func everyFile(t *testing.T, h *hosttest.Host, look func(path string, mode fs.FileMode)) {
	t.Helper()
	n := 0
	require.NoError(t, filepath.WalkDir(h.Repo, func(path string, e fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		info, err := e.Info()
		if err == nil && info.Mode()&fs.ModeSymlink == 0 {
			n++
			look(strings.TrimPrefix(path, h.Repo), info.Mode())
		}
		return err
	}))
	require.Greater(t, n, 50, "there are packages")
}

func nothingIsOpenToOthers(t *testing.T, h *hosttest.Host) {
	t.Helper()
	everyFile(t, h, func(path string, mode fs.FileMode) {
		assert.Zero(t, mode&0o022, "%s is writable for others: %v", path, mode)
		assert.Zero(t, mode&(fs.ModeSetuid|fs.ModeSetgid), "%s: %v", path, mode)
	})
	info, err := os.Stat(filepath.Join(h.Repo, ".kis"))
	require.NoError(t, err)
	assert.Equal(t, fs.FileMode(0o700), info.Mode().Perm())
}

// othersMayRead: the web server is another user than the one who deploys.
func othersMayRead(t *testing.T, h *hosttest.Host) {
	t.Helper()
	nothingIsOpenToOthers(t, h)
	everyFile(t, h, func(path string, mode fs.FileMode) {
		if path == "" || strings.HasPrefix(path, "/.kis") || strings.Contains(path, "/.kis/") {
			return
		}
		assert.NotZero(t, mode&0o004, "%s is not readable for others: %v", path, mode)
	})
}

// fullTmp puts a full /tmp, where nothing can be run, over the host's own. What the host itself needs of it stays where it is.
const fullTmp = `own=/tmp/$(findmnt -no FSROOT /var/webcode | cut -d/ -f3)
mount -t tmpfs none /mnt
mkdir /mnt/own
mount --bind "$own" /mnt/own
mount -t tmpfs -o size=64k,noexec,mode=1777 none /tmp
mkdir -p "$own"
mount --bind /mnt/own "$own"
cat /dev/zero >/tmp/full 2>/dev/null || :
`

// foreignPrograms puts programs that leave a trace, and do nothing else, before those of the system.
const foreignPrograms = `install -d -o kistest ~kistest/bin
for name in python tar mv ln rm cat mkdir sha256sum pip sync; do
	printf '#!/bin/sh\necho %s >>~/foreign\nexit 0\n' $name >~kistest/bin/$name
	chmod 755 ~kistest/bin/$name
done
echo 'PATH=~/bin:$PATH' >>~kistest/.bashrc
`

func noForeignProgramRan(t *testing.T, h *hosttest.Host) {
	t.Helper()
	trace, err := os.ReadFile(filepath.Join(h.Home, "foreign"))
	assert.ErrorIs(t, err, fs.ErrNotExist, "%s", trace)
}
