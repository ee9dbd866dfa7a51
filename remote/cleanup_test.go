package remote_test

import (
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/keep-it-simple/kis/remote"
)

// packages is what the agent says of each package, where every stage keeps so many.
func (l *local) packages(t *testing.T, keep int) map[string]remote.InstalledPackage {
	t.Helper()
	state, err := l.State(t.Context(), remote.StateRequest{Lines: 1, Keep: keep})
	require.NoError(t, err)
	found := map[string]remote.InstalledPackage{}
	for _, p := range state.Packages {
		found[p.Name.String()] = p
	}
	return found
}

// remove removes a package in a session of its own, which holds no stage's lock.
func remove(t *testing.T, root, name string) (remote.Removed, error) {
	t.Helper()
	l := opened(t, root)
	defer func() { require.NoError(t, l.Close()) }()
	return l.Remove(t.Context(), pkg(t, name), newRun(), remote.Holder{Who: "ann@laptop", What: "remove"})
}

func requireGone(t *testing.T, root, name string) {
	t.Helper()
	require.NoDirExists(t, filepath.Join(root, name))
	require.NoFileExists(t, filepath.Join(root, ".kis/locks/build."+name))
	runs, err := os.ReadDir(filepath.Join(root, ".kis/run"))
	require.NoError(t, err)
	for _, r := range runs {
		swept, err := filepath.Glob(filepath.Join(root, ".kis/run", r.Name(), "swept-*"))
		require.NoError(t, err)
		require.Empty(t, swept)
	}
}

func TestRemoveRefusesWhatIsNeeded(t *testing.T) {
	t.Parallel()
	l := installed(t, "1", "2", "3", "4", "5")
	l.link(t, "", "app-1")
	l.link(t, "app-1", "app-2")
	require.NoError(t, l.Close())
	l = owner(t, l.root)
	receipt, err := l.Begin(t.Context(), remote.Source{Package: pkg(t, "app-5")})
	require.NoError(t, err)
	require.NotNil(t, receipt)
	require.NoError(t, os.Symlink("app-3/static", filepath.Join(l.root, "assets")))
	inside := exec.Command("sleep", "60")
	inside.Dir = filepath.Join(l.root, "app-4")
	require.NoError(t, inside.Start())
	defer func() { _ = inside.Process.Kill(); _ = inside.Wait() }()

	for name, why := range map[string]string{
		"app-1": "app-1 is needed: a rollback of staging links it",
		"app-2": "app-2 is needed: staging is linked to it",
		"app-3": "app-3 is needed: assets is linked to it",
		"app-4": "(sleep) uses it",
	} {
		_, err := remove(t, l.root, name)
		requireRefused(t, err, remote.CodeNeeded)
		assert.Contains(t, err.Error(), why)
		require.DirExists(t, filepath.Join(l.root, name))
	}
	_, err = remove(t, l.root, "app-5")
	requireRefused(t, err, remote.CodeLocked) // a run is about to link it
	_, err = remove(t, l.root, "app-6")
	requireRefused(t, err, remote.CodeNoPackage)

	found := l.packages(t, 1)
	assert.Equal(t, remote.Confirmed, found["app-1"].History)
	assert.Equal(t, remote.NeverLinked, found["app-3"].History)
	for name, p := range found {
		assert.NotEmpty(t, p.Needed, name)
		assert.False(t, p.Unneeded, name)
	}
	require.NoError(t, l.Close())
	removed, err := remove(t, l.root, "app-5")
	require.NoError(t, err)
	assert.Positive(t, removed.Bytes)
	assert.Positive(t, removed.Files)
	requireGone(t, l.root, "app-5")
}

// A run that did not complete may be completed or rolled back by the next one.
func TestRemoveRefusesWhatAnIncompleteRunNames(t *testing.T) {
	t.Parallel()
	l := installed(t, "1", "2", "3")
	l.link(t, "", "app-1")
	l.link(t, "app-1", "app-2")
	require.NoError(t, l.Arm(t.Context(), l.change(t, "app-2", "app-3"), soon))
	_, err := l.Commit(t.Context(), l.run)
	require.NoError(t, err)
	l.kill(t)
	for _, name := range []string{"app-2", "app-3"} {
		_, err := remove(t, l.root, name)
		requireRefused(t, err, remote.CodeNeeded)
		assert.Contains(t, err.Error(), "an incomplete run of staging names it")
	}
}

func TestRemovedPackageCanBePushedAgainWithOtherContent(t *testing.T) {
	t.Parallel()
	l := installed(t, "1")
	require.NoError(t, l.Close())
	_, err := remove(t, l.root, "app-1")
	require.NoError(t, err)
	next := owner(t, l.root)
	next.install(t, source(t, "app", "1", file("other", "content")))
	next.link(t, "", "app-1")
}

// An archive is needed as long as a receipt names it, and while another run may be about to use it.
func TestArchivesGoWithTheLastPackageThatNamesThem(t *testing.T) {
	t.Parallel()
	l := owner(t, repository(t))
	one, two := source(t, "app", "1"), source(t, "app", "2")
	l.install(t, one)
	l.install(t, two)
	wheel := []byte("a wheel of no package")
	l.place(t, wheel)
	archive := func(sha256 string) string { return filepath.Join(l.root, ".kis/incoming", sha256) }
	_, err := remove(t, l.root, "app-1")
	require.NoError(t, err)
	require.FileExists(t, archive(one.SHA256), "a run is alive")
	require.NoError(t, l.Close())
	l = owner(t, l.root)
	l.install(t, source(t, "app", "3"))
	_, err = l.Remove(t.Context(), pkg(t, "app-2"), l.run, remote.Holder{})
	require.NoError(t, err)
	require.NoFileExists(t, archive(one.SHA256))
	require.NoFileExists(t, archive(two.SHA256))
	require.NoFileExists(t, archive(digest(wheel)))
	left, err := os.ReadDir(filepath.Join(l.root, ".kis/incoming"))
	require.NoError(t, err)
	require.Len(t, left, 1)
}

// A run that has found the package installed holds its lock from before it links until it ends.
func TestNoPackageVanishesBetweenItsCheckAndItsLink(t *testing.T) {
	t.Parallel()
	for _, begins := range []bool{true, false} {
		l := installed(t, "1", "2")
		require.NoError(t, l.Close())
		l = owner(t, l.root)
		if begins {
			_, err := l.Begin(t.Context(), remote.Source{Package: pkg(t, "app-1")})
			require.NoError(t, err)
			_, err = remove(t, l.root, "app-1")
			requireRefused(t, err, remote.CodeLocked)
		}
		require.NoError(t, l.Arm(t.Context(), l.change(t, "", "app-1"), soon))
		_, err := remove(t, l.root, "app-1")
		requireRefused(t, err, remote.CodeLocked)
		_, err = l.Commit(t.Context(), l.run)
		require.NoError(t, err)
		require.NoError(t, l.Confirm(t.Context(), l.run, remote.Note{}))
	}
	l := installed(t, "1", "2")
	require.NoError(t, l.Close())
	_, err := remove(t, l.root, "app-1")
	require.NoError(t, err)
	l = owner(t, l.root)
	requireRefused(t, l.Arm(t.Context(), l.change(t, "", "app-1"), soon), remote.CodeNoPackage)
}

// Nothing outside of the package goes with it, whatever it links to.
func TestRemoveFollowsNoLink(t *testing.T) {
	t.Parallel()
	l := owner(t, repository(t))
	media := filepath.Join(l.root, "shared/media")
	require.NoError(t, os.MkdirAll(media, 0o755))
	require.NoError(t, os.WriteFile(filepath.Join(media, "photo"), nil, 0o600))
	l.install(t, source(t, "app", "1"))
	l.install(t, source(t, "app", "2"))
	sh(t, l.root, "chmod u+w app-1; ln -s ../shared/media app-1/media; ln -s "+media+"/photo app-1/photo; chmod u-w app-1")
	// An impostor: its receipt is another package's directory away
	elsewhere := t.TempDir()
	sh(t, l.root, `cp -a app-2 `+elsewhere+`/app-3; cd `+elsewhere+`; chmod -R u+w app-3; sed -i s/app-2/app-3/ app-3/.kis/receipt.json; ln -s $PWD/app-3 `+l.root+`/app-3`)
	require.NoError(t, l.Close())
	_, err := remove(t, l.root, "app-1")
	require.NoError(t, err)
	requireGone(t, l.root, "app-1")
	require.FileExists(t, filepath.Join(media, "photo"))
	_, err = remove(t, l.root, "app-3")
	require.Error(t, err)
	require.FileExists(t, filepath.Join(elsewhere, "app-3/.kis/receipt.json"))
}
