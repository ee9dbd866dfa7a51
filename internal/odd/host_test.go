package odd

import (
	"fmt"
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/keep-it-simple/kis/internal/hosttest"
)

// private gives the host a copy of a file of /etc of its own, and returns where it is on this machine: what is written there holds on the host
// at once, and nowhere else.
func private(t *testing.T, h *hosttest.Host, file string) string {
	t.Helper()
	own := filepath.Join(t.TempDir(), filepath.Base(file))
	h.Shell(t, fmt.Sprintf("cp -p %s %s; mount --bind %s %s", file, own, own, file))
	return own
}

// webapp is the user that the agent becomes: without a shell, a password or a home folder, as services are.
const (
	webapp    = "kiswebapp"
	webappUID = 61061
)

// addWebapp makes the user on one host only.
func addWebapp(t *testing.T, h *hosttest.Host) {
	t.Helper()
	for file, line := range map[string]string{
		"/etc/passwd": fmt.Sprintf("%s:x:%d:%d:kis tests:/nonexistent:/usr/sbin/nologin\n", webapp, webappUID, webappUID),
		"/etc/group":  fmt.Sprintf("%s:x:%d:\n", webapp, webappUID),
		"/etc/shadow": webapp + ":!:19000:0:99999:7:::\n",
	} {
		own := private(t, h, file)
		text, err := os.ReadFile(own)
		require.NoError(t, err)
		require.NoError(t, os.WriteFile(own, append(text, line...), 0o600))
	}
}

// sudoers gives the host a sudoers(5) of its own, and returns what writes it.
func sudoers(t *testing.T, h *hosttest.Host) func(text string) {
	t.Helper()
	dir := t.TempDir()
	require.NoError(t, os.Chmod(dir, 0o755))
	h.Shell(t, fmt.Sprintf("test -x /usr/bin/sudo; mount --bind %s /etc/sudoers.d", dir))
	return func(text string) {
		t.Helper()
		file := filepath.Join(dir, "kis")
		require.NoError(t, os.RemoveAll(file))
		require.NoError(t, os.WriteFile(file, []byte(text), 0o440))
	}
}

// asUser runs shell text on the host as the deploying user, and returns what was printed and whether it succeeded.
func asUser(t *testing.T, h *hosttest.Host, text string) (string, bool) {
	t.Helper()
	out, err := h.Command(t.Context(), "setpriv", "--reuid", h.User, "--regid", h.User, "--clear-groups", "/bin/sh", "-c", text).CombinedOutput()
	return string(out), err == nil
}

// ownTools gives the host another /usr/bin: a folder of links to the old one, which is on /mnt then. A test may alter it inside of the host.
func ownTools(t *testing.T, h *hosttest.Host) {
	t.Helper()
	h.Shell(t, "mount --bind /usr/bin /mnt; mount -t tmpfs -o mode=755 none /srv; cd /srv; ln -s /mnt/* .; mount --bind /srv /usr/bin")
}
