package hermetic

import (
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// machine is some files and a mount table.
type machine struct{ dir, file, mounts string }

func newMachine(t *testing.T) machine {
	t.Helper()
	top := t.TempDir()
	m := machine{dir: filepath.Join(top, "webcode"), file: filepath.Join(top, "webcode", "canary"), mounts: filepath.Join(top, "mountinfo")}
	require.NoError(t, os.Mkdir(m.dir, 0o755))
	require.NoError(t, os.WriteFile(m.file, []byte("here"), 0o600))
	m.mount(t, "22 1 8:1 / / rw - ext4 /dev/sda rw\n30 22 0:9 / /var/webcode rw - tmpfs none rw\n")
	return m
}

func (m machine) mount(t *testing.T, table string) {
	t.Helper()
	require.NoError(t, os.WriteFile(m.mounts, []byte(table), 0o600))
}

func (m machine) take(t *testing.T) snapshot {
	t.Helper()
	s, err := takeSnapshot([]string{m.dir, filepath.Join(m.dir, "missing")}, m.mounts)
	require.NoError(t, err)
	return s
}

func TestWhatTestsChangeIsNamed(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		change func(t *testing.T, m machine)
		says   string
	}{
		"the directory is removed": {func(t *testing.T, m machine) { t.Helper(); require.NoError(t, os.RemoveAll(m.dir)) }, "webcode is gone"},
		"a file is removed":        {func(t *testing.T, m machine) { t.Helper(); require.NoError(t, os.Remove(m.file)) }, "canary is gone"},
		"a file is new": {func(t *testing.T, m machine) {
			t.Helper()
			require.NoError(t, os.WriteFile(filepath.Join(m.dir, "missing"), nil, 0o600))
		}, "missing is new"},
		"a file is written": {func(t *testing.T, m machine) {
			t.Helper()
			require.NoError(t, os.WriteFile(m.file, []byte("gone"), 0o600))
		}, "canary: "},
		"a file is replaced by its like": {func(t *testing.T, m machine) {
			t.Helper()
			info, err := os.Stat(m.file)
			require.NoError(t, err)
			require.NoError(t, os.WriteFile(m.file+".new", []byte("here"), 0o600))
			require.NoError(t, os.Rename(m.file+".new", m.file))
			require.NoError(t, os.Chtimes(m.file, time.Time{}, info.ModTime()))
		}, "canary: "},
		"the mode":        {func(t *testing.T, m machine) { t.Helper(); require.NoError(t, os.Chmod(m.dir, 0o700)) }, "webcode: drwx------"},
		"a mount is lost": {func(t *testing.T, m machine) { t.Helper(); m.mount(t, "22 1 8:1 / / rw - ext4 /dev/sda rw\n") }, "/var/webcode (mount 30) is gone"},
		"a mount is left": {func(t *testing.T, m machine) {
			t.Helper()
			m.mount(t, "22 1 8:1 / / rw - ext4 /dev/sda rw\n30 22 0:9 / /var/webcode rw - tmpfs none rw\n31 22 0:9 / /tmp/x rw - tmpfs none rw\n")
		}, "/tmp/x (mount 31) is new"},
		"a mount is read-only now": {func(t *testing.T, m machine) {
			t.Helper()
			m.mount(t, "22 1 8:1 / / rw - ext4 /dev/sda rw\n30 22 0:9 / /var/webcode ro - tmpfs none rw\n")
		}, "/var/webcode (mount 30): "},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			m := newMachine(t)
			before := m.take(t)
			require.Empty(t, before.compare(m.take(t)))
			c.change(t, m)
			changes := before.compare(m.take(t))
			require.NotEmpty(t, changes)
			assert.Contains(t, changes[0]+changes[len(changes)-1], c.says)
		})
	}
}

func TestMountsOfServicesComeAndGo(t *testing.T) {
	t.Parallel()
	m := newMachine(t)
	before := m.take(t)
	m.mount(t, "22 1 8:1 / / rw - ext4 /dev/sda rw\n30 22 0:9 / /var/webcode rw - tmpfs none rw\n31 22 0:9 / /run/user/1000 rw - tmpfs none rw\n")
	assert.Empty(t, before.compare(m.take(t)))
}

func TestMountsOfTestsBelongToThem(t *testing.T) {
	t.Parallel()
	temporary, err := filepath.EvalSymlinks(os.TempDir())
	require.NoError(t, err)
	for point, isNamed := range map[string]bool{
		"TestHosts123/001/web1": false, // of another package, which runs at the same time
		"TestHosts123":          true,  // nothing that testing would remove
		"other/001/web1":        true,
	} {
		m := newMachine(t)
		before := m.take(t)
		m.mount(t, "22 1 8:1 / / rw - ext4 /dev/sda rw\n30 22 0:9 / /var/webcode rw - tmpfs none rw\n"+
			"31 22 0:9 / "+filepath.Join(temporary, point)+" rw - tmpfs none rw\n")
		assert.Equal(t, isNamed, len(before.compare(m.take(t))) > 0, point)
	}
}
