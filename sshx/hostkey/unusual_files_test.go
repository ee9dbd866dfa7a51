//go:build linux

package hostkey_test

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"syscall"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"golang.org/x/crypto/ssh"

	"github.com/keep-it-simple/kis/internal/testenv/opensshtest"
	"github.com/keep-it-simple/kis/sshx/hostkey"
)

// nobody is a user who may read less than the one who runs the tests.
const nobody = 65534

// unusualFile makes a file at path and returns what is given to ssh and kis.
type unusualFile struct {
	make   func(t *testing.T, path string) string
	warned string // what kis says of it; "": nothing
}

func unusualFiles(line string) map[string]unusualFile {
	write := func(text string, mode os.FileMode) func(*testing.T, string) string {
		return func(t *testing.T, path string) string {
			t.Helper()
			require.NoError(t, os.WriteFile(path, []byte(text), 0o600))
			require.NoError(t, os.Chmod(path, mode))
			return path
		}
	}
	linked := func(target string) func(*testing.T, string) string {
		return func(t *testing.T, path string) string {
			t.Helper()
			require.NoError(t, os.Symlink(target, path))
			return path
		}
	}
	return map[string]unusualFile{
		"readable":                         {write(line+"\n", 0o644), ""},
		"readable by all, by all writable": {write(line+"\n", 0o666), ""},
		"of mode 0600":                     {write(line+"\n", 0o600), "ignored: permission denied"},
		"missing":                          {func(_ *testing.T, path string) string { return path }, ""},
		"a directory": {func(t *testing.T, path string) string {
			t.Helper()
			require.NoError(t, os.Mkdir(path, 0o755))
			return path
		}, "ignored: is a directory"},
		"a dangling link":           {linked("nowhere"), ""},
		"a link to itself":          {linked("known_hosts"), "ignored: too many levels of symbolic links"},
		"below a file":              {func(t *testing.T, path string) string { t.Helper(); return write("", 0o644)(t, path) + "/known_hosts" }, "ignored: not a directory"},
		"/dev/null":                 {func(*testing.T, string) string { return "/dev/null" }, ""},
		"empty":                     {write("", 0o644), ""},
		"without a final newline":   {write(line, 0o644), ""},
		"with line ends of Windows": {write("# known\r\n"+line+"\r\n", 0o644), ""},
		"with a byte order mark":    {write("\ufeff"+line+"\n", 0o644), ""},
		"with a byte order mark before another line": {write("\ufeffweb9 "+line[strings.Index(line, " ")+1:]+"\n"+line+"\n", 0o644), ""},
		"indented":                {write(" \t"+line+"\n", 0o644), ""},
		"with tabs":               {write(strings.ReplaceAll(line, " ", "\t")+"\n", 0o644), ""},
		"with a form feed":        {write("\f"+line+"\n", 0o644), ""},
		"with a long comment":     {write(line+" "+strings.Repeat("x", 1<<20)+"\n", 0o644), ""},
		"with a long line before": {write(strings.Repeat("x", 1<<20)+"\n"+line+"\n", 0o644), "ignored"},
		"with a NUL in a comment": {write(line+" a\x00b\n", 0o644), ""},
		"with a NUL before":       {write("\x00\n"+line+"\n", 0o644), "ignored"},
		"with a NUL in the key":   {write(line[:len(line)-4]+"\x00"+line[len(line)-4:]+"\n", 0o644), "ignored"},
		"in UTF-16":               {write("\xff\xfe"+strings.Join(strings.Split(line, ""), "\x00")+"\x00\n\x00", 0o644), "ignored"},
		"binary":                  {write("\x7fELF\x02\x01\x01\x00\x00\xff\xfe\n\x80\x81", 0o644), "ignored"},
	}
}

// TestUnusualKnownHostsFilesAreSSHs: what ssh passes over, kis passes over, as a user's file and as
// that of all users; it says so where a file has nothing to say because of that.
func TestUnusualKnownHostsFilesAreSSHs(t *testing.T) {
	t.Parallel()
	s := opensshtest.Start(t, opensshtest.Options{})
	line := strings.TrimSpace(s.HostKeyLine(t, 0))
	key, _, _, _, err := ssh.ParseAuthorizedKey([]byte(s.PublicHostKey(t, 0)))
	require.NoError(t, err)
	for name, file := range unusualFiles(line) {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			dir, err := os.MkdirTemp("", "kis") //nolint:usetesting // nobody has to get there
			require.NoError(t, err)
			t.Cleanup(func() { require.NoError(t, os.RemoveAll(dir)) })
			require.NoError(t, os.Chmod(dir, 0o755))
			path := file.make(t, filepath.Join(dir, "known_hosts"))
			for _, option := range []string{"UserKnownHostsFile", "GlobalKnownHostsFile"} {
				policy := hostkey.Policy{Host: "web1", HostName: "127.0.0.1", Port: s.Port}
				policy.StrictHostKeyChecking, policy.HostKeyAlgorithms = hostkey.StrictYes, []string{key.Type()}
				other := "GlobalKnownHostsFile=none"
				if policy.UserKnownHostsFiles = []string{path}; option == "GlobalKnownHostsFile" {
					policy.UserKnownHostsFiles, policy.GlobalKnownHostsFiles = nil, []string{path}
					other = "UserKnownHostsFile=none"
				}
				want := sshDecidesAsNobody(t, s, option+"="+path, other)
				got, warnings := decideAsNobody(t, policy, key)
				assert.Equal(t, want, got, option)
				if file.warned == "" {
					assert.Empty(t, warnings)
				} else {
					assert.Contains(t, strings.Join(warnings, "\n"), file.warned)
				}
			}
		})
	}
}

func sshDecidesAsNobody(t *testing.T, s *opensshtest.Server, options ...string) string {
	t.Helper()
	args := []string{
		"-F", "none", "-o", "BatchMode=yes", "-o", "IdentityFile=none", "-o", "IdentityAgent=none", "-o", "StrictHostKeyChecking=yes",
		"-o", "PreferredAuthentications=publickey", "-o", "ConnectTimeout=10", "-p", fmt.Sprint(s.Port),
	}
	for _, o := range options {
		args = append(args, "-o", o)
	}
	return sshDecidesAs(t, func(cmd *exec.Cmd) {
		cmd.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: nobody, Gid: nobody}}
	},
		append(args, "--", "127.0.0.1", "true")...)
}

// decideAsNobody decides in a thread with the file permissions of nobody, which ends with it.
func decideAsNobody(t *testing.T, policy hostkey.Policy, key ssh.PublicKey) (decision string, warnings []string) {
	t.Helper()
	done := make(chan error)
	go func() {
		runtime.LockOSThread() // and never unlocks it, so that the thread ends
		if _, _, errno := syscall.RawSyscall(syscall.SYS_SETFSUID, nobody, 0, 0); errno != 0 {
			done <- errno
			return
		}
		var store hostkey.Store
		done <- store.Verifier(policy, func(w string) { warnings = append(warnings, w) }).Verify(key)
	}()
	err := <-done
	if err == nil {
		return "ok", warnings
	}
	var refused *hostkey.Error
	require.ErrorAs(t, err, &refused)
	return string(refused.Kind), warnings
}

// TestAKnownHostsFileThatIsAPipeIsPassedOver: ssh waits for its writer.
func TestAKnownHostsFileThatIsAPipeIsPassedOver(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "known_hosts")
	require.NoError(t, syscall.Mkfifo(path, 0o600))
	var warnings []string
	var store hostkey.Store
	policy := hostkey.Policy{Options: hostkey.Options{UserKnownHostsFiles: []string{path}}}
	store.Verifier(policy, func(w string) { warnings = append(warnings, w) })
	assert.Equal(t, []string{path + ": ignored: is not a regular file"}, warnings)
}
