package remote_test

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/keep-it-simple/kis/internal/name"
	"github.com/keep-it-simple/kis/internal/sdist"
	"github.com/keep-it-simple/kis/internal/timeouts"
	"github.com/keep-it-simple/kis/remote"
)

// soon bounds waits for events that should happen at once.
const soon = 20 * time.Second

// local is an agent that runs as a child of the test, with pipes instead of SSH.
type local struct {
	*remote.Agent
	root   string // of the package repository
	stage  name.Stage
	run    name.Run
	locked remote.Locked

	command *exec.Cmd
	in      io.Writer // of the agent, for what no session would send
	stop    func()    // ends the session as a lost connection does
	waited  chan struct{}
}

// command is how an agent is started where there is no SSH.
func command() *exec.Cmd { return exec.Command("/bin/sh", "-s", "--", "python3") }

// launch starts an agent with command. The process becomes the agent by exec.
func launch(t *testing.T, command *exec.Cmd) (*local, error) {
	t.Helper()
	return launchOver(t, command, "", func(out io.Reader) io.Reader { return out }, timeouts.Default())
}

// launchOver is launch with a stream of the test between the agent and the reader of its answers.
func launchOver(t *testing.T, command *exec.Cmd, root string, line func(io.Reader) io.Reader, bounds timeouts.Timeouts) (*local, error) {
	t.Helper()
	if command.Env == nil {
		command.Env = os.Environ()
	}
	in, err := command.StdinPipe()
	require.NoError(t, err)
	out, outHere, err := os.Pipe()
	require.NoError(t, err)
	said, saidHere, err := os.Pipe()
	require.NoError(t, err)
	command.Stdout, command.Stderr = outHere, saidHere
	require.NoError(t, command.Start())
	require.NoError(t, errors.Join(outHere.Close(), saidHere.Close()))
	l := &local{command: command, in: in, stop: func() { _ = in.Close() }, waited: make(chan struct{})}
	go func() {
		defer close(l.waited)
		_ = command.Wait()
	}()
	ctx, cancel := context.WithTimeout(t.Context(), soon)
	defer cancel()
	l.Agent, err = remote.Start(ctx, remote.Streams{In: in, Out: line(out), Err: said, Root: root, Timeouts: bounds})
	t.Cleanup(func() {
		if l.Agent != nil {
			_ = l.Close()
		}
		_ = in.Close()
		l.requireEnd(t)
		_ = errors.Join(out.Close(), said.Close())
	})
	return l, err
}

// requireEnd waits until the agent's process is gone.
func (l *local) requireEnd(t *testing.T) {
	t.Helper()
	select {
	case <-l.waited:
	case <-time.After(soon):
		_ = l.command.Process.Kill()
		t.Errorf("the agent is still there after %v", soon)
	}
}

// kill kills the agent, like the out-of-memory killer: it cannot clean up.
func (l *local) kill(t *testing.T) {
	t.Helper()
	require.NoError(t, l.command.Process.Signal(syscall.SIGKILL))
	l.requireEnd(t)
}

// startLocal is an agent that has not opened a repository.
func startLocal(t *testing.T) *remote.Agent {
	t.Helper()
	l, err := launch(t, command())
	require.NoError(t, err)
	return l.Agent
}

// opened is an agent that has opened a repository.
func opened(t *testing.T, root string) *local {
	t.Helper()
	return openedWithin(t, root, timeouts.Default())
}

// openedWithin is opened with other bounds, of this side and of the agent.
func openedWithin(t *testing.T, root string, bounds timeouts.Timeouts) *local {
	t.Helper()
	l, err := launchOver(t, command(), root, func(out io.Reader) io.Reader { return out }, bounds)
	require.NoError(t, err)
	require.NoError(t, l.Open(t.Context(), root))
	l.root = root
	return l
}

// newRun returns a unique name of a run.

// owner is an agent that holds the lock of the stage "staging" of a repository.
func owner(t *testing.T, root string) *local {
	t.Helper()
	l := opened(t, root)
	l.lock(t, "staging")
	return l
}

func (l *local) lock(t *testing.T, name string) {
	t.Helper()
	var err error
	l.stage, l.run = stage(t, name), newRun()
	l.locked, err = l.Lock(t.Context(), l.stage, l.run, remote.Holder{Who: "ann@laptop", What: "push " + name})
	require.NoError(t, err)
}

// member is one member of an archive, named below its top directory.
type member struct {
	name, text, target string
	mode               int64
	directory          bool
}

func file(name, text string) member      { return member{name: name, text: text, mode: 0o644} }
func symlink(name, target string) member { return member{name: name, target: target, mode: 0o777} }

// archive is a source distribution and its description for the agent.
type archive struct {
	remote.Source
	data []byte
}

// source makes a source distribution of a project without code, which needs no environment to be
// sealed.
func source(t *testing.T, name, version string, members ...member) archive {
	t.Helper()
	top := name + "-" + version
	var out bytes.Buffer
	zipped := gzip.NewWriter(&out)
	tarred := tar.NewWriter(zipped)
	metadata := fmt.Sprintf("Metadata-Version: 2.1\nName: %s\nVersion: %s\n", name, version)
	for _, m := range append([]member{file("PKG-INFO", metadata)}, members...) {
		h := &tar.Header{Name: top + "/" + m.name, Mode: m.mode, Typeflag: tar.TypeReg, Size: int64(len(m.text))}
		switch {
		case m.directory:
			h.Typeflag, h.Name = tar.TypeDir, h.Name+"/"
		case m.target != "":
			h.Typeflag, h.Linkname = tar.TypeSymlink, m.target
		}
		require.NoError(t, tarred.WriteHeader(h))
		_, err := tarred.Write([]byte(m.text))
		require.NoError(t, err)
	}
	require.NoError(t, errors.Join(tarred.Close(), zipped.Close()))
	path := filepath.Join(t.TempDir(), top+".tar.gz")
	require.NoError(t, os.WriteFile(path, out.Bytes(), 0o600))
	opened, err := sdist.Open(path)
	require.NoError(t, err)
	require.NoError(t, opened.Close())
	return archive{data: out.Bytes(), Source: remote.Source{
		Package: opened.Package, Name: opened.Name, SHA256: opened.SHA256, Content: opened.Content, Recipe: "recipe",
	}}
}

// newPart returns a unique name of a part of an upload.
func newPart() string { return newRun().String() }

func newRun() name.Run { return name.NewRun() }

func pkg(t *testing.T, text string) name.Package {
	t.Helper()
	p, err := name.ParsePackage(text)
	require.NoError(t, err)
	return p
}

func digest(data []byte) string {
	sum := sha256.Sum256(data)
	return hex.EncodeToString(sum[:])
}

// place puts a part where an SFTP upload would, and has the agent store it.
func (l *local) place(t *testing.T, data []byte) {
	t.Helper()
	part := newPart()
	require.NoError(t, os.WriteFile(filepath.Join(l.locked.Directory, part), data, 0o600))
	require.NoError(t, l.Receive(t.Context(), part, digest(data), int64(len(data))))
}

// unpack uploads and unpacks a source distribution.
func (l *local) unpack(t *testing.T, a archive) {
	t.Helper()
	receipt, err := l.Begin(t.Context(), a.Source)
	require.NoError(t, err)
	require.Nil(t, receipt)
	l.place(t, a.data)
	require.NoError(t, l.Unpack(t.Context(), a.Source, soon, nil))
}

// freeze makes the package that is built read-only.
func (l *local) freeze(t *testing.T) {
	t.Helper()
	require.NoError(t, l.Freeze(t.Context(), time.Unix(1_700_000_000, 0)))
}

// install makes a sealed package without an environment, which sealing does not need.
func (l *local) install(t *testing.T, a archive) remote.Receipt {
	t.Helper()
	l.unpack(t, a)
	l.freeze(t)
	receipt, err := l.Seal(t.Context(), a.Source, remote.Provenance{By: "ann@laptop"})
	require.NoError(t, err)
	return receipt
}

// installed makes a repository with sealed packages app-<version> and returns an owner of the
// stage.
func installed(t *testing.T, versions ...string) *local {
	t.Helper()
	l := owner(t, repository(t))
	for _, version := range versions {
		l.install(t, source(t, "app", version, file("version", version)))
	}
	return l
}

// change is a switch of the owner's stage from one package to another.
func (l *local) change(t *testing.T, from, to string) remote.Link {
	t.Helper()
	return remote.Link{Stage: l.stage, Run: l.run, Op: "push", From: from, To: pkg(t, to), Note: remote.Note{By: "ann@laptop"}}
}

// link arms, commits and confirms.
func (l *local) link(t *testing.T, from, to string) {
	t.Helper()
	require.NoError(t, l.Arm(t.Context(), l.change(t, from, to), soon))
	_, err := l.Commit(t.Context(), l.run)
	require.NoError(t, err)
	require.NoError(t, l.Confirm(t.Context(), l.run, remote.Note{}))
}

// resume resumes a switch, with a working fsync.
func (l *local) resume(t *testing.T, change remote.Link) error {
	t.Helper()
	durable, err := l.Resume(t.Context(), change)
	require.Equal(t, err == nil, durable)
	return err
}

// linked is the target of the stage's link, "" for none.
func (l *local) linked(t *testing.T) string {
	t.Helper()
	target, err := os.Readlink(filepath.Join(l.root, l.stage.String()))
	if errors.Is(err, os.ErrNotExist) {
		return ""
	}
	require.NoError(t, err)
	return target
}

// events are the events of the stage's journal on the disk, "damaged" for an unreadable line.
func events(t *testing.T, root string) []string {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(root, ".kis/journal/staging"))
	if errors.Is(err, os.ErrNotExist) {
		return nil
	}
	require.NoError(t, err)
	var found []string
	for line := range strings.Lines(string(text)) {
		one := remote.ParseJournal([]string{strings.TrimSuffix(line, "\n"), ""})
		all := slices.Concat(one.Entries, one.Ended)
		if len(all) == 0 {
			found = append(found, "damaged")
			continue
		}
		found = append(found, string(all[0].Event))
	}
	return found
}

// requireEvents waits until the journal has exactly these events.
func requireEvents(t *testing.T, root string, want ...string) {
	t.Helper()
	require.EventuallyWithT(t, func(c *assert.CollectT) { assert.Equal(c, want, events(t, root)) }, soon, 5*time.Millisecond)
}

// requireRefused requires a refusal with this code.
func requireRefused(t *testing.T, err error, code remote.Code) {
	t.Helper()
	require.Equal(t, code, refusal(t, err).Code, "%v", err)
}

// refusal requires a refusal and returns it.
func refusal(t *testing.T, err error) remote.Refused {
	t.Helper()
	var refused *remote.Refused
	require.ErrorAs(t, err, &refused)
	return *refused
}

func requireLost(t *testing.T, err error) {
	t.Helper()
	var lost *remote.Lost
	require.ErrorAs(t, err, &lost)
	require.NotContains(t, err.Error(), "connection lost: connection lost", "it is said once")
}
