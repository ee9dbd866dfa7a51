package remote_test

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/keep-it-simple/kis/remote"
)

// tree lists every member below top with type, mode, size and target.
func tree(t *testing.T, top string) string {
	t.Helper()
	out, err := exec.CommandContext(t.Context(), "find", top, "-type", "d", "-printf", `%P %y %m\n`, "-o", "-printf", `%P %y %m %s %l\n`).CombinedOutput()
	require.NoError(t, err, "%s", out)
	return string(out)
}

// leaving is a tree without the members below a directory.
func leaving(tree, directory string) string {
	var kept []string
	for line := range strings.Lines(tree) {
		if !strings.HasPrefix(line, directory) {
			kept = append(kept, line)
		}
	}
	return strings.Join(kept, "")
}

// building is a script that gives directory $1 the marker of an interrupted build: package and
// inode number.
const building = `building() { mkdir -p "$1/.kis"; : >"$1/.kis/building"
printf '{"v": 1, "package": "%s", "inode": %s}' "${1##*/}" "$(stat -c %i "$1/.kis/building")" >"$1/.kis/building"; }
`

// interrupted is a repository with a build of app-1 that was killed.
func interrupted(t *testing.T) (root string, a archive) {
	t.Helper()
	a = source(t, "app", "1", file("x", "x"))
	dead := owner(t, repository(t))
	dead.unpack(t, a)
	dead.kill(t)
	return dead.root, a
}

// The check refuses a user's file or directory with the name of the package, and no run removes it.
func TestFilesOfUsersAreNotRemoved(t *testing.T) {
	t.Parallel()
	a := source(t, "app", "1", file("x", "x"))
	ask := remote.CheckRequest{Stage: stage(t, "staging"), Package: a.Package, Build: true, NeedBytes: 1, NeedInodes: 1}
	for name, test := range map[string]struct {
		by   string
		code remote.Code
	}{
		"a directory":                    {"mkdir app-1; echo mine >app-1/notes", "foreign-package"},
		"an empty directory":             {"mkdir app-1", "foreign-package"},
		"a file":                         {"echo mine >app-1", "foreign-package"},
		"a link":                         {"mkdir other; echo mine >other/x; ln -s other app-1", "foreign-package"},
		"a dangling link":                {"ln -s nowhere app-1", "foreign-package"},
		"a named pipe":                   {"mkfifo app-1", "foreign-package"},
		"another user's":                 {"mkdir app-1; echo mine >app-1/notes; chown -R nobody app-1", "foreign-package"},
		"with a .kis of its own":         {"mkdir -p app-1/.kis; echo mine >app-1/.kis/notes", "foreign-package"},
		"with an empty .kis":             {"mkdir -p app-1/.kis", "foreign-package"},
		"a closed directory":             {"mkdir app-1; echo mine >app-1/notes; chmod 0 app-1", "foreign-package"},
		"a marker that says nothing":     {"mkdir -p app-1/.kis; : >app-1/.kis/building; echo mine >app-1/notes", "foreign-package"},
		"a marker that is a pipe":        {"mkdir -p app-1/.kis; mkfifo app-1/.kis/building; echo mine >app-1/notes", "foreign-package"},
		"a marker that is a link":        {building + "building other/app-1; mkdir -p app-1/.kis; ln -s ../../other/app-1/.kis/building app-1/.kis/", "foreign-package"},
		"a link to an interrupted build": {building + "building other/app-1; ln -s other/app-1 app-1", "foreign-package"},
		"a .kis that is a link":          {building + "building other/app-1; mkdir app-1; echo mine >app-1/notes; ln -s ../other/app-1/.kis app-1/.kis", "foreign-package"},
		"a marker of another user":       {building + "building app-1; chown nobody app-1/.kis/building", "foreign-package"},
		"an interrupted build renamed":   {building + "building app-2; mv app-2 app-1", "foreign-package"},
		"an interrupted build copied":    {building + "building app-1; mv app-1 old; cp -a old app-1; echo mine >app-1/notes", "foreign-package"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			requireSuperuser(t)
			root := unused(t)
			sh(t, root, test.by)
			before := tree(t, root)
			l := opened(t, root)
			facts, err := l.Check(t.Context(), ask)
			require.NoError(t, err)
			require.Equal(t, before, tree(t, root))
			if assert.Len(t, facts.Problems, 1) {
				assert.Equal(t, test.code, facts.Problems[0].Code)
				assert.Contains(t, facts.Problems[0].Message, root+"/app-1")
			}
			assert.Equal(t, remote.Foreign, facts.Package.State)

			l.lock(t, "production")
			_, err = l.Begin(t.Context(), a.Source)
			requireRefused(t, err, test.code)
			require.Equal(t, leaving(before, " "), leaving(leaving(tree(t, root), ".kis"), " "))
			require.NoError(t, l.Close())

			// What kis tells its user to type frees the name, and loses nothing.
			sh(t, root, facts.Problems[0].Hint[len("inspect it, then move it away: "):])
			l = owner(t, root)
			facts, err = l.Check(t.Context(), ask)
			require.NoError(t, err)
			require.Empty(t, facts.Problems)
			l.install(t, a)
			_, err = os.Lstat(filepath.Join(root, "app-1~before-kis"))
			require.NoError(t, err)
		})
	}
}

// A copy of a package, or a package without receipt, resembles a build that was interrupted late,
// but has no valid marker.
func TestCopyOfAPackageIsNotRemoved(t *testing.T) {
	t.Parallel()
	next := source(t, "app", "2", file("x", "x"))
	for name, test := range map[string]struct {
		by   string
		code remote.Code
	}{
		"copied":                             {"cp -a app-1 app-2", "unreadable-receipt"},
		"copied without receipt":             {"cp -a app-1 app-2; chmod u+w app-2/.kis; rm -f app-2/.kis/receipt.json", "foreign-package"},
		"copied without receipt or manifest": {"cp -a app-1 app-2; chmod u+w app-2/.kis; rm -f app-2/.kis/receipt.json app-2/.kis/manifest", "foreign-package"},
		"renamed without receipt":            {"mv app-1 app-2; chmod u+w app-2/.kis; rm -f app-2/.kis/receipt.json", "foreign-package"},
		"copied without receipt and linked":  {"cp -a app-1 app-2; chmod u+w app-2/.kis; rm -f app-2/.kis/receipt.json; ln -s app-2 production", "linked-unsealed"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			l := installed(t, "1")
			sh(t, l.root, test.by)
			require.NoError(t, l.Close())
			before := tree(t, filepath.Join(l.root, "app-2"))
			l = opened(t, l.root)
			facts, err := l.Check(t.Context(), remote.CheckRequest{Package: next.Package, Build: true, NeedBytes: 1, NeedInodes: 1})
			require.NoError(t, err)
			if assert.Len(t, facts.Problems, 1) {
				assert.Equal(t, test.code, facts.Problems[0].Code)
			}
			l.lock(t, "staging")
			_, err = l.Begin(t.Context(), next.Source)
			requireRefused(t, err, test.code)
			require.Equal(t, before, tree(t, filepath.Join(l.root, "app-2")))
		})
	}
}

// An interrupted build is removed with all its files, unless a file system is mounted in it.
func TestInterruptedBuildIsRemovedUnlessItHasAMount(t *testing.T) {
	t.Parallel()
	for name, where := range map[string]string{"on it": "", "in it": "/static", "with spaces": "/my files"} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			root, a := interrupted(t)
			mine := t.TempDir()
			require.NoError(t, os.WriteFile(filepath.Join(mine, "mine"), nil, 0o600))
			l := confined(t, root, `mkdir -p "$1/app-1`+where+`"; mount --bind `+mine+` "$1/app-1`+where+`"`)
			facts, err := l.Check(t.Context(), remote.CheckRequest{Package: a.Package, Build: true, NeedBytes: 1, NeedInodes: 1})
			require.NoError(t, err)
			require.Len(t, facts.Problems, 1)
			assert.Equal(t, remote.CodeMounted, facts.Problems[0].Code)
			command, found := strings.CutPrefix(facts.Problems[0].Hint, "unmount it: sudo umount ")
			assert.True(t, found)
			assert.Equal(t, root+"/app-1"+where, strings.Trim(command, "'"))
			l.lock(t, "staging")
			_, err = l.Begin(t.Context(), a.Source)
			requireRefused(t, err, "mounted")
			require.NoError(t, l.Close())
			require.FileExists(t, filepath.Join(mine, "mine"))
			require.FileExists(t, filepath.Join(root, "app-1/PKG-INFO"))
			owner(t, root).install(t, a) // the mount was of that agent's namespace
			require.FileExists(t, filepath.Join(mine, "mine"))
		})
	}
}

// A directory created after the check is not replaced, not even an empty one.
func TestDirectoryThatAppearsDuringABuildIsNotReplaced(t *testing.T) {
	t.Parallel()
	l, a := owner(t, repository(t)), source(t, "app", "1")
	_, err := l.Begin(t.Context(), a.Source)
	require.NoError(t, err)
	l.place(t, a.data)
	sh(t, l.root, "mkdir -m 711 app-1")
	requireRefused(t, l.Unpack(t.Context(), a.Source, soon, nil), "foreign-package")
	info, err := os.Stat(filepath.Join(l.root, "app-1"))
	require.NoError(t, err)
	require.Equal(t, os.FileMode(0o711), info.Mode().Perm())
}

// Every run sweeps kis's own directories, and keeps what a user put there.
func TestSweepKeepsFilesOfUsers(t *testing.T) {
	t.Parallel()
	incoming := func(text string) string { return ".kis/incoming/" + digest([]byte(text)) }
	users := []string{
		// named like a probe
		"echo mine >.kis-probe.notes", "echo mine >.kis-probe.0000000001", "mkdir -p .kis-probe.0000000002/mine", "ln -s mine .kis-probe.0000000003",
		// among the prepared links
		"echo mine >.kis/armed/staging.0000000001", "echo mine >.kis/armed/staging.notes", "ln -s app-1 .kis/armed/staging.my-own",
		"mkdir -p .kis/armed/staging.0000000002/mine", "ln -s /srv/mine .kis/armed/staging.0000000003",
		// among the runs: also a link there, and a run's file that is one
		"mkdir .kis/run/backup; echo mine >.kis/run/backup/x", "mkdir .kis/run/0000000001; echo mine >.kis/run/0000000001/x", "echo mine >.kis/run/0000000002",
		"mkdir mine; : >mine/alive; ln -s ../../mine .kis/run/0000000003", "mkdir .kis/run/0000000004; : >alive; ln -s ../../../alive .kis/run/0000000004/alive",
		// old, among the uploads
		"echo mine >.kis/incoming/notes; touch -d 2001-01-01 .kis/incoming/notes", "ln -s mine " + incoming("link") + "; touch -hd 2001-01-01 " + incoming("link"),
		"mkdir " + incoming("directory") + "; touch -d 2001-01-01 " + incoming("directory"),
		// a package's name, in no package: with a .kis, and with the marker of another one
		"mkdir notes-2; echo mine >notes-2/x", "mkdir -p notes-3/.kis; echo mine >notes-3/x", building + "building notes-4; mv notes-4 notes-5",
	}
	first := owner(t, repository(t))
	require.NoError(t, first.Close())
	first.requireEnd(t)
	for _, command := range users {
		sh(t, first.root, command)
	}
	before := tree(t, first.root)
	for _, name := range []string{"staging", "production"} {
		l := opened(t, first.root)
		l.lock(t, name)
		require.NoError(t, l.Close())
		l.requireEnd(t)
	}
	require.Equal(t, leaving(before, ".kis/locks/"), leaving(tree(t, first.root), ".kis/locks/"))
}
