package recovery

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/keep-it-simple/kis/internal/name"
	"github.com/keep-it-simple/kis/internal/testenv"
	"github.com/keep-it-simple/kis/internal/testenv/hosttest"
	"github.com/keep-it-simple/kis/remote"
	"github.com/keep-it-simple/kis/sshx"
)

// visitedRun is the name of the run that switches while the visitor looks.
func visitedRun(w *testenv.Env) name.Run {
	w.T.Helper()
	run, err := name.ParseRun("visited0")
	require.NoError(w.T, err)
	return run
}

// visitor reads files through a stage's link, again and again without any pause, as the processes of a web server do.
type visitor struct {
	link   string
	reads  int
	seen   map[string]int // version → how often
	faults []string
}

func (v *visitor) visit(ctx context.Context) {
	v.seen = map[string]int{}
	for ctx.Err() == nil {
		if err := v.once(); err != nil && len(v.faults) < 10 {
			v.faults = append(v.faults, err.Error())
		}
		v.reads++
	}
}

// once opens the folder behind the link and reads two files in it, which must be of one version; then it reads one along the path.
func (v *visitor) once() error {
	folder, err := os.OpenRoot(v.link)
	if err != nil {
		return err
	}
	defer folder.Close() //nolint:errcheck // only read
	text, err := folder.ReadFile("VERSION")
	if err != nil {
		return err
	}
	info, err := folder.ReadFile("PKG-INFO")
	if err != nil {
		return err
	}
	version := strings.TrimSpace(string(text))
	if !strings.Contains(string(info), "\nVersion: "+version+"\n") {
		return fmt.Errorf("a mixture: VERSION is %s, PKG-INFO is %s", version, info)
	}
	v.seen[version]++
	text, err = os.ReadFile(filepath.Join(v.link, "VERSION"))
	if err == nil && string(text) != "0.3\n" && string(text) != "0.4\n" {
		err = fmt.Errorf("VERSION reads %q", text)
	}
	return err
}

// TestNoGapDuring200Switches_C13: every switch is a whole transaction of the agent over real SSH, one conversation for all of them.
func TestNoGapDuring200Switches_C13(t *testing.T) {
	t.Parallel()
	const switches = 200
	w := testenv.New(t, 1, hosttest.Options{})
	w.Earlier("0.3")
	w.Version("0.4")
	w.Install(w.Archive())
	agent := converse(w, "web1")

	v := &visitor{link: filepath.Join(w.Hosts[0].Repo, "staging")}
	ctx, stop := context.WithCancel(t.Context())
	var visiting sync.WaitGroup
	visiting.Go(func() { v.visit(ctx) })
	begin := time.Now()
	for i := range switches {
		relink(w, agent, "hello-"+[]string{"0.3", "0.4"}[i%2], "hello-"+[]string{"0.4", "0.3"}[i%2])
	}
	stop()
	visiting.Wait()

	t.Logf("%d switches in %v, %d visits: %v", switches, time.Since(begin).Round(time.Millisecond), v.reads, v.seen)
	assert.Empty(t, v.faults)
	assert.Greater(t, v.reads, switches, "the visitor was there all the time")
	assert.Len(t, v.seen, 2, "the visitor saw both packages")
	assert.Equal(t, []string{"hello-0.3"}, w.Links())
}

// converse starts an agent on a host, by the packages that kis does it with, and takes the stage's lock.
func converse(w *testenv.Env, host string) *remote.Agent {
	w.T.Helper()
	ctx := w.T.Context()
	target, err := sshx.Resolver{ConfigFile: w.Client.Config}.Resolve(ctx, sshx.Host{Name: host})
	require.NoError(w.T, err)
	dialer := &sshx.Dialer{}
	w.T.Cleanup(func() { _ = dialer.Close() })
	client, err := dialer.Dial(ctx, target)
	require.NoError(w.T, err)
	w.T.Cleanup(func() { _ = client.Close() })
	process, err := client.Start(ctx, remote.Command(name.Python3(), name.User{}))
	require.NoError(w.T, err)
	agent, err := remote.Start(ctx, remote.Streams{In: process.Stdin, Out: process.Stdout, Err: process.Stderr})
	require.NoError(w.T, err)
	w.T.Cleanup(func() { _ = agent.Close() })
	require.NoError(w.T, agent.Open(ctx, hosttest.Repository))
	stage, err := name.ParseStage(w.Stage)
	require.NoError(w.T, err)
	_, err = agent.Lock(ctx, stage, visitedRun(w), remote.Holder{Who: "test"})
	require.NoError(w.T, err)
	return agent
}

// relink switches once, from arming to confirmation.
func relink(w *testenv.Env, agent *remote.Agent, from, to string) {
	w.T.Helper()
	stage, err := name.ParseStage(w.Stage)
	require.NoError(w.T, err)
	pkg, err := name.ParsePackage(to)
	require.NoError(w.T, err)
	require.NoError(w.T, agent.Arm(w.T.Context(), remote.Link{Stage: stage, Run: visitedRun(w), Op: "link", From: from, To: pkg}, 30*time.Second))
	switched, err := agent.Commit(w.T.Context(), visitedRun(w))
	require.NoError(w.T, err)
	assert.True(w.T, switched.Durable)
	require.NoError(w.T, agent.Confirm(w.T.Context(), visitedRun(w), remote.Note{}))
}
