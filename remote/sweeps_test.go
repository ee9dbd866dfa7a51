//go:build recovery

package remote_test

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/keep-it-simple/kis/remote"
	"github.com/keep-it-simple/kis/scripts"
)

// sweep calls one for the first system call of each group, the second, and so on, until there is
// none.
func sweep(t *testing.T, groups, faults []string, one func(t *testing.T, group, fault string, n int) bool) {
	t.Helper()
	for _, group := range groups {
		t.Run(group, func(t *testing.T) {
			t.Parallel()
			for _, fault := range faults {
				n := 1
				for one(t, group, fault, n) {
					n++
				}
				require.Greater(t, n, 1, "no %s at all: the sweep tests nothing", group)
			}
		})
	}
}

// Whichever call fails, and wherever the agent is killed: the link is the old or the new one, the
// answer of the agent is true, the journal agrees, and the next run can link.
func TestLinkSurvivesEveryFailingCall(t *testing.T) {
	t.Parallel()
	base := installed(t, "1", "2")
	require.NoError(t, base.Close())
	faults := []string{"EIO", "SIGKILL", "ENOSPC", "EROFS"}
	sweep(t, []string{"rename", "unlink", "symlink", "fsync"}, faults, func(t *testing.T, group, fault string, n int) bool {
		root := clone(t, base.root)
		first := opened(t, root)
		first.lock(t, "staging")
		first.link(t, "", "app-1")
		broken := first.inject(t, group, fault, n)
		armed := first.Arm(t.Context(), first.change(t, "app-1", "app-2"), soon)
		word := said(armed)
		if armed == nil {
			_, err := first.Commit(t.Context(), first.run)
			word = said(err)
		}
		reached := broken.happened(t)
		place := fmt.Sprintf("%s %s %d: %s", group, fault, n, word)
		linked := first.linked(t)
		switch word {
		case "done":
			require.Equal(t, "app-2", linked, place)
		case "refused":
			require.Equal(t, "app-1", linked, place)
		default:
			require.Equal(t, "SIGKILL", fault, place)
			require.Contains(t, []string{"app-1", "app-2"}, linked, place)
		}
		first.stop()
		first.requireEnd(t)
		next := successor(t, first)
		found := events(t, root)
		want := map[string][]string{"app-1": {"aborted", "confirmed"}, "app-2": {"linked", "unconfirmed"}}[linked]
		require.Contains(t, want, found[len(found)-1], "%s: %v", place, found)
		requireNothingArmed(t, root)
		if linked == "app-2" {
			next.link(t, "app-2", "app-1")
		}
		next.link(t, "app-1", "app-2")
		requireNoProbe(t, root)
		return reached || word == "lost"
	})
}

func TestRevertSurvivesEveryFailingCall(t *testing.T) {
	t.Parallel()
	base := installed(t, "1", "2")
	require.NoError(t, base.Close())
	sweep(t, []string{"rename", "symlink", "fsync"}, []string{"EIO", "SIGKILL"}, func(t *testing.T, group, fault string, n int) bool {
		root := clone(t, base.root)
		first := opened(t, root)
		first.lock(t, "staging")
		first.link(t, "", "app-1")
		require.NoError(t, first.Arm(t.Context(), first.change(t, "app-1", "app-2"), soon))
		_, err := first.Commit(t.Context(), first.run)
		require.NoError(t, err)
		broken := first.inject(t, group, fault, n)
		_, err = first.Revert(t.Context(), first.run)
		reached := broken.happened(t)
		place, linked, lost := fmt.Sprintf("%s %s %d: %s", group, fault, n, said(err)), first.linked(t), said(err) == "lost"
		switch said(err) {
		case "done":
			require.Equal(t, "app-1", linked, place)
		case "refused":
			require.Equal(t, "app-2", linked, place)
		default:
			require.Contains(t, []string{"app-1", "app-2"}, linked, place)
		}
		first.stop()
		first.requireEnd(t)
		// The link prepared for the rollback must not look like a commit that did not happen.
		asking := opened(t, root)
		fenced, err := asking.Fence(t.Context(), first.stage, first.run)
		require.NoError(t, err)
		require.Equal(t, remote.Fenced{Linked: linked, Durable: true}, fenced, place)
		next := successor(t, first)
		found := events(t, root)
		want := map[string][]string{"app-1": {"reverted"}, "app-2": {"linked", "unconfirmed"}}[linked]
		require.Contains(t, want, found[len(found)-1], "%s: %v", place, found)
		requireNothingArmed(t, root)
		if linked == "app-2" {
			require.NoError(t, next.resume(t, next.change(t, "app-1", "app-2")))
			_, err = next.Revert(t.Context(), next.run)
			require.NoError(t, err)
		}
		require.Equal(t, "app-1", next.linked(t))
		return reached || lost
	})
}

// A seal that fails anywhere leaves a directory that is built again, or a package that matches its
// receipt.
func TestSealSurvivesEveryFailingCall(t *testing.T) {
	t.Parallel()
	a := source(t, "app", "1", file("version", "1"))
	base := owner(t, repository(t))
	base.kill(t)
	sweep(t, []string{"rename", "unlink", "fsync", "syncfs"}, []string{"ENOSPC", "SIGKILL"}, func(t *testing.T, group, fault string, n int) bool {
		first := opened(t, clone(t, base.root))
		first.lock(t, "staging")
		first.unpack(t, a)
		first.freeze(t)
		broken := first.inject(t, group, fault, n)
		_, err := first.Seal(t.Context(), a.Source, remote.Provenance{})
		reached := broken.happened(t)
		place := fmt.Sprintf("%s %s %d: %v", group, fault, n, err)
		require.NotEqual(t, "lost", said(err), place)
		require.Equal(t, reached, err != nil, place)
		require.NoError(t, first.Close())
		next := successor(t, first)
		receipt, err := next.Begin(t.Context(), a.Source)
		require.NoError(t, err, place)
		if receipt == nil {
			next.place(t, a.data)
			require.NoError(t, next.Unpack(t.Context(), a.Source, soon, nil), place)
			next.freeze(t)
			_, err = next.Seal(t.Context(), a.Source, remote.Provenance{})
			require.NoError(t, err, place)
		}
		next.link(t, "", "app-1")
		text, err := os.ReadFile(filepath.Join(next.root, "staging/version"))
		require.NoError(t, err)
		require.Equal(t, "1", string(text))
		return reached
	})
}

// An interrupted removal is still recognizable as kis's own.
func TestInterruptedRemovalIsCompletedByTheNextRun(t *testing.T) {
	t.Parallel()
	for _, call := range []string{"rename", "unlink", "rmdir"} {
		t.Run(call, func(t *testing.T) {
			t.Parallel()
			for when := 1; ; when++ {
				root, a := interrupted(t)
				l := opened(t, root)
				injected := l.inject(t, call, "SIGKILL", when)
				_, _ = l.Lock(context.WithoutCancel(t.Context()), stage(t, "staging"), newRun(), remote.Holder{})
				_, _ = l.Begin(context.WithoutCancel(t.Context()), a.Source)
				_ = l.Close()
				l.requireEnd(t)
				if !injected.happened(t) {
					require.Greater(t, when, 1)
					return
				}
				owner(t, root).install(t, a)
			}
		})
	}
}

// Wherever the agent is killed, or a call fails: the package is complete at its place, or gone. The
// same command completes the removal, and nothing is left of it.
func TestRemovalSurvivesEveryFailingCall(t *testing.T) {
	t.Parallel()
	base := installed(t, "1", "2")
	require.NoError(t, base.Close())
	calls := []string{"rename", "unlink", "rmdir", "fsync", "mkdir", "chmod", "openat"}
	sweep(t, calls, []string{"SIGKILL", "EIO"}, func(t *testing.T, group, fault string, n int) bool {
		if group == "openat" {
			n *= 25 // Python opens hundreds of files
		}
		root := clone(t, base.root)
		l := opened(t, root)
		broken := l.inject(t, group, fault, n)
		_, err := l.Remove(context.WithoutCancel(t.Context()), pkg(t, "app-1"), newRun(), remote.Holder{})
		place := fmt.Sprintf("%s %s %d: %v", group, fault, n, err)
		reached := broken.happened(t)
		_ = l.Close()
		l.requireEnd(t)
		there := isWhole(t, root, "app-1")
		switch said(err) {
		case "done":
			require.False(t, there, place)
		case "refused":
			require.True(t, there || fault == "SIGKILL", place) // it was the agent's child that was killed
		}
		if _, err := remove(t, root, "app-1"); there {
			require.NoError(t, err, place)
		} else {
			requireRefused(t, err, remote.CodeNoPackage)
		}
		requireGone(t, root, "app-1")
		require.True(t, isWhole(t, root, "app-2"), place)
		next := owner(t, root)
		next.install(t, source(t, "app", "1", file("version", "1")))
		next.link(t, "", "app-1")
		return reached || said(err) == "lost"
	})
}

// isWhole reports whether a package is there, complete; half of one fails the test.
func isWhole(t *testing.T, root, name string) bool {
	t.Helper()
	if _, err := os.Lstat(filepath.Join(root, name)); errors.Is(err, os.ErrNotExist) {
		return false
	}
	l := opened(t, root)
	l.lock(t, "isolated")
	_, err := l.Begin(t.Context(), remote.Source{Package: pkg(t, name)})
	require.NoError(t, err)
	require.NoError(t, l.Close())
	return true
}

// Other histories than those of every change, and more.
func TestManyRandomHistories(t *testing.T) {
	t.Parallel()
	seed := int(time.Now().Unix())
	for share := range 4 {
		t.Run(strconv.Itoa(share), func(t *testing.T) {
			t.Parallel()
			requireHistories(t, seed+share*1_000_000, 5000)
		})
	}
}

// An environment that is copied from an earlier package, and in which a call fails or the agent is killed, is completed by
// the next run, and is the one that was copied. The earlier package stays as it is.
func TestCopyingSurvivesEveryFailingCall(t *testing.T) {
	t.Parallel()
	wheel := depOf(t, map[string]string{"dep/__init__.py": "value = 1\n", "dep/more.py": "value = 2\n", "dep/data.txt": "data\n"})
	one, two := source(t, "app", "1", file("version", "1")), source(t, "app", "2", file("version", "2"))
	base := owner(t, pushed(t))
	want, err := base.sealWith(t, one, wheel)
	require.NoError(t, err)
	require.NoError(t, base.Close())
	compiled, err := filepath.Glob(filepath.Join(base.root, "app-1/.venv/lib/python3*/site-packages/dep/__pycache__/*.pyc"))
	require.NoError(t, err)
	require.Len(t, compiled, 2)
	strides := map[string]int{"openat": 50, "write": 5, "mkdir": 2} // of a process that starts, too
	calls := []string{"openat", "mkdir", "unlink", "write", "rename"}
	sweep(t, calls, []string{"SIGKILL", "EIO"}, func(t *testing.T, group, fault string, n int) bool {
		root := clone(t, base.root)
		first := owner(t, root)
		broken := first.inject(t, group, fault, n*max(1, strides[group]))
		got, err := first.sealWith(t, two, wheel)
		place := fmt.Sprintf("%s %s %d: %v", group, fault, n, err)
		reached := broken.happened(t) || said(err) == "lost" // strace may end before it has said so
		require.True(t, reached || err == nil, place)
		first.stop()
		first.requireEnd(t)
		if err != nil {
			next := successor(t, first)
			got, err = next.sealWith(t, two, wheel)
			require.NoError(t, err, place)
			require.NoError(t, next.Close())
		}
		require.Equal(t, want, got, place)
		require.True(t, isWhole(t, root, "app-1"), place)
		require.True(t, isWhole(t, root, "app-2"), place)
		return reached
	})
}

// sealWith makes a sealed package whose environment has the wheel dep, and returns the digest of the environment.
func (l *local) sealWith(t *testing.T, a archive, wheel []byte) (environment string, err error) {
	t.Helper()
	ctx := context.WithoutCancel(t.Context())
	receipt, err := l.Begin(ctx, a.Source)
	if receipt != nil {
		return receipt.Environment, err
	}
	installer, broken := scripts.Installer()
	require.NoError(t, broken)
	for _, data := range [][]byte{a.data, wheel, installer.Data} {
		part := newPart()
		err = errors.Join(err, os.WriteFile(filepath.Join(l.locked.Directory, part), data, 0o600), l.Receive(ctx, part, digest(data), int64(len(data))))
	}
	if err == nil {
		err = l.Unpack(ctx, a.Source, soon, nil)
	}
	if err == nil {
		_, err = l.Environment(ctx, remote.EnvironmentRequest{
			Wheels: []remote.Wheel{{Name: "dep-1.0-py3-none-any.whl", SHA256: digest(wheel), Size: int64(len(wheel))}}, Library: installer.SHA256, Within: soon,
		}, nil)
	}
	if err == nil {
		err = l.Compile(ctx, "", soon)
	}
	if err == nil {
		_, err = l.Pack(ctx, soon)
	}
	if err == nil {
		err = l.Freeze(ctx, time.Unix(1_700_000_000, 0))
	}
	if err != nil {
		return "", err
	}
	sealed, err := l.Seal(ctx, a.Source, remote.Provenance{})
	return sealed.Environment, err
}
