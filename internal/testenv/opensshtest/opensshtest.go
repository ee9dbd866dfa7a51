// Package opensshtest starts a real OpenSSH server for tests: its own host keys,
// its own authorized key, on 127.0.0.1, as the user who runs the tests. Where that
// is root, it has a root of its own (package ownroot). It is the judge of what the
// in-process host of package sshtest only imitates. It never skips: a machine
// without sshd fails the test that needs it.
package opensshtest

import (
	"bufio"
	"bytes"
	"cmp"
	"context"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/keep-it-simple/kis/internal/testenv/ownroot"
)

// Options describe a Server. The zero value is a usual host.
type Options struct {
	// HostKeyTypes are ssh-keygen -t types; none means ed25519.
	HostKeyTypes []string
	// Config is appended to sshd_config, line by line. The first value of a
	// setting wins in sshd, so Overrides go before the defaults.
	Config []string
	// Overrides are put in front of the defaults of this package.
	Overrides []string
	// Accounts may log in besides, for tests that run as root.
	Accounts []ownroot.Account
	// SFTP is the command of the sftp subsystem: "" is internal-sftp, "none"
	// leaves the subsystem out.
	SFTP string
}

// Server is a running sshd. Its fields are set by Start.
type Server struct {
	Dir      string   // folder of everything below, removed with the test
	Addr     string   // 127.0.0.1:port
	Port     int      // of Addr
	User     string   // who may log in: the user who runs the tests
	UserKey  string   // path of a private key that may log in; .pub next to it
	HostKeys []string // paths of the private host keys, in the order of HostKeyTypes

	addresses int // that sshd listens on

	mu  sync.Mutex
	log bytes.Buffer
}

// Start starts an sshd and stops it, with all its sessions, at the end of the test.
func Start(tb testing.TB, o Options) *Server {
	tb.Helper()
	sshd := findSSHD(tb)
	dir := tb.TempDir()
	me, err := user.Current()
	require.NoError(tb, err)
	s := &Server{Dir: dir, User: me.Username, UserKey: filepath.Join(dir, "user_key")}
	Keygen(tb, s.UserKey, "ed25519")
	if len(o.HostKeyTypes) == 0 {
		o.HostKeyTypes = []string{"ed25519"}
	}
	for i, typ := range o.HostKeyTypes {
		key := filepath.Join(dir, fmt.Sprintf("host_%d_%s", i, typ))
		Keygen(tb, key, typ)
		s.HostKeys = append(s.HostKeys, key)
	}
	// sshd cannot be given port 0 and tell which it got, so another process may
	// take the port between the look and the use; then the next one is tried.
	for range 5 {
		s.Port = freePort(tb)
		s.Addr = net.JoinHostPort("127.0.0.1", strconv.Itoa(s.Port))
		if s.run(tb, s.command(tb, sshd, o)) {
			return s
		}
	}
	require.FailNow(tb, "sshd does not start", s.Log())
	return nil
}

// findSSHD fails the test where there is no sshd: a layer that silently did not
// run would look like one that passed.
func findSSHD(tb testing.TB) string {
	tb.Helper()
	for _, path := range []string{"/usr/sbin/sshd", "/usr/local/sbin/sshd", "/usr/bin/sshd"} {
		if _, err := os.Stat(path); err == nil {
			return path
		}
	}
	require.FailNow(tb, "sshd is missing", "run: make setup")
	return ""
}

// Unpunished are settings that keep sshd from shutting out an address from which
// logins fail again and again, as those of tests do: OpenSSH does that since 9.8,
// and before that, it does not know the setting.
func Unpunished(tb testing.TB) []string {
	tb.Helper()
	setting := "PerSourcePenalties no"
	cmd := exec.CommandContext(tb.Context(), findSSHD(tb), "-G", "-f", "/dev/null", "-o", setting)
	if out, err := cmd.CombinedOutput(); err != nil {
		require.Regexp(tb, "[Bb]ad configuration option|[Uu]nknown option|[Ii]nvalid option", string(out))
		return nil
	}
	return []string{setting}
}

func (s *Server) config(tb testing.TB, o Options) string {
	tb.Helper()
	lines := append([]string{}, o.Overrides...)
	lines = append(lines,
		"ListenAddress 127.0.0.1",
		"Port "+strconv.Itoa(s.Port),
		"PidFile none",
		"UsePAM no",
		"StrictModes no",
		"PasswordAuthentication no",
		"KbdInteractiveAuthentication no",
		"AuthorizedKeysFile "+s.UserKey+".pub",
		"PermitRootLogin yes",
		"LogLevel VERBOSE", // with -e, DEBUG would write to the sessions' standard error
	)
	if o.SFTP != "none" {
		lines = append(lines, "Subsystem sftp "+cmp.Or(o.SFTP, "internal-sftp"))
	}
	for _, key := range s.HostKeys {
		lines = append(lines, "HostKey "+key)
	}
	lines = append(lines, Unpunished(tb)...)
	lines = append(lines, o.Config...)
	s.addresses = len(slices.DeleteFunc(slices.Clone(lines), func(l string) bool { return !strings.HasPrefix(l, "ListenAddress ") }))
	path := filepath.Join(s.Dir, fmt.Sprintf("sshd_config_%d", s.Port))
	require.NoError(tb, os.WriteFile(path, []byte(strings.Join(lines, "\n")+"\n"), 0o600))
	return path
}

// command is the command line of the server.
func (s *Server) command(tb testing.TB, sshd string, o Options) []string {
	tb.Helper()
	argv := []string{sshd, "-D", "-e", "-f", s.config(tb, o)}
	if os.Geteuid() != 0 {
		require.Empty(tb, o.Accounts, "only a server of root lets other users in: run the tests as root")
		return argv
	}
	home := filepath.Join(s.Dir, "home")
	require.NoError(tb, os.MkdirAll(home, 0o700))
	me := ownroot.Account{Name: s.User, UID: os.Getuid(), GID: os.Getgid(), Home: home, Shell: "/bin/sh"}
	root := ownroot.New(tb, append([]ownroot.Account{me}, o.Accounts...)...)
	return append([]string{"unshare", "--mount", "--"}, root.Command(argv...)...)
}

// run starts sshd and waits until it listens on all its addresses; false means that it ended first, or that one of
// them was taken, without which sshd would go on.
func (s *Server) run(tb testing.TB, argv []string) bool {
	tb.Helper()
	ctx, cancel := context.WithCancel(context.Background()) //nolint:forbidigo // the server lives until the test's clean-up
	cmd := exec.CommandContext(ctx, argv[0], argv[1:]...)
	cmd.WaitDelay = 5 * time.Second
	stderr, err := cmd.StderrPipe()
	require.NoError(tb, err)
	require.NoError(tb, cmd.Start())
	listening := make(chan bool, 1)
	ended := make(chan struct{})
	go func() { // ends with sshd; the clean-up waits for it
		defer close(ended)
		s.collect(stderr, listening)
	}()
	stop := func() {
		cancel()
		_ = cmd.Wait() // killed, as wanted; it also ends the reading of the log
		<-ended
	}
	select {
	case all := <-listening:
		if all {
			tb.Cleanup(stop)
		} else {
			stop()
		}
		return all
	case <-ended:
		stop()
		return false
	}
}

// collect keeps the log and reports once whether the server listens on all its addresses.
func (s *Server) collect(stderr io.Reader, listening chan<- bool) {
	lines := bufio.NewScanner(stderr)
	remaining := s.addresses
	for lines.Scan() {
		s.mu.Lock()
		s.log.WriteString(lines.Text() + "\n")
		s.mu.Unlock()
		if remaining == 0 {
			continue
		}
		switch {
		case strings.Contains(lines.Text(), "Bind to port"):
			remaining = 0
			listening <- false
		case strings.Contains(lines.Text(), "Server listening on"):
			if remaining--; remaining == 0 {
				listening <- true
			}
		}
	}
}

// Log is what sshd has logged so far, at VERBOSE.
func (s *Server) Log() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.log.String()
}

// HostKeyLine is the known_hosts(5) line of the i-th host key.
func (s *Server) HostKeyLine(tb testing.TB, i int) string {
	tb.Helper()
	return fmt.Sprintf("[127.0.0.1]:%d %s", s.Port, s.PublicHostKey(tb, i))
}

// PublicHostKey is "type base64" of the i-th host key.
func (s *Server) PublicHostKey(tb testing.TB, i int) string {
	tb.Helper()
	return PublicKey(tb, s.HostKeys[i])
}

// PublicKey reads "type base64" of the public half of a private key file.
func PublicKey(tb testing.TB, path string) string {
	tb.Helper()
	text, err := os.ReadFile(path + ".pub")
	require.NoError(tb, err)
	fields := strings.Fields(string(text))
	require.GreaterOrEqual(tb, len(fields), 2)
	return fields[0] + " " + fields[1]
}

// Keygen makes a key pair without a passphrase unless more arguments say so.
func Keygen(tb testing.TB, path, typ string, more ...string) {
	tb.Helper()
	args := []string{"-q", "-t", typ, "-f", path, "-C", "test"}
	if typ == "rsa" {
		args = append(args, "-b", "2048")
	}
	if len(more) == 0 {
		more = []string{"-N", ""}
	}
	Run(tb, "ssh-keygen", append(args, more...)...)
}

// Run runs a program that has to succeed and returns its output.
func Run(tb testing.TB, name string, args ...string) string {
	tb.Helper()
	path, err := exec.LookPath(name)
	require.NoError(tb, err, "run: make setup")
	out, err := exec.CommandContext(tb.Context(), path, args...).CombinedOutput()
	require.NoError(tb, err, "%s %v: %s", name, args, out)
	return string(out)
}

func freePort(tb testing.TB) int {
	tb.Helper()
	l, err := net.ListenTCP("tcp4", &net.TCPAddr{IP: net.IPv4(127, 0, 0, 1)})
	require.NoError(tb, err)
	defer func() { require.NoError(tb, l.Close()) }()
	return l.Addr().(*net.TCPAddr).Port
}
