package recovery

import (
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/keep-it-simple/kis/internal/testenv"
	"github.com/keep-it-simple/kis/internal/testenv/hosttest"
)

// look is what status has to say of the two hosts of a site after something was done to them.
type look struct {
	after   string
	do      func(w *testenv.Env)
	exit    int
	verdict string
	says    []string
}

// pushed pushes a new version. With --hosts the oracle is to look at one host only.
func pushed(w *testenv.Env, version string, args ...string) {
	w.T.Helper()
	w.Version(version)
	archive := w.Archive()
	w.Install(archive)
	w.Run(0, "hello-"+version, append([]string{"push", "staging", "--sdist", archive}, args...)...)
}

// cutShort pushes a new version and kills kis while the hosts, which have switched, run the after-link command.
func cutShort(w *testenv.Env, version string) {
	w.T.Helper()
	usual := testenv.InventoryText(w.Hosts, "")
	w.Inventory("stages:\n  staging: {hosts: [web1, web2], after_link: [sleep 1000]}\n")
	defer w.Inventory(usual)
	w.Version(version)
	s := w.Start("push", "staging", "-o", "json", "--sdist", w.Archive())
	for _, h := range w.Hosts {
		s.Saw(h.Name, "after_link", "started", time.Minute)
	}
	s.Signal(syscall.SIGKILL)
	s.End(10 * time.Second)
	w.Quiet(10 * time.Second)
}

// TestStatusExplainsWhatIs: whatever has happened, text and JSON say it, with the exit status that belongs to it and the command that mends it.
// What an interrupted switch leaves is in internal/test/recovery.
func TestStatusExplainsWhatIs(t *testing.T) {
	t.Parallel()
	w := testenv.New(t, 2, hosttest.Options{})
	onWeb2 := func(command string) func(w *testenv.Env) {
		return func(w *testenv.Env) { w.Hosts[1].Shell(w.T, "cd /var/webcode && "+command) }
	}
	for _, c := range []look{
		{"nothing", func(*testenv.Env) {}, 0, "uniform", []string{"the same on all hosts", "nothing"}},
		{"a push", func(w *testenv.Env) { pushed(w, "0.3") }, 0, "uniform", []string{"hello-0.3", "since 20", " by "}},
		{
			"a push to one host", func(w *testenv.Env) { pushed(w.On("web1"), "0.4", "--hosts", "web1") }, 5, "subset",
			[]string{"narrowed by --hosts", "next: kis link staging hello-0.4", "next: kis rollback staging --to hello-0.3"},
		},
		{"a push to both", func(w *testenv.Env) { pushed(w, "0.4") }, 0, "uniform", []string{"hello-0.4"}},
		{
			"a push that was cut short", func(w *testenv.Env) { cutShort(w, "0.3") }, 0, "unconfirmed",
			[]string{"the last run was interrupted", "push of hello-0.3 by ", "next: kis link staging hello-0.3", "next: kis rollback staging --to hello-0.4"},
		},
		{"its remedy", func(w *testenv.Env) { w.Run(0, "hello-0.3", "link", "staging", "hello-0.3") }, 0, "uniform", []string{"hello-0.3"}},
		{
			"a link by hand", onWeb2("ln -sfn hello-0.4 staging"), 5, "drift",
			[]string{"drift: linked to hello-0.4, but kis linked it to hello-0.3", "next: kis link staging hello-0.3"},
		},
		{
			"a link that leads nowhere", onWeb2("ln -sfn hello-7.7 staging"), 5, "drift",
			[]string{"drift: linked to hello-7.7, which does not exist", "next: kis link staging hello-0.3"},
		},
		{"its remedy", func(w *testenv.Env) { assert.Equal(w.T, 0, w.Kis("link", "staging", "hello-0.3").Exit) }, 0, "uniform", nil}, // no visitor gets through before it
		{
			"a link that somebody has removed", onWeb2("rm staging"), 5, "drift",
			[]string{"but kis linked it to hello-0.3", "next: kis link staging hello-0.3"},
		},
		{"its remedy", func(w *testenv.Env) { w.Run(0, "hello-0.3", "link", "staging", "hello-0.3") }, 0, "uniform", nil},
		{"a lost journal", onWeb2("rm .kis/journal/staging"), 5, "drift", []string{"drift: linked outside kis: the journal is empty"}},
		{"its remedy", func(w *testenv.Env) { w.Run(0, "hello-0.3", "link", "staging", "hello-0.3") }, 0, "uniform", nil},
		{
			"a journal that is root's", func(w *testenv.Env) {
				onWeb2("chown root: .kis/journal/staging")(w)
				hint := "hint: give it to the deploying user: sudo chown kistest /var/webcode/.kis/journal/staging"
				for _, command := range []struct {
					exit int
					line []string
				}{{5, []string{"log", "staging"}}, {3, []string{"check", "staging"}}, {3, []string{"link", "staging", "hello-0.3"}}} {
					r := w.Kis(command.line...)
					assert.Equal(w.T, command.exit, r.Exit)
					assert.Contains(w.T, r.Err, "web2: check: the journal cannot be read: /var/webcode/.kis/journal/staging: permission denied")
					assert.Contains(w.T, r.Err, hint)
				}
			}, 5, "drift",
			[]string{"drift: the journal cannot be read: ", "hint: web2: give it to the deploying user: sudo chown kistest "},
		},
		{"its remedy", onWeb2("chown kistest: .kis/journal/staging"), 0, "uniform", []string{"hello-0.3"}},
		{
			"a changed package", onWeb2("chmod u+w hello-0.3/VERSION && echo 9.9 >hello-0.3/VERSION"), 5, "drift",
			[]string{"hello-0.3 is not as it was sealed", "hint: web2: packages are never changed: bump the version"},
		},
		{"its remedy", func(w *testenv.Env) { pushed(w, "0.5") }, 0, "uniform", []string{"hello-0.5"}},
		{"a host is gone", func(w *testenv.Env) { w.Hosts[1].Kill() }, 5, "unknown", []string{"unknown on some hosts", "web2  unknown", "connection refused", "next: kis status staging    # when web2 is reachable"}},
		{"it is back", func(w *testenv.Env) { w.Hosts[1].Restart(w.T) }, 0, "uniform", []string{"hello-0.5"}},
	} {
		if !t.Run(c.after, func(t *testing.T) {
			w := w.In(t)
			c.do(w)
			c.check(w)
		}) {
			return // what it has left is no state to begin with
		}
	}
}

// check asks for the status as a person does, and as a program does.
func (c look) check(w *testenv.Env) {
	w.T.Helper()
	text := w.Kis("status", "staging")
	assert.Equal(w.T, c.exit, text.Exit)
	for _, part := range c.says {
		assert.Contains(w.T, text.Out, part)
	}
	told := w.Kis("status", "staging", "-o", "json")
	assert.Equal(w.T, c.exit, told.Exit)
	all := told.Events(w.T)
	require.Len(w.T, all, 1)
	assert.Equal(w.T, c.verdict, all[0].Status.Verdict)
	require.Len(w.T, all[0].Status.Hosts, len(w.Hosts))
	for _, next := range all[0].Status.Next {
		assert.Contains(w.T, text.Out, "next: "+next.Command)
	}
	assert.Len(w.T, all[0].Status.Next, strings.Count(text.Out, "next: "))
}

// TestLogTellsOfRunsAndWhereHostsDisagree reads the journals of a fleet: who, from where, with what key, of what revision, and how it ended.
func TestLogTellsOfRunsAndWhereHostsDisagree(t *testing.T) {
	t.Parallel()
	w := testenv.New(t, 2, hosttest.Options{})
	git := func(args ...string) string { // whatever the configuration of who runs the tests is
		own := []string{"GIT_CONFIG_GLOBAL=/dev/null", "GIT_CONFIG_NOSYSTEM=1", "git", "-C", w.Dir, "-c", "user.name=ann", "-c", "user.email=ann@example.org"}
		return hosttest.Run(t, "env", append(own, args...)...)
	}
	git("init", "-q")
	git("add", ".")
	git("commit", "-q", "-m", "first")
	revision := strings.TrimSpace(git("rev-parse", "--short", "HEAD"))
	w.Run(0, "hello-0.3", "push", "staging")
	pushed(w.On("web1"), "0.4", "--hosts", "web1")
	w.Run(0, "hello-0.4", "push", "staging", "--sdist", w.Archive())
	cutShort(w, "0.3")

	r := w.Kis("log", "staging")
	assert.Equal(t, 0, r.Exit)
	lines := strings.Split(strings.TrimSpace(r.Out), "\n")
	require.Len(t, lines, 4)
	for i, parts := range [][]string{
		{"push", "hello-0.4 → hello-0.3", "unconfirmed"},
		{"push", "hello-0.3 → hello-0.4", "confirmed on web2"},
		{"push", "hello-0.3 → hello-0.4", "confirmed on web1"},
		{"push", "nothing → hello-0.3", "confirmed", "git " + revision},
	} {
		for _, part := range parts {
			assert.Contains(t, lines[i], part)
		}
	}

	// One host's journal says something else: somebody has lost lines, or has written some.
	journal := filepath.Join(w.Hosts[1].Repo, ".kis", "journal", "staging")
	hosttest.Run(t, "sed", "-i", "-e", "$d", journal)
	hosttest.Run(t, "sed", "-i", "-e", "$d", journal)
	verbose := w.Kis("log", "staging", "-v").Out
	for _, part := range []string{"unconfirmed on web1; armed on web2", "    from     127.", "    key      SHA256:", "    content  sha256:", "    scope    subset", "    hosts    web1, web2", "    skew     ", "    run      "} {
		assert.Contains(t, verbose, part)
	}
	w.Hosts[1].Kill()
	assert.Equal(t, 5, w.Kis("log", "staging").Exit, "a host cannot be asked")
}
