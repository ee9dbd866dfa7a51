//go:build unix

package userauth_test

import (
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/keep-it-simple/kis/internal/testenv/opensshtest"
	"github.com/keep-it-simple/kis/sshx/internal/sshxtest"
)

// sshLogsIn asks the real client whether it logs in with these options.
func sshLogsIn(t *testing.T, s *opensshtest.Server, known string, options ...string) bool {
	t.Helper()
	args := []string{"-F", "none", "-o", "BatchMode=yes", "-o", "UserKnownHostsFile=" + known, "-o", "GlobalKnownHostsFile=none", "-p", fmt.Sprint(s.Port)}
	for _, o := range options {
		args = append(args, "-o", o)
	}
	cmd := exec.CommandContext(t.Context(), "ssh", append(args, "--", "127.0.0.1", "true")...)
	cmd.Env = append(os.Environ(), "SSH_AUTH_SOCK=")
	out, err := cmd.CombinedOutput()
	if err != nil {
		require.Contains(t, string(out), "Permission denied (publickey", "ssh says something new")
	}
	return err == nil
}

// contents are what may stand in the file of a private key.
func contents(key string) map[string]string {
	return map[string]string{
		"itself": key, "empty": "", "text": "hello\n", "binary": "\x7fELF\x00\x01\xff", "UTF-16": "\xff\xfe" + strings.Join(strings.Split(key, ""), "\x00") + "\x00",
		"without its final newline": strings.TrimSuffix(key, "\n"), "with line ends of Windows": strings.ReplaceAll(key, "\n", "\r\n"), "after a byte order mark": "\ufeff" + key,
		"after a comment": "# my key\n" + key, "after an empty line": "\n" + key, "indented": " " + strings.ReplaceAll(strings.TrimSuffix(key, "\n"), "\n", "\n "), "before text": key + "hello\n",
		"before a NUL": key + "\x00", "with an empty line inside": strings.Replace(key, "\n", "\n\n", 2), "with spaces at line ends": strings.ReplaceAll(key, "\n", " \n"),
		"cut": key[:len(key)/2], "without its last line": key[:strings.LastIndex(strings.TrimSuffix(key, "\n"), "\n")+1], "twice": key + key,
		"followed by much": key + strings.Repeat("#", 2<<20),
	}
}

// lenient reports the spellings of a key that OpenSSH 9.2 does not read and kis does: the text around the
// key does not change it.
func lenient(name string) bool {
	return slices.Contains([]string{
		"a key without its final newline", "a key with line ends of Windows", "a key after a comment", "a key after an empty line", "a key with spaces at line ends",
	}, name)
}

// TestUnusualIdentityFilesAreSSHs: kis logs in with the keys that ssh logs in with, and passes over the
// others to the next one.
func TestUnusualIdentityFilesAreSSHs(t *testing.T) {
	t.Parallel()
	s := opensshtest.Start(t, opensshtest.Options{Config: []string{"MaxStartups 500", "MaxAuthTries 6"}})
	data, err := os.ReadFile(s.UserKey)
	require.NoError(t, err)
	files := map[string]func(path string) error{
		"missing":          func(string) error { return nil },
		"a directory":      func(path string) error { return os.Mkdir(path, 0o700) },
		"a dangling link":  func(path string) error { return os.Symlink("nowhere", path) },
		"a link to itself": func(path string) error { return os.Symlink("key", path) },
		"a link to a key":  func(path string) error { return os.Symlink(s.UserKey, path) },
		"/dev/null":        func(path string) error { return os.Symlink("/dev/null", path) },
		"a public key":     func(path string) error { return os.Link(s.UserKey+".pub", path) },
		"a socket":         func(path string) error { return listen(t, path) },
		"of mode 0644":     func(path string) error { return write(path, string(data), 0o644) },
		"of mode 0640":     func(path string) error { return write(path, string(data), 0o640) },
		"of mode 0604":     func(path string) error { return write(path, string(data), 0o604) },
		"of mode 0700":     func(path string) error { return write(path, string(data), 0o700) },
		"of mode 0400":     func(path string) error { return write(path, string(data), 0o400) },
		"of mode 0600, with its public key missing": func(path string) error { return write(path, string(data), 0o600) },
		"with the public key of another": func(path string) error {
			other := filepath.Join(filepath.Dir(path), "other")
			opensshtest.Keygen(t, other, "ed25519")
			return os.Rename(other+".pub", path+".pub")
		},
	}
	for name, content := range contents(string(data)) {
		files["a key "+name] = func(path string) error { return write(path, content, 0o600) }
	}
	for name, place := range files {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			path := filepath.Join(t.TempDir(), "key")
			require.NoError(t, place(path))
			target := sshxtest.TargetOn(t, s)
			known := target.UserKnownHostsFiles[0]
			want := sshLogsIn(t, s, known, "IdentitiesOnly=yes", "IdentityAgent=none", "IdentityFile="+path)
			target.IdentitiesOnly, target.IdentityFiles = true, []string{path}
			client, err := sshxtest.NewDialer(t).Dial(sshxtest.Deadline(t), target)
			if !lenient(name) {
				assert.Equal(t, want, err == nil, "kis: %v", err)
			}
			if err == nil {
				require.NoError(t, client.Close())
			}
			require.True(t, sshLogsIn(t, s, known, "IdentitiesOnly=yes", "IdentityAgent=none", "IdentityFile="+path, "IdentityFile="+s.UserKey))
			target.IdentityFiles = []string{path, s.UserKey}
			sshxtest.Dial(t, sshxtest.NewDialer(t), target)
		})
	}
}

func write(path, text string, mode os.FileMode) error {
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		return err
	}
	return os.Chmod(path, mode)
}

// listen makes a socket that nobody answers at.
func listen(t *testing.T, path string) error {
	t.Helper()
	l, err := (&net.ListenConfig{}).Listen(t.Context(), "unix", path)
	if err == nil {
		t.Cleanup(func() { _ = l.Close() })
	}
	return err
}

// TestUnusualCertificatesAndAgentsArePassedOver, as by ssh: the key logs in without them.
func TestUnusualCertificatesAndAgentsArePassedOver(t *testing.T) {
	t.Parallel()
	s := opensshtest.Start(t, opensshtest.Options{Config: []string{"MaxStartups 500"}})
	other := filepath.Join(t.TempDir(), "other")
	opensshtest.Keygen(t, other, "ed25519")
	opensshtest.Run(t, "ssh-keygen", "-q", "-s", other, "-I", "x", "-n", "nobody", other+".pub")
	for name, place := range map[string]func(path string) error{
		"missing":                  func(string) error { return nil },
		"a directory":              func(path string) error { return os.Mkdir(path, 0o700) },
		"a dangling link":          func(path string) error { return os.Symlink("nowhere", path) },
		"a link to itself":         func(path string) error { return os.Symlink("file", path) },
		"below a file":             func(path string) error { return os.Symlink(s.UserKey+"/x", path) },
		"/dev/null":                func(path string) error { return os.Symlink("/dev/null", path) },
		"text":                     func(path string) error { return write(path, "hello\n", 0o644) },
		"a private key":            func(path string) error { return os.Symlink(s.UserKey, path) },
		"a public key":             func(path string) error { return os.Symlink(s.UserKey+".pub", path) },
		"a certificate of another": func(path string) error { return os.Symlink(other+"-cert.pub", path) },
		"a socket that is closed":  func(path string) error { return answer(t, path, "") },
		"a socket with garbage": func(path string) error {
			return answer(t, path, "\x00\x00\x00\x05\x0c\xff\xff\xff\xffSSH-2.0-hello\r\n")
		},
		"a socket with HTTP": func(path string) error { return answer(t, path, "HTTP/1.1 400 Bad Request\r\n\r\n") },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			dir, err := os.MkdirTemp("", "kis") //nolint:usetesting // t.TempDir can be too long for a socket
			require.NoError(t, err)
			t.Cleanup(func() { require.NoError(t, os.RemoveAll(dir)) })
			path := filepath.Join(dir, "file")
			require.NoError(t, place(path))
			for _, setting := range []string{"CertificateFile", "IdentityAgent"} {
				target := sshxtest.TargetOn(t, s)
				require.True(t, sshLogsIn(t, s, target.UserKnownHostsFiles[0], "IdentityFile="+s.UserKey, setting+"="+path), setting)
				if target.CertificateFiles = []string{path}; setting == "IdentityAgent" {
					target.CertificateFiles, target.IdentityAgent = nil, path
				}
				sshxtest.Dial(t, sshxtest.NewDialer(t), target)
			}
		})
	}
}

// answer listens at path, and answers whatever is said with text, then closes.
func answer(t *testing.T, path, text string) error {
	t.Helper()
	l, err := (&net.ListenConfig{}).Listen(t.Context(), "unix", path)
	if err != nil {
		return err
	}
	var serving sync.WaitGroup
	serving.Go(func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			if text != "" {
				_, _ = c.Read(make([]byte, 5))
				_, _ = c.Write([]byte(text))
			}
			_ = c.Close()
		}
	})
	t.Cleanup(func() {
		_ = l.Close()
		serving.Wait()
	})
	return nil
}

// TestKeyFilesThatArePipesArePassedOver: ssh waits for their writers.
func TestKeyFilesThatArePipesArePassedOver(t *testing.T) {
	t.Parallel()
	s := opensshtest.Start(t, opensshtest.Options{})
	dir := t.TempDir()
	for _, name := range []string{"key", "key.pub", "key-cert.pub", "cert.pub"} {
		require.NoError(t, syscall.Mkfifo(filepath.Join(dir, name), 0o600))
	}
	target := sshxtest.TargetOn(t, s)
	target.IdentityFiles = append([]string{filepath.Join(dir, "key")}, target.IdentityFiles...)
	sshxtest.Dial(t, sshxtest.NewDialer(t), target)
	target.CertificateFiles = []string{filepath.Join(dir, "cert.pub")}
	sshxtest.Dial(t, sshxtest.NewDialer(t), target)
}
