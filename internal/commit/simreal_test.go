package commit_test

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"flag"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/keep-it-simple/kis/internal/name"
	"github.com/keep-it-simple/kis/internal/sdist"
	"github.com/keep-it-simple/kis/inventory"
	"github.com/keep-it-simple/kis/remote"
)

// twinMany is how many random sequences of commands the simulated agent is compared with the real
// one by.
//
//nolint:gochecknoglobals // a flag of the test binary
var twinMany = flag.Int("sim.sequences", 12, "sequences by which the simulated agent is compared with the real one")

// TestSimulatedAgentIsTheRealOne gives random sequences of commands to real agents on a real
// repository and to simulated ones, and requires the same answers, the same link, the same prepared
// links and the same journal after each command.
func TestSimulatedAgentIsTheRealOne(t *testing.T) {
	t.Parallel()
	template := sealedPackages(t, "app-0", "app-1", "app-2", "app-9")
	seed := *simSeed
	if seed == 0 {
		seed = rand.Uint64()
	}
	t.Logf("go test ./internal/commit -run TestSimulatedAgentIsTheRealOne -args -sim.seed %d", seed)
	for i := range *twinMany {
		t.Run(fmt.Sprint(i), func(t *testing.T) {
			t.Parallel()
			p := newTwins(t, template, rand.New(rand.NewPCG(seed, uint64(i))))
			for range 30 {
				p.step()
			}
		})
	}
}

// twins are a real host and a simulated one, each with two agents, that get the same commands.
type twins struct {
	t      *testing.T
	random *rand.Rand
	root   string
	sim    *simHost
	laptop *simLaptop
	agents [2]*twin
	story  []string
}

// twin is an agent on the real host and its simulated likeness.
type twin struct {
	run     name.Run
	real    *remote.Agent
	process *exec.Cmd
	in      *os.File
	gone    chan struct{}
	sim     *remote.Agent
	conn    *simConn
	locked  [2]remote.Locked
	holds   bool
}

func newTwins(t *testing.T, template string, random *rand.Rand) *twins {
	t.Helper()
	root := filepath.Join(t.TempDir(), "webcode")
	require.NoError(t, exec.CommandContext(t.Context(), "cp", "-a", template, root).Run())
	t.Cleanup(func() { _ = exec.Command("chmod", "-R", "u+w", root).Run() })
	p := &twins{t: t, random: random, root: root}
	var mu sync.Mutex
	p.sim = newSimHost(&mu, 0, "", "app-0", "app-1", "app-2", "app-9")
	p.sim.quiet = true // no faults but those of this test
	p.laptop = &simLaptop{
		hosts: map[string]*simHost{p.sim.name: p.sim}, tapes: map[string]*simTape{p.sim.name: {}}, ticks: map[string]int{}, lost: map[string]int{}, worse: map[string]bool{},
	}
	for i := range p.agents {
		run, err := name.ParseRun(fmt.Sprintf("run%05d%d", random.IntN(100000), i))
		require.NoError(t, err)
		p.agents[i] = &twin{run: run}
		p.start(p.agents[i])
	}
	return p
}

// start starts both agents of a twin.
func (p *twins) start(w *twin) {
	p.t.Helper()
	w.process = exec.Command("/bin/sh", "-s", "--", "python3")
	in, here, err := os.Pipe()
	require.NoError(p.t, err)
	out, outHere, err := os.Pipe()
	require.NoError(p.t, err)
	w.process.Stdin, w.process.Stdout, w.in = in, outHere, here
	require.NoError(p.t, w.process.Start())
	require.NoError(p.t, errors.Join(in.Close(), outHere.Close()))
	w.gone = make(chan struct{})
	go func(process *exec.Cmd, gone chan struct{}) { _ = process.Wait(); close(gone) }(w.process, w.gone)
	w.real, err = remote.Start(p.t.Context(), remote.Streams{In: here, Out: out, Err: strings.NewReader("")})
	require.NoError(p.t, err)
	require.NoError(p.t, w.real.Open(p.t.Context(), p.root))
	conn, streams, err := p.laptop.dial(p.t.Context(), inventory.Host{Name: p.sim.name})
	require.NoError(p.t, err)
	w.conn = conn.(*simConn)
	w.sim, err = remote.Start(p.t.Context(), streams)
	require.NoError(p.t, err)
	require.NoError(p.t, w.sim.Open(p.t.Context(), p.sim.root))
	w.conn.agent.during = func(c simCommand) simRan { return simRan{well: c.Commands[0] == "true"} }
	w.holds = false
	p.t.Cleanup(func() {
		_ = w.real.Close()
		_ = here.Close()
		_ = w.sim.Close()
	})
}

// step does one thing on both hosts and compares them.
func (p *twins) step() {
	p.t.Helper()
	w := p.agents[p.random.IntN(len(p.agents))]
	if p.random.IntN(6) == 0 {
		p.meddle(w)
	} else {
		p.command(w)
	}
	p.compare()
}

// meddle is what happens to agents and repositories besides commands.
func (p *twins) meddle(w *twin) {
	p.t.Helper()
	switch what := p.random.IntN(4); what {
	case 0, 1:
		p.note("%s: its connection ends (killed: %v)", w.run, what == 0)
		if what == 0 {
			require.NoError(p.t, w.process.Process.Kill())
		}
		require.NoError(p.t, w.in.Close())
		<-w.gone
		p.locked(func() {
			if what == 0 {
				w.conn.agent.kill()
			} else {
				w.conn.agent.end()
			}
		})
		p.start(w)
	case 2:
		link := p.pkg()
		p.note("the link is replaced by hand: %s", link)
		require.NoError(p.t, os.Symlink(link, p.root+"/staging.next"))
		require.NoError(p.t, os.Rename(p.root+"/staging.next", p.root+"/staging"))
		p.locked(func() { p.sim.replaceByHand(link) })
	case 3:
		p.note("the lock file is removed")
		if err := os.Remove(p.root + "/.kis/locks/staging"); !errors.Is(err, os.ErrNotExist) {
			require.NoError(p.t, err)
		}
		p.locked(p.sim.removeLock)
		for _, other := range p.agents {
			other.holds = false
		}
	}
}

func (p *twins) note(format string, args ...any) {
	p.story = append(p.story, fmt.Sprintf(format, args...))
}

func (p *twins) locked(do func()) {
	p.sim.mu.Lock()
	defer p.sim.mu.Unlock()
	do()
}

func (p *twins) pkg() string {
	return []string{"app-0", "app-1", "app-2", "absent-3"}[p.random.IntN(4)]
}

// link is a re-link that mostly starts at what is linked.
func (p *twins) link(w *twin) remote.Link {
	stage, err := name.ParseStage(simStage)
	require.NoError(p.t, err)
	to, err := name.ParsePackage(p.pkg())
	require.NoError(p.t, err)
	l := remote.Link{Stage: stage, Run: w.run, Op: "push", From: p.sim.link, To: to, Note: remote.Note{By: "ann@laptop"}}
	if p.random.IntN(6) == 0 {
		l.From = p.pkg()
	}
	return l
}

// command gives one command to both agents.
func (p *twins) command(w *twin) {
	p.t.Helper()
	name, do := p.choose(w)
	ctx, cancel := context.WithTimeout(p.t.Context(), 30*time.Second)
	defer cancel()
	realAnswer, simAnswer := do(ctx, w.real, 0), do(ctx, w.sim, 1)
	p.note("%s: %s: %s", w.run, name, realAnswer)
	require.Equalf(p.t, realAnswer, simAnswer, "%s: %s, after\n%s", w.run, name, strings.Join(p.story, "\n"))
}

// twinCommand gives one command to an agent, of the real or of the simulated host, and says in a
// word what it answered.
type twinCommand func(ctx context.Context, a *remote.Agent, side int) string

func said(err error) string {
	if err == nil {
		return "done"
	}
	if refused, ok := errors.AsType[*remote.Refused](err); ok {
		return string(refused.Code)
	}
	return "lost: " + err.Error()
}

func (p *twins) choose(w *twin) (string, twinCommand) {
	l := p.link(w)
	other := p.agents[p.random.IntN(len(p.agents))].run
	switch p.random.IntN(20) {
	case 0, 1, 2, 3:
		return "lock", func(ctx context.Context, a *remote.Agent, side int) string {
			locked, err := a.Lock(ctx, l.Stage, w.run, remote.Holder{Who: "ann@laptop"})
			if err == nil {
				w.locked[side], w.holds = locked, true
			}
			return fmt.Sprint(said(err), locked.Linked, locked.Fenced, locked.Journal)
		}
	case 4, 5:
		return "lock again", func(ctx context.Context, a *remote.Agent, side int) string {
			locked, err := a.LockAgain(ctx, l.Stage, w.run, remote.Holder{Who: "ann@laptop"}, w.locked[side])
			if err == nil {
				w.locked[side], w.holds = locked, true
			}
			return fmt.Sprint(said(err), locked.Linked, locked.Fenced, locked.Journal)
		}
	case 6:
		return "unlock", func(ctx context.Context, a *remote.Agent, _ int) string {
			err := a.Unlock(ctx)
			w.holds = w.holds && err != nil
			return said(err)
		}
	case 7, 8, 9, 10:
		return fmt.Sprintf("arm %s to %s", l.From, l.To), func(ctx context.Context, a *remote.Agent, _ int) string { return said(a.Arm(ctx, l, 20*time.Second)) }
	case 11, 12, 13:
		return "commit", func(ctx context.Context, a *remote.Agent, _ int) string {
			switched, err := a.Commit(ctx, w.run)
			return fmt.Sprint(said(err), switched.Durable)
		}
	}
	return p.chooseLater(w, l, other)
}

// chooseLater is choose for what comes behind a commit.
func (p *twins) chooseLater(w *twin, l remote.Link, other name.Run) (string, twinCommand) {
	well := p.random.IntN(3) > 0
	switch p.random.IntN(9) {
	case 0:
		return "revert", func(ctx context.Context, a *remote.Agent, _ int) string {
			_, err := a.Revert(ctx, w.run)
			return said(err)
		}
	case 1:
		return "confirm", func(ctx context.Context, a *remote.Agent, _ int) string {
			return said(a.Confirm(ctx, w.run, remote.Note{}))
		}
	case 2:
		if p.sim.link != "" && p.random.IntN(4) > 0 {
			l.To, _ = name.ParsePackage(p.sim.link)
			l.From = "app-0"
		}
		return fmt.Sprintf("resume %s to %s", l.From, l.To), func(ctx context.Context, a *remote.Agent, _ int) string {
			durable, err := a.Resume(ctx, l)
			return fmt.Sprint(said(err), durable)
		}
	case 3:
		return "abort", func(ctx context.Context, a *remote.Agent, _ int) string { return said(a.Abort(ctx)) }
	case 4:
		return "restarted", func(ctx context.Context, a *remote.Agent, _ int) string {
			return said(a.Restarted(ctx, l.Stage, w.run, well))
		}
	case 5:
		return "fence " + other.String(), func(ctx context.Context, a *remote.Agent, _ int) string {
			fenced, err := a.Fence(ctx, l.Stage, other)
			return fmt.Sprint(said(err), fenced)
		}
	case 6:
		c := remote.Commands{Package: l.To, Commands: []string{map[bool]string{true: "true", false: "false"}[well]}, Within: time.Minute}
		if c.Package.String() == "absent-3" {
			c.Package, _ = name.ParsePackage("app-0")
		}
		return "command " + c.Commands[0], func(ctx context.Context, a *remote.Agent, _ int) string {
			return said(a.Command(ctx, l.Stage, w.run, c, nil))
		}
	case 7:
		return p.end(w)
	}
	return "check", func(ctx context.Context, a *remote.Agent, _ int) string {
		facts, err := a.Check(ctx, remote.CheckRequest{Stage: l.Stage, Packages: true})
		return fmt.Sprint(said(err), facts.Stage.Linked, facts.Stage.Sealed, facts.Stage.Holder != nil, len(facts.Stage.Lines), len(facts.Packages), facts.Problems)
	}
}

// end ends the other agent, as a run does that finds its own lock taken, and as kis unlock --force
// does.
func (p *twins) end(w *twin) (string, twinCommand) {
	if w.holds { // no test ends its own agent
		return "ping", func(ctx context.Context, a *remote.Agent, _ int) string {
			_, err := a.Ping(ctx)
			return said(err)
		}
	}
	other := p.agents[0]
	if other == w {
		other = p.agents[1]
	}
	force, held := p.random.IntN(2) == 0, other.holds
	stage, err := name.ParseStage(simStage)
	require.NoError(p.t, err)
	return fmt.Sprintf("end %s (by force: %v)", other.run, force), func(ctx context.Context, a *remote.Agent, side int) string {
		var holder *remote.Holder
		var err error
		if force {
			holder, err = a.Break(ctx, stage, other.run.String(), "eve@laptop")
		} else {
			err = a.Evict(ctx, stage, other.run)
		}
		if held && side == 1 { // both are gone
			<-other.gone
			p.start(other)
		}
		return fmt.Sprint(said(err), holder != nil)
	}
}

// compare requires the same state of both hosts.
func (p *twins) compare() {
	p.t.Helper()
	target, err := os.Readlink(p.root + "/staging")
	if !errors.Is(err, os.ErrNotExist) {
		require.NoError(p.t, err)
	}
	entries, err := os.ReadDir(p.root + "/.kis/armed")
	require.NoError(p.t, err)
	armed := []string{}
	for _, e := range entries {
		armed = append(armed, strings.TrimPrefix(e.Name(), simStage+"."))
	}
	text, err := os.ReadFile(p.root + "/.kis/journal/staging")
	if !errors.Is(err, os.ErrNotExist) {
		require.NoError(p.t, err)
	}
	journal := shown(strings.Split(strings.TrimSuffix(string(text), "\n"), "\n"))
	after := strings.Join(p.story, "\n")
	p.locked(func() {
		simArmed := []string{}
		for run := range p.sim.armed {
			simArmed = append(simArmed, run)
		}
		slices.Sort(simArmed)
		require.Equal(p.t, target, p.sim.link, after)
		require.Equal(p.t, armed, simArmed, after)
		require.Equal(p.t, journal, shown(p.sim.journal), after)
	})
}

// shown is what the lines of a journal say that both hosts have to agree on.
func shown(lines []string) []string {
	var all []string
	j := remote.ParseJournal(append(slices.Clone(lines), ""))
	for _, e := range slices.Concat(j.Entries, j.Ended) {
		all = append(all, fmt.Sprintf("%d %s %s %s→%s %s restarted=%v note=%v", e.Seq, e.Run, e.Event, e.From, e.To, e.By, e.Restarted, e.Note != ""))
	}
	return all
}

// sealedPackages is a repository with these packages, sealed by a real agent.
func sealedPackages(t *testing.T, names ...string) string {
	t.Helper()
	root := filepath.Join(t.TempDir(), "webcode")
	require.NoError(t, os.Mkdir(root, 0o755))
	t.Cleanup(func() { _ = exec.Command("chmod", "-R", "u+w", root).Run() })
	process := exec.Command("/bin/sh", "-s", "--", "python3")
	in, err := process.StdinPipe()
	require.NoError(t, err)
	out, err := process.StdoutPipe()
	require.NoError(t, err)
	require.NoError(t, process.Start())
	agent, err := remote.Start(t.Context(), remote.Streams{In: in, Out: out, Err: strings.NewReader("")})
	require.NoError(t, err)
	require.NoError(t, agent.Open(t.Context(), root))
	stage, err := name.ParseStage("preparing")
	require.NoError(t, err)
	preparing, err := name.ParseRun("preparing0")
	require.NoError(t, err)
	locked, err := agent.Lock(t.Context(), stage, preparing, remote.Holder{Who: "test"})
	require.NoError(t, err)
	for i, named := range names {
		project, version, _ := strings.Cut(named, "-")
		a, data := emptySdist(t, project, version)
		pkg, err := name.ParsePackage(named)
		require.NoError(t, err)
		source := remote.Source{Package: pkg, Name: project, SHA256: a.SHA256, Content: a.Content, Recipe: "recipe"}
		_, err = agent.Begin(t.Context(), source)
		require.NoError(t, err)
		part := fmt.Sprintf("part%08d", i)
		require.NoError(t, os.WriteFile(filepath.Join(locked.Directory, part), data, 0o600))
		require.NoError(t, agent.Receive(t.Context(), part, a.SHA256, a.Size))
		require.NoError(t, agent.Unpack(t.Context(), source, time.Minute, nil))
		require.NoError(t, agent.Freeze(t.Context(), time.Unix(1_700_000_000, 0)))
		_, err = agent.Seal(t.Context(), source, remote.Provenance{})
		require.NoError(t, err)
	}
	require.NoError(t, agent.Close())
	require.NoError(t, process.Wait())
	return root
}

// emptySdist is a source distribution without code.
func emptySdist(t *testing.T, name, version string) (*sdist.Archive, []byte) {
	t.Helper()
	var out bytes.Buffer
	zipped := gzip.NewWriter(&out)
	tarred := tar.NewWriter(zipped)
	text := fmt.Sprintf("Metadata-Version: 2.1\nName: %s\nVersion: %s\n", name, version)
	require.NoError(t, tarred.WriteHeader(&tar.Header{Name: name + "-" + version + "/PKG-INFO", Mode: 0o644, Typeflag: tar.TypeReg, Size: int64(len(text))}))
	_, err := tarred.Write([]byte(text))
	require.NoError(t, err)
	require.NoError(t, errors.Join(tarred.Close(), zipped.Close()))
	path := filepath.Join(t.TempDir(), name+"-"+version+".tar.gz")
	require.NoError(t, os.WriteFile(path, out.Bytes(), 0o600))
	a, err := sdist.Open(path)
	require.NoError(t, err)
	sum := sha256.Sum256(out.Bytes())
	require.Equal(t, hex.EncodeToString(sum[:]), a.SHA256)
	require.NoError(t, a.Close())
	return a, out.Bytes()
}
