package ownroot_test

import (
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/keep-it-simple/kis/internal/testenv/hermetic"
	"github.com/keep-it-simple/kis/internal/testenv/ownroot"
)

func TestMain(m *testing.M) { os.Exit(hermetic.Main(m)) }

// in runs shell text in a root.
func in(t *testing.T, r ownroot.Root, text string) string {
	t.Helper()
	require.Zero(t, os.Geteuid(), "roots need mount namespaces: run it as root")
	argv := r.Command("/bin/sh", "-euc", text)
	out, err := exec.CommandContext(t.Context(), "unshare", append([]string{"--mount", "--"}, argv...)...).CombinedOutput()
	require.NoError(t, err, "%s", out)
	return string(out)
}

func TestWhatIsWrittenStaysInTheRoot(t *testing.T) {
	t.Parallel()
	r := ownroot.New(t)
	for _, path := range []string{"/home/kis-ownroot", "/run/kis-ownroot", "/var/kis-ownroot", "/var/tmp/kis-ownroot", "/var/webcode/kis-ownroot"} {
		assert.Equal(t, "written\n", in(t, r, `mkdir -p "`+filepath.Dir(path)+`"; echo written >`+path+`; cat `+path))
		assert.NoFileExists(t, path)
	}
	assert.Empty(t, in(t, r, "ls -d /home/kis-* /var/kis-* 2>/dev/null || :"), "every time anew")
	assert.Equal(t, "755 0:0\n", in(t, r, "stat -c '%a %u:%g' /run/sshd"))
}

func TestTheTemporaryDirectoryIsTheMachines(t *testing.T) {
	for _, top := range []string{"/tmp", "/var/tmp"} {
		t.Run(top, func(t *testing.T) {
			dir, err := os.MkdirTemp(top, "kis-ownroot-") //nolint:usetesting // below another directory than t.TempDir
			require.NoError(t, err)
			t.Cleanup(func() { assert.NoError(t, os.RemoveAll(dir)) })
			t.Setenv("TMPDIR", dir)
			here := t.TempDir()
			require.Contains(t, here, dir)
			in(t, ownroot.New(t), "echo written >"+filepath.Join(here, "file"))
			assert.FileExists(t, filepath.Join(here, "file"))
		})
	}
}

func TestAccountsAreTheRootsOwn(t *testing.T) {
	t.Parallel()
	r := ownroot.New(t, ownroot.Account{Name: "kisuser", UID: 61062, GID: 61063, Home: "/home/kisuser", Shell: "/bin/sh", Password: "hash"},
		ownroot.Account{Name: "root", Home: "/home/root", Shell: "/bin/sh"})
	out := in(t, r, "id kisuser; getent passwd kisuser root; getent shadow kisuser root; getent group kisuser; stat -c %a /etc/shadow")
	assert.Contains(t, out, "uid=61062(kisuser) gid=61063(kisuser) groups=61063(kisuser)\n"+
		"kisuser:x:61062:61063::/home/kisuser:/bin/sh\nroot:x:0:0::/home/root:/bin/sh\n"+
		"kisuser:hash:19000:0:99999:7:::\nroot:*:19000:0:99999:7:::\nkisuser:x:61063:\n")
	for file, mode := range map[string]string{"passwd": "644", "shadow": "640"} {
		assert.Equal(t, mode+"\n", in(t, r, "stat -c %a /etc/"+file))
	}
	text, err := os.ReadFile("/etc/passwd")
	require.NoError(t, err)
	assert.NotContains(t, string(text), "kisuser")
}
