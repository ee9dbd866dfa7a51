package remote_test

import (
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/keep-it-simple/kis/remote"
)

// The host computes the content digest from the unpacked files, the controller from the archive.
// Unpack is refused where they differ.
func TestHostComputesTheContentDigestOfTheArchive(t *testing.T) {
	t.Parallel()
	for name, members := range map[string][]member{
		"nothing more":      nil,
		"unicode":           {file("straße/naïve ☃.txt", "x"), file("a/中", "y"), file("combining/e\u0301", "z")},
		"percent and plus":  {file("100%/a%20b", "x"), file("a+b~c", "y"), file("a%2Fb", "z")},
		"spaces and quotes": {file(" a b ", "x"), file("it's \"so\"", "y"), file("$(id) `id` ;&|<>*?[]", "")},
		"leading dash":      {file("-rf", "x"), file("--checkpoint=1", "y")},
		"empty directories": {{name: "empty", mode: 0o755, directory: true}, {name: "a/b/c", mode: 0o700, directory: true}},
		"links":             {file("to", "x"), symlink("link", "to"), symlink("dir/up", "../to"), symlink("dangling", "not there"), symlink("special", "100% ☃")},
		"executable":        {{name: "run.sh", text: "#!/bin/sh\n", mode: 0o755}, {name: "mine", text: "x", mode: 0o700}, {name: "theirs", text: "x", mode: 0o655}},
		"closed to others":  {{name: "secret", text: "x", mode: 0o600}, {name: "read only", text: "x", mode: 0o400}, {name: "dir", mode: 0o700, directory: true}, file("dir/x", "x")},
		"sorted by bytes":   {file("a/b", "1"), file("a.b", "2"), file("a-b", "3"), file("ab", "4"), file("Z", "5")},
		"empty file":        {file("empty", "")},
		"deep and long":     {file(strings.Repeat("deep/", 40)+"x", "x"), file(strings.Repeat("n", 200), "y")},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			l := owner(t, repository(t))
			l.unpack(t, source(t, "app", "1", members...))
		})
	}
}

func TestModesOfAnArchiveAreIgnored(t *testing.T) {
	t.Parallel()
	l := owner(t, repository(t))
	l.unpack(t, source(t, "app", "1",
		member{name: "closed", mode: 0o700, directory: true}, member{name: "closed/x", text: "x", mode: 0o600}, member{name: "run", text: "x", mode: 0o700},
		member{name: "open", text: "x", mode: 0o666}))
	want := map[string]fs.FileMode{".": 0o755, "closed": 0o755, "closed/x": 0o644, "run": 0o755, "open": 0o644, "PKG-INFO": 0o644}
	for name, mode := range want {
		info, err := os.Stat(filepath.Join(l.root, "app-1", name))
		require.NoError(t, err)
		assert.Equal(t, mode, info.Mode().Perm(), "%s: the web server reads it as another user", name)
	}
}

func TestUnpackRefusesOtherContent(t *testing.T) {
	t.Parallel()
	l := owner(t, repository(t))
	good, evil := source(t, "app", "1", file("x", "good")), source(t, "app", "1", file("x", "evil"))
	evil.Content = good.Content
	_, err := l.Begin(t.Context(), evil.Source)
	require.NoError(t, err)
	l.place(t, evil.data)
	requireRefused(t, l.Unpack(t.Context(), evil.Source, soon, nil), "content-mismatch")
	require.NoDirExists(t, filepath.Join(l.root, "app-1"))
	l.place(t, []byte("no archive"))
	broken := good
	broken.SHA256 = digest([]byte("no archive"))
	err = l.Unpack(t.Context(), broken.Source, soon, nil)
	requireRefused(t, err, "step-failed")
	require.ErrorContains(t, err, "tar could not unpack")
	require.NotEmpty(t, refusal(t, err).Tail, "what tar said")
	l.unpack(t, good)
}

func TestSealedPackageIsReadOnly(t *testing.T) {
	t.Parallel()
	l := installed(t, "1")
	require.NoError(t, filepath.WalkDir(filepath.Join(l.root, "app-1"), func(path string, entry fs.DirEntry, err error) error {
		require.NoError(t, err)
		info, err := entry.Info()
		require.NoError(t, err)
		assert.Zero(t, info.Mode().Perm()&0o222, "%s: %v", path, info.Mode())
		assert.Equal(t, fs.FileMode(0o444), info.Mode().Perm()&0o444, "%s: %v", path, info.Mode())
		return nil
	}))
}

func TestSealedPackageIsNotBuiltAgain(t *testing.T) {
	t.Parallel()
	l := owner(t, repository(t))
	a := source(t, "app", "1", file("x", "x"))
	first := l.install(t, a)
	require.Equal(t, a.Content, first.Content)
	require.Equal(t, "ann@laptop", first.By)
	again, err := l.Begin(t.Context(), a.Source)
	require.NoError(t, err)
	require.Equal(t, &first, again)
	any1, err := l.Begin(t.Context(), remote.Source{Package: a.Package})
	require.NoError(t, err)
	require.Equal(t, &first, any1)

	requireRefused(t, l.Unpack(t.Context(), a.Source, soon, nil), "sealed")
	_, err = l.Environment(t.Context(), remote.EnvironmentRequest{Within: soon}, nil)
	requireRefused(t, err, "sealed")
	_, err = l.Seal(t.Context(), a.Source, remote.Provenance{})
	requireRefused(t, err, "sealed")
}

func TestPackageOfOtherOriginIsRefusedWithBothDigests(t *testing.T) {
	t.Parallel()
	l := owner(t, repository(t))
	a := source(t, "app", "1", file("x", "good"))
	l.install(t, a)
	other := source(t, "app", "1", file("x", "evil"))
	_, err := l.Begin(t.Context(), other.Source)
	requireRefused(t, err, "other-content")
	assert.Equal(t, other.Content, refusal(t, err).Ours)
	assert.Equal(t, a.Content, refusal(t, err).Theirs)
	assert.Contains(t, refusal(t, err).Hint, "bump the version")
	recipe := a
	recipe.Recipe = "another"
	_, err = l.Begin(t.Context(), recipe.Source)
	requireRefused(t, err, "other-recipe")
	assert.Equal(t, "another", refusal(t, err).Ours)
	assert.Equal(t, "recipe", refusal(t, err).Theirs)
	text, err := os.ReadFile(filepath.Join(l.root, "app-1/x"))
	require.NoError(t, err)
	require.Equal(t, "good", string(text))
}

func TestNextRunRemovesWhatAKilledRunLeft(t *testing.T) {
	t.Parallel()
	a := source(t, "app", "1", file("x", "x"))
	dead := owner(t, repository(t))
	dead.unpack(t, a)
	dead.kill(t)
	require.NoError(t, os.MkdirAll(filepath.Join(dead.root, "notes-2"), 0o700)) // has a package's name, and is not of kis
	l := opened(t, dead.root)
	l.lock(t, "staging")
	require.NoFileExists(t, dead.locked.Directory)
	require.NoFileExists(t, filepath.Join(l.root, "app-1"))
	require.DirExists(t, filepath.Join(l.root, "notes-2"))
	l.install(t, a)
}

func TestBuildOfAnotherRunIsNotRemoved(t *testing.T) {
	t.Parallel()
	other := owner(t, repository(t))
	other.unpack(t, source(t, "app", "1", file("x", "x")))
	l := opened(t, other.root)
	l.lock(t, "production")
	require.FileExists(t, filepath.Join(l.root, "app-1/x"))
}

func TestMissingPackageIsRefused(t *testing.T) {
	t.Parallel()
	l := owner(t, repository(t))
	_, err := l.Begin(t.Context(), remote.Source{Package: pkg(t, "app-1")})
	requireRefused(t, err, "no-package")
}

// Only the build of a killed run is removed: not a package of a newer kis, nor a linked one.
func TestOnlyInterruptedBuildsAreRemoved(t *testing.T) {
	t.Parallel()
	a := source(t, "app", "1")
	receipt := "app-1/.kis/receipt.json"
	for name, test := range map[string]struct {
		command string
		code    remote.Code
	}{
		"receipt of a newer kis":  {`sed -i 's/"v": 1/"v": 2/' ` + receipt, "unreadable-receipt"},
		"damaged receipt":         {": > " + receipt, "unreadable-receipt"},
		"receipt gone, linked":    {"rm " + receipt + "; ln -s app-1 production", "linked-unsealed"},
		"receipt gone, linked to": {"rm " + receipt + "; ln -s $PWD/app-1/ current", "linked-unsealed"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			l := owner(t, repository(t))
			l.install(t, a)
			sh(t, l.root, test.command)
			_, err := l.Begin(t.Context(), a.Source)
			requireRefused(t, err, test.code)
			require.FileExists(t, filepath.Join(l.root, "app-1/PKG-INFO"))
			requireRefused(t, l.Arm(t.Context(), l.change(t, "", "app-1"), soon), "unsealed")
		})
	}
}

// sh changes a repository as a user on the host would.
func sh(t *testing.T, directory, text string) {
	t.Helper()
	c := exec.Command("/bin/sh", "-euc", text)
	c.Dir = directory
	out, err := c.CombinedOutput()
	require.NoError(t, err, "%s", out)
}

// TestTemporaryFilesHaveAShortName whatever the root is: addresses of Unix sockets have at most 107 bytes. The files are
// below the root all the same, and gone with the run, or with the next one.
func TestTemporaryFilesHaveAShortName(t *testing.T) {
	t.Parallel()
	root := filepath.Join(t.TempDir(), strings.Repeat("long/", 3)+"webcode")
	root += strings.Repeat("x", max(0, 99-len(root)))
	require.NoError(t, os.MkdirAll(root, 0o755))
	l := owner(t, root)
	a := source(t, "app", "1")
	l.unpack(t, a)
	const manager = `python3 -c "import multiprocessing, os; assert len(os.environ['TMPDIR']) < 24, os.environ; multiprocessing.Manager().dict()"`
	var said []string
	listen := func(line string) { said = append(said, line) }
	run := func(l *local, text string) error {
		return l.Run(t.Context(), remote.Commands{Package: a.Package, Commands: []string{text}, Within: soon}, listen)
	}
	require.NoError(t, run(l, manager), "%v", said)
	require.NoError(t, run(l, `echo x >"$TMPDIR/file"; echo "$TMPDIR"; readlink "$TMPDIR"; stat -c %a "$TMPDIR/."`))
	short := said[0]
	assert.Equal(t, []string{l.locked.Directory + "/tmp", "700"}, said[1:])
	assert.FileExists(t, filepath.Join(l.locked.Directory, "tmp/file"))
	require.NoError(t, l.Close())
	l.requireEnd(t)
	assert.NoFileExists(t, short)
	_, err := os.Lstat(short)
	require.ErrorIs(t, err, os.ErrNotExist)

	dead := owner(t, root)
	dead.unpack(t, a)
	said = nil
	require.NoError(t, run(dead, `echo "$TMPDIR"`))
	dead.kill(t)
	_, err = os.Lstat(said[0])
	require.NoError(t, err)
	owner(t, root)
	_, err = os.Lstat(said[0])
	require.ErrorIs(t, err, os.ErrNotExist, "the next run removes it")
}

// TestShortNamesAreNotTakenFromOthers: where no place can have a link, the path itself serves; what is not the run's link stays.
func TestShortNamesAreNotTakenFromOthers(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	sh(t, dir, `mkdir -p run/tmp place; cat >test.py <<'EOF'
import os, sys
sys.path.insert(0, sys.argv[1])
from kisagent import shortname
run, place = os.path.abspath("run"), os.path.abspath("place")
shortname.PLACES = ("/no/such/place", place)
name = shortname.create(run)
assert os.path.dirname(name) == place and os.path.realpath(name) == os.path.realpath("run/tmp"), name
os.unlink(name)
os.symlink("/etc", name)
shortname.remove(run)
assert os.readlink(name) == "/etc" and os.listdir(run) == ["tmp"]
shortname.PLACES = ("/no/such/place",)
assert shortname.create(run) == run + "/tmp" and os.listdir(run) == ["tmp"]
EOF
python3 -B test.py `+here(t))
}

// here is the directory of the agent's modules.
func here(t *testing.T) string {
	t.Helper()
	path, err := filepath.Abs("../scripts")
	require.NoError(t, err)
	return path
}
