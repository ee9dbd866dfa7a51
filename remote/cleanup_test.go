package remote_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/keep-it-simple/kis/remote"
)

// packages is what the agent says of each package, where every stage keeps so many.
func (l *local) packages(t *testing.T, keep int) map[string]remote.InstalledPackage {
	t.Helper()
	state, err := l.State(t.Context(), remote.StateRequest{Keep: keep, PackagesOnly: true})
	require.NoError(t, err)
	require.Empty(t, state.Stages)
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

// The hint names a prune only where it frees something, and says how much.
func TestAFullDiskIsPrunedOnlyIfThatHelps(t *testing.T) {
	t.Parallel()
	l := installed(t, "1", "2", "3")
	l.link(t, "", "app-1")
	require.NoError(t, l.Close())
	sh(t, l.root, `for i in 1 2 3; do chmod u+w app-$i/.kis app-$i/.kis/receipt.json; sed -i "s/\"created\": \"20../\"created\": \"203$i/" app-$i/.kis/receipt.json; done`)
	l = opened(t, l.root)
	problem := func(r remote.CheckRequest) remote.Problem {
		r.Build, r.Stage, r.Package = true, stage(t, "staging"), pkg(t, "app-4")
		facts, err := l.Check(t.Context(), r)
		require.NoError(t, err)
		require.NotEmpty(t, facts.Problems)
		return facts.Problems[0]
	}
	for keep, want := range map[int]string{
		0: "", 1: "free 1 MiB by removing old packages (1 here): kis prune staging\n", 2: "", // app-2 is neither linked nor the newest
	} {
		p := problem(remote.CheckRequest{NeedBytes: 1 << 50, Keep: keep})
		assert.Equal(t, remote.CodeNoSpace, p.Code)
		assert.Equal(t, want+"see: df -h "+l.root+"; du -sh "+l.root+"/*", p.Hint)
	}
	assert.Contains(t, problem(remote.CheckRequest{NeedInodes: 1 << 50, Keep: 1}).Hint, "inodes by removing old packages (1 here): kis prune staging\n")
	// The newest package of the project says how much an environment takes.
	size := int64(1) << 49
	sh(t, l.root, fmt.Sprintf(`sed -i 's/"size": [0-9]*/"size": %d/' app-3/.kis/receipt.json`, size))
	assert.Contains(t, problem(remote.CheckRequest{SpareBytes: 1}).Message, fmt.Sprintf("%d MiB needed", size>>20+1))
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

// Random histories against a model of what is promised, see testdata/histories.py. The controller
// and the agent agree on what a rollback links.
func requireHistories(t *testing.T, seed, count int) {
	t.Helper()
	t.Logf("python3 remote/testdata/histories.py DIRECTORY %d %d", seed, count)
	directory, err := os.MkdirTemp("/dev/shm", "kis-histories-") //nolint:usetesting // a disk takes ten times as long
	require.NoError(t, err)
	t.Cleanup(func() { _ = exec.Command("rm", "-rf", directory).Run() })
	var failed bytes.Buffer
	cmd := exec.CommandContext(t.Context(), "/usr/bin/python3", "testdata/histories.py", directory, strconv.Itoa(seed), strconv.Itoa(count))
	cmd.Stderr = &failed
	out, err := cmd.Output()
	require.NoError(t, err, "%s", failed.String())
	seen, with := 0, 0
	for line := range bytes.Lines(out) {
		var stages []struct {
			Lines            []string
			Linked, Previous string
		}
		require.NoError(t, json.Unmarshal(line, &stages))
		for _, s := range stages {
			require.Equal(t, s.Previous, remote.ParseJournal(s.Lines).Previous(s.Linked).String(), "linked %q: %q", s.Linked, s.Lines)
			if s.Previous != "" {
				with++
			}
		}
		seen++
	}
	require.Equal(t, count, seen)
	require.Greater(t, with, count/4, "histories without anything to roll back to test nothing")
}

func TestRandomHistoriesOfPushesAndPrunes(t *testing.T) {
	t.Parallel()
	for share := range 2 {
		t.Run(strconv.Itoa(share), func(t *testing.T) {
			t.Parallel()
			requireHistories(t, 1+share*1_000_000, 150) // make test-recovery: 5,000
		})
	}
}
