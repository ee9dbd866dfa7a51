package remote_test

import (
	"bytes"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/keep-it-simple/kis/internal/timeouts"
	"github.com/keep-it-simple/kis/remote"
)

// requireSuperuser fails instead of skipping, because no other test covers this.
func requireSuperuser(t *testing.T) {
	t.Helper()
	require.Zero(t, os.Geteuid(), "this test mounts and changes owners: run it as root")
}

// confined is an agent in its own mount namespace, which the script setup prepares; $1 is the
// repository.
func confined(t *testing.T, root, setup string) *local {
	t.Helper()
	requireSuperuser(t)
	l, err := launch(t, exec.Command("unshare", "-m", "--propagation", "private", "/bin/sh", "-euc", setup+"\nexec /bin/sh -s -- python3", "sh", root))
	require.NoError(t, err)
	require.NoError(t, l.Open(t.Context(), root))
	l.root = root
	return l
}

func TestUnusableRepositoriesAreRefusedWithARemedy(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		by   string
		code remote.Code
		hint string
	}{
		"missing":                          {"rmdir $PWD", "no-root", "install -d"},
		"a file":                           {"rmdir $PWD; touch $PWD", "no-root", "root:"},
		"open to the group":                {"chmod 775 .", "open-root", "chmod go-w"},
		"open to all":                      {"chmod 1777 .", "open-root", "chmod go-w"},
		"of another user":                  {"chown nobody .", "foreign-root", "chown"},
		"own directory open to all":        {"mkdir .kis; chmod 777 .kis", "foreign-directory", "ls -la"},
		"own directory of another user":    {"mkdir -m 700 .kis; chown nobody .kis", "foreign-directory", "ls -la"},
		"own directory is a link":          {"mkdir -m 700 $PWD.evil; ln -s $PWD.evil .kis", "foreign-directory", "ls -la"},
		"own directory is a file":          {"touch .kis", "foreign-directory", "ls -la"},
		"planted armed directory":          {"mkdir -m 700 .kis; mkdir -m 777 .kis/armed", "foreign-directory", "ls -la"},
		"planted link in the locks":        {"mkdir -m 700 .kis $PWD.evil; ln -s $PWD.evil .kis/locks", "foreign-directory", "ls -la"},
		"planted directory of another one": {"mkdir -m 700 .kis .kis/journal; chown nobody .kis/journal", "foreign-directory", "ls -la"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			requireSuperuser(t)
			root := unused(t)
			sh(t, root, test.by)
			l := opened(t, root)
			facts, err := l.Check(t.Context(), remote.CheckRequest{Stage: stage(t, "staging")})
			require.NoError(t, err)
			require.NotEmpty(t, facts.Problems)
			assert.Equal(t, test.code, facts.Problems[0].Code)
			assert.Contains(t, facts.Problems[0].Hint, test.hint)
			_, err = l.Lock(t.Context(), stage(t, "staging"), newRun(), remote.Holder{})
			requireRefused(t, err, test.code)
			_, err = l.State(t.Context(), remote.StateRequest{})
			require.NoError(t, err, "inspection still works")
		})
	}
}

// The test runs the agent as another user: root can read every directory.
func TestForeignDirectoryIsNamedToAUserWhoCannotReadIt(t *testing.T) {
	t.Parallel()
	requireSuperuser(t)
	root := unused(t)
	sh(t, root, "chmod 755 ../..; mkdir -m 700 .kis .kis/journal; touch .kis/journal/staging; ln -s app-1 staging; chown nobody .")
	l, err := launch(t, exec.Command("setpriv", "--reuid=nobody", "--clear-groups", "/bin/sh", "-s", "--", "python3"))
	require.NoError(t, err)
	require.NoError(t, l.Open(t.Context(), root))
	facts, err := l.Check(t.Context(), remote.CheckRequest{Stage: stage(t, "staging"), Package: pkg(t, "app-1"), Packages: true, Build: true})
	require.NoError(t, err)
	require.Equal(t, remote.CodeForeignDirectory, facts.Problems[0].Code)
	state, err := l.State(t.Context(), remote.StateRequest{})
	require.NoError(t, err)
	require.Equal(t, remote.CodeForeignDirectory, state.Problems[0].Code)
}

func TestUnusableFileSystemsAreRefused(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		setup string
		code  remote.Code
	}{
		"read-only":                      {`mount --bind "$1" "$1"; mount -o remount,bind,ro "$1"`, "read-only-root"},
		"noexec":                         {`mount --bind "$1" "$1"; mount -o remount,bind,noexec "$1"`, "noexec-root"},
		"own directory on another one":   {`mkdir -m 700 "$1/.kis"; mount -t tmpfs -o mode=700 none "$1/.kis"`, "foreign-directory"},
		"armed directory on another one": {`mkdir -m 700 "$1/.kis" "$1/.kis/armed"; mount -t tmpfs -o mode=700 none "$1/.kis/armed"`, "foreign-directory"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			l := confined(t, unused(t), test.setup)
			_, err := l.Lock(t.Context(), stage(t, "staging"), newRun(), remote.Holder{})
			requireRefused(t, err, test.code)
		})
	}
}

func TestFullDiskIsRefusedAsSuchWithThePlace(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct{ options, text string }{
		"bytes":  {"size=1m,mode=755", "disk full"},
		"inodes": {"nr_inodes=40,mode=755", "disk full"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			l := confined(t, repository(t), `mount -t tmpfs -o `+test.options+` none "$1"`)
			l.lock(t, "staging")
			facts, err := l.Check(t.Context(), remote.CheckRequest{Build: true, NeedBytes: 1 << 30, NeedInodes: 1 << 30})
			require.NoError(t, err)
			require.Equal(t, remote.CodeNoSpace, facts.Problems[0].Code)
			many := []member{}
			for i := range 60 {
				many = append(many, file(strings.Repeat("x", i+1), strings.Repeat("some text ", 3000)))
			}
			a := source(t, "app", "1", many...)
			_, err = l.Begin(t.Context(), a.Source)
			require.NoError(t, err)
			part := newPart()
			require.NoError(t, l.Put(t.Context(), part, bytes.NewReader(a.data), int64(len(a.data)), nil))
			require.NoError(t, l.Receive(t.Context(), part, a.SHA256, int64(len(a.data))))
			err = l.Unpack(t.Context(), a.Source, soon, nil)
			requireRefused(t, err, "step-failed")
			assert.Contains(t, strings.Join(refusal(t, err).Tail, "\n"), "No space left on device")
			part = newPart()
			err = l.Put(t.Context(), part, bytes.NewReader(make([]byte, 2<<20)), 2<<20, nil)
			requireRefused(t, err, "io")
			require.ErrorContains(t, err, test.text)
			require.ErrorContains(t, err, l.root)
			assert.Equal(t, "see: df -h "+l.root+"; df -i "+l.root, refusal(t, err).Hint)
			require.NoError(t, l.Close())
		})
	}
}

// An abandoned build that filled the disk does not prevent the next one, which removes it first.
func TestSpaceThatAKilledBuildTakesIsFree(t *testing.T) {
	t.Parallel()
	fill := building + `mount -t tmpfs -o size=100m,mode=755 none "$1"; mkdir -m 700 "$1/.kis" "$1/.kis/locks" "$1/.kis/run" "$1/.kis/run/0123456789"
: >"$1/.kis/run/0123456789/alive"; building "$1/app-1"; mkdir "$1/notes-2"; `
	ask := remote.CheckRequest{Build: true, Package: pkg(t, "app-2"), NeedBytes: 90 << 20}
	for name, test := range map[string]struct {
		path string
		free bool
	}{
		"half a package":    {"app-1/x", true},
		"a dead run's file": {".kis/run/0123456789/x", true},
		"anything else":     {"notes-2/x", false},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			l := confined(t, repository(t), fill+`head -c 60m /dev/zero >"$1/`+test.path+`"`)
			facts, err := l.Check(t.Context(), ask)
			require.NoError(t, err)
			if test.free {
				assert.Empty(t, facts.Problems)
				return
			}
			require.Len(t, facts.Problems, 1)
			assert.Equal(t, remote.CodeNoSpace, facts.Problems[0].Code)
		})
	}
}

func TestRootThatTurnsImmutable(t *testing.T) {
	t.Parallel()
	requireSuperuser(t)
	l := armed(t)
	immutable := func(on string) { sh(t, l.root, "chattr "+on+"i .") }
	t.Cleanup(func() { immutable("-") })
	immutable("+")
	_, err := l.Commit(t.Context(), l.run)
	requireRefused(t, err, "cannot-rename")
	require.Equal(t, "EPERM", refusal(t, err).Errno)
	err = l.Arm(t.Context(), l.change(t, "app-1", "app-2"), soon)
	requireRefused(t, err, "cannot-arm")
	require.Equal(t, "EPERM", refusal(t, err).Errno)
	require.Equal(t, "app-1", l.linked(t))
	requireNothingArmed(t, l.root)
	immutable("-")
	l.link(t, "app-1", "app-2")
}

func TestUnmanagedStagesAreRefused(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		by   string
		code remote.Code
	}{
		"a directory":        {"mkdir staging", "stage-not-link"},
		"a full directory":   {"mkdir staging; touch staging/index.html", "stage-not-link"},
		"a file":             {"touch staging", "stage-not-link"},
		"leads outside":      {"ln -s /etc staging", "stage-not-managed"},
		"leads up":           {"ln -s ../app-1 staging", "stage-not-managed"},
		"absolute":           {"ln -s $PWD/app-1 staging", "stage-not-managed"},
		"another stage":      {"ln -s production staging", "stage-not-managed"},
		"with a slash":       {"ln -s app-1/ staging", "stage-not-managed"},
		"deeper than a name": {"ln -s app-1/docs staging", "stage-not-managed"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			root := repository(t)
			sh(t, root, test.by)
			l := opened(t, root)
			facts, err := l.Check(t.Context(), remote.CheckRequest{Stage: stage(t, "staging")})
			require.NoError(t, err)
			require.Len(t, facts.Problems, 1)
			assert.Equal(t, test.code, facts.Problems[0].Code)
			assert.Contains(t, facts.Problems[0].Hint, "mv ")
			if test.code == "stage-not-link" {
				_, err = l.Lock(t.Context(), stage(t, "staging"), newRun(), remote.Holder{})
				requireRefused(t, err, test.code)
				sh(t, root, "rm -r staging")
				l.lock(t, "staging") // the refusal has left no lock behind
			}
		})
	}
}

func TestDanglingLinkIsReportedAndReplaced(t *testing.T) {
	t.Parallel()
	l := installed(t, "1")
	sh(t, l.root, "ln -s gone-1 staging")
	facts, err := l.Check(t.Context(), remote.CheckRequest{Stage: l.stage})
	require.NoError(t, err)
	require.Empty(t, facts.Problems)
	require.True(t, facts.Stage.Dangling && facts.Stage.Managed && !facts.Stage.Sealed)
	l.link(t, "gone-1", "app-1")
}

// A rollback restores the previous link, even a dangling one.
func TestRollbackRestoresADanglingLink(t *testing.T) {
	t.Parallel()
	l := installed(t, "1")
	sh(t, l.root, "ln -s gone-1 staging")
	change := l.change(t, "gone-1", "app-1")
	change.Dangling = true
	require.NoError(t, l.Arm(t.Context(), change, soon))
	_, err := l.Commit(t.Context(), l.run)
	require.NoError(t, err)
	_, err = l.Revert(t.Context(), l.run)
	require.NoError(t, err)
	require.Equal(t, "gone-1", l.linked(t))
}

func TestRootIsResolvedOncePerRun(t *testing.T) {
	t.Parallel()
	root, other := unused(t), unused(t)
	link := filepath.Join(t.TempDir(), "link")
	require.NoError(t, os.Symlink(root, link))
	l := opened(t, link)
	facts, err := l.Check(t.Context(), remote.CheckRequest{})
	require.NoError(t, err)
	require.Equal(t, root, facts.Root)
	require.NoError(t, os.Remove(link))
	require.NoError(t, os.Symlink(other, link))
	l.lock(t, "staging")
	require.DirExists(t, filepath.Join(root, ".kis"))
	require.NoDirExists(t, filepath.Join(other, ".kis"))
}

func TestTwoNamesOfOneRepositoryAreDetected(t *testing.T) {
	t.Parallel()
	check := func(root string) remote.Facts {
		facts, err := opened(t, root).Check(t.Context(), remote.CheckRequest{})
		require.NoError(t, err)
		return facts
	}
	first := owner(t, repository(t))
	second := owner(t, repository(t))
	require.NotEmpty(t, first.locked.HostID)
	require.NotEqual(t, first.locked.HostID, second.locked.HostID)
	one, again := check(first.root), check(first.root+"/../"+filepath.Base(first.root))
	require.Equal(t, one.Identity, again.Identity)
	require.Equal(t, first.locked.HostID, again.HostID)
	require.NotEqual(t, one.Identity, check(second.root).Identity)
}

// Without a usable host-id, a clone could not be distinguished from its original.
func TestDamagedHostIDIsReplaced(t *testing.T) {
	t.Parallel()
	for name, damage := range map[string]string{
		"cut off":       "truncate -s 7 host-id",
		"empty":         ": >host-id",
		"of a hand":     "echo web1 >host-id",
		"a pipe":        "rm host-id; mkfifo host-id",
		"a dangling":    "rm host-id; ln -s nowhere host-id",
		"two at a time": "cat host-id host-id >x; mv x host-id",
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			l := owner(t, repository(t))
			first := l.locked.HostID
			require.NoError(t, l.Close())
			sh(t, l.root, "cd .kis; "+damage)
			second := owner(t, l.root)
			require.Regexp(t, "^[0-9a-f]{32}$", second.locked.HostID)
			require.NotEqual(t, first, second.locked.HostID)
			facts, err := second.Check(t.Context(), remote.CheckRequest{})
			require.NoError(t, err)
			require.Equal(t, second.locked.HostID, facts.HostID)
		})
	}
}

func TestHostIDThatIsADirectoryIsNamedWithItsRemedy(t *testing.T) {
	t.Parallel()
	l := owner(t, repository(t))
	require.NoError(t, l.Close())
	sh(t, l.root, "rm .kis/host-id; mkdir .kis/host-id")
	facts, err := opened(t, l.root).Check(t.Context(), remote.CheckRequest{})
	require.NoError(t, err)
	require.Len(t, facts.Problems, 1)
	require.Equal(t, remote.CodeUnusableHostID, facts.Problems[0].Code)
	remedy, pasted := strings.CutPrefix(facts.Problems[0].Hint, "move it away: ")
	require.True(t, pasted)
	sh(t, l.root, remedy)
	require.NotEmpty(t, owner(t, l.root).locked.HostID)
}

func TestDirectoriesArePrivateWithAnyUmask(t *testing.T) {
	t.Parallel()
	for _, mask := range []string{"000", "077", "777"} {
		l, err := launch(t, login(t, "umask "+mask))
		require.NoError(t, err)
		l.root = repository(t)
		require.NoError(t, l.Open(t.Context(), l.root))
		l.lock(t, "staging")
		for _, directory := range []string{"", "armed", "incoming", "journal", "locks", "run"} {
			info, err := os.Stat(filepath.Join(l.root, ".kis", directory))
			require.NoError(t, err)
			require.Equal(t, os.FileMode(0o700), info.Mode().Perm())
		}
	}
}

// An unreadable journal is not an empty one: the check fails.
func TestUnreadableJournalIsNamedWithItsRemedy(t *testing.T) {
	t.Parallel()
	requireSuperuser(t)
	const journal = ".kis/journal/staging"
	for name, test := range map[string]struct{ by, hint string }{
		"another user's":    {"chown root: " + journal + "; chmod 600 " + journal, "give it to the deploying user: sudo "},
		"closed":            {"chmod 0 " + journal, "make it readable: "},
		"a directory":       {"rm " + journal + "; mkdir -m 700 " + journal + "; chown nobody " + journal, "move it away: "},
		"directory of root": {"chown root .kis/journal", ""},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			root := unused(t)
			sh(t, root, "chmod 755 ../..; mkdir -m 700 .kis .kis/journal; touch "+journal+"; ln -s app-1 staging; chown -R nobody .; "+test.by)
			l, err := launch(t, exec.Command("setpriv", "--reuid=nobody", "--clear-groups", "/bin/sh", "-s", "--", "python3"))
			require.NoError(t, err)
			require.NoError(t, l.Open(t.Context(), root))
			facts, err := l.Check(t.Context(), remote.CheckRequest{Stage: stage(t, "staging")})
			require.NoError(t, err)
			require.Len(t, facts.Problems, 1)
			require.Equal(t, &facts.Problems[0], facts.Stage.Unread)
			state, err := l.State(t.Context(), remote.StateRequest{})
			require.NoError(t, err)
			require.Equal(t, facts.Stage.Unread, state.Stages[0].Unread)
			hint, pasted := strings.CutPrefix(facts.Problems[0].Hint, test.hint)
			require.True(t, pasted, facts.Problems[0].Hint)
			if test.hint == "" {
				require.Equal(t, remote.CodeForeignDirectory, facts.Problems[0].Code)
				return
			}
			require.Equal(t, remote.CodeUnreadableJournal, facts.Problems[0].Code)
			sh(t, root, strings.ReplaceAll(hint, "sudo ", ""))
			facts, err = l.Check(t.Context(), remote.CheckRequest{Stage: stage(t, "staging")})
			require.NoError(t, err)
			require.Empty(t, facts.Problems)
		})
	}
}

// gate is a connection that can be blocked.
type gate struct {
	io.Reader
	mu sync.Mutex
}

func (g *gate) Read(p []byte) (int, error) {
	n, err := g.Reader.Read(p)
	g.mu.Lock()
	defer g.mu.Unlock()
	return n, err
}

// The state of a large repository takes a while over a slow connection. Meanwhile the agent answers
// pings, and does not take the slow controller for a dead one.
func TestLargeStateArrivesOverASlowConnection(t *testing.T) {
	t.Parallel()
	root := unused(t)
	g := new(gate)
	l, err := launchOver(t, command(), "", func(out io.Reader) io.Reader { g.Reader = out; return g }, timeouts.Default())
	require.NoError(t, err)
	require.NoError(t, l.Open(t.Context(), root))
	sh(t, root, "mkdir -m 700 .kis .kis/journal")
	for i := range 7 {
		name := "s" + strings.Repeat("x", i)
		sh(t, root, "ln -s app-1 "+name)
		lines := strings.Repeat(strings.Repeat("x", 3999)+"\n", 200)
		require.NoError(t, os.WriteFile(filepath.Join(root, ".kis/journal", name), []byte(lines), 0o600))
	}
	g.mu.Lock()
	run := newPart()
	_, err = io.WriteString(l.in, `{"id":101,"op":"state"}`+"\n"+`{"id":102,"op":"ping"}`+"\n"+
		`{"id":103,"op":"lock","stage":"staging","run":"`+run+`","owner":{}}`+"\n")
	require.NoError(t, err)
	require.Eventually(t, func() bool { _, err := os.Stat(filepath.Join(root, ".kis/run", run)); return err == nil }, soon, 5*time.Millisecond)
	g.mu.Unlock()
	var state remote.RepositoryState
	require.EventuallyWithT(t, func(c *assert.CollectT) { // once the lock is had
		state, err = l.State(t.Context(), remote.StateRequest{})
		assert.NoError(c, err)
	}, soon, 5*time.Millisecond)
	require.Len(t, state.Stages, 7)
}
