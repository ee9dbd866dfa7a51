package compat

import (
	"context"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/keep-it-simple/kis/internal/testenv"
	"github.com/keep-it-simple/kis/internal/testenv/hosttest"
)

// private gives the host a copy of a file of /etc of its own, and returns where it is on this machine: what is written there holds on the host
// at once, and nowhere else.
func private(t *testing.T, h *hosttest.Host, file string) string {
	t.Helper()
	own := filepath.Join(t.TempDir(), filepath.Base(file))
	h.Shell(t, fmt.Sprintf("cp -p %s %s; mount --bind %s %s", file, own, own, file))
	return own
}

// edit replaces a file's text in place: it is mounted, and so must stay the same file.
func edit(t *testing.T, file string, change func(line string) string) {
	t.Helper()
	text, err := os.ReadFile(file)
	require.NoError(t, err)
	var out strings.Builder
	for line := range strings.Lines(string(text)) {
		out.WriteString(change(line))
	}
	info, err := os.Stat(file)
	require.NoError(t, err)
	require.NoError(t, os.WriteFile(file, []byte(out.String()), info.Mode()))
}

// account changes the line of the deploying user in a host's passwd(5) or shadow(5): field number n, counted from 1, becomes value.
func account(t *testing.T, h *hosttest.Host, file string, n int, value string) {
	t.Helper()
	edit(t, private(t, h, file), func(line string) string {
		fields := strings.Split(strings.TrimSuffix(line, "\n"), ":")
		if fields[0] == h.User {
			fields[n-1] = value
		}
		return strings.Join(fields, ":") + "\n"
	})
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

// start writes the start-up script of a shell into the home folder of the deploying user.
func start(t *testing.T, h *hosttest.Host, file, text string) {
	t.Helper()
	path := filepath.Join(h.Home, file)
	require.NoError(t, os.MkdirAll(filepath.Dir(path), 0o755))
	require.NoError(t, os.WriteFile(path, []byte(text+"\n"), 0o644))
}

// serve starts another server inside of the host, and leads the host's name there.
func serve(w *testenv.Env, h *hosttest.Host, argv func(port string) []string) {
	w.T.Helper()
	port := hosttest.Port(w.T)
	ctx, cancel := context.WithCancel(w.T.Context())
	args := argv(strconv.Itoa(port))
	cmd := h.Command(ctx, args...)
	require.NoError(w.T, cmd.Start())
	w.T.Cleanup(func() { // the server itself ends with its host
		cancel()
		_ = cmd.Wait()
	})
	require.Eventually(w.T, func() bool {
		conn, err := net.Dial("tcp4", net.JoinHostPort("127.0.0.1", strconv.Itoa(port)))
		if err == nil {
			_ = conn.Close()
		}
		return err == nil
	}, 20*time.Second, 20*time.Millisecond, "%v does not listen", args)
	w.Client.SetPort(w.T, h.Name, port)
}

// sshd starts an sshd with the machine's own configuration, edited, and with more settings in front of it. What it reads is on /media, so that
// a test may mount over /tmp.
func sshd(w *testenv.Env, h *hosttest.Host, change func(line string) string, settings ...string) {
	w.T.Helper()
	h.Shell(w.T, fmt.Sprintf("mount -t tmpfs -o mode=755 none /media; cp /etc/ssh/sshd_config /media; cp %s /media/host_key; chmod 600 /media/*", h.HostKey()))
	edit(w.T, h.Inside("/media/sshd_config"), change)
	serve(w, h, func(port string) []string {
		args := []string{"/usr/sbin/sshd", "-D", "-f", "/media/sshd_config", "-o", "ListenAddress=127.0.0.1", "-o", "Port=" + port, "-o", "HostKey=/media/host_key", "-o", "PidFile=none"}
		for _, s := range settings {
			args = append(args, "-o", s)
		}
		return args
	})
}
