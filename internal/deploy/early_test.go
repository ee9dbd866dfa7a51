//go:build recovery

package deploy_test

import (
	"crypto/sha256"
	"encoding/hex"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/keep-it-simple/kis/internal/deploy"
	"github.com/keep-it-simple/kis/internal/event"
	"github.com/keep-it-simple/kis/internal/testenv/proxytest"
	"github.com/keep-it-simple/kis/inventory"
)

// backtracked is an index for the requirements dep and last==1.0: pip tries dep 2.0, which needs another last, and takes
// dep 1.0, of so many bytes. The latter is not given before another host has got the former.
func backtracked(t *testing.T, size int) (index *packageIndex, copied func()) {
	t.Helper()
	data := string(randomBytes(t, 1<<20))
	index = &packageIndex{given: map[string]int{}, wheels: map[string][]byte{
		"dep-2.0-py3-none-any.whl":  wheelWith(t, "dep", "2.0", "Requires-Dist: last==9\n", map[string]string{"dep/data": data}),
		"dep-1.0-py3-none-any.whl":  wheelOf(t, "dep", map[string]string{"dep/data": data[:size]}),
		"last-1.0-py3-none-any.whl": wheelOf(t, "last", map[string]string{"last/__init__.py": ""}),
	}}
	there := make(chan struct{})
	var once sync.Once
	index.hold = func(wheel string) {
		if wheel != "dep-1.0-py3-none-any.whl" {
			return
		}
		select {
		case <-there:
		case <-time.After(time.Minute):
			t.Error("no host gets a wheel while pip resolves")
		}
	}
	return index, func() { once.Do(func() { close(there) }) }
}

// pushFrom is a push with the requirements of backtracked.
func pushFrom(t *testing.T, index string) deploy.Plan {
	t.Helper()
	p := push(t, "1.0")
	var err error
	p.Recipe, err = newRecipe(t, inventory.Install{Requirements: "r.txt", IndexURL: index + "/simple"}, withFiles(t, map[string]string{"r.txt": "dep\nlast==1.0\n"}))
	require.NoError(t, err)
	return p
}

// TestWheelsAreCopiedWhilePipResolves: the other host has what pip has downloaded before pip ends, each wheel is downloaded
// once, and one that pip does not choose stays on no host.
func TestWheelsAreCopiedWhilePipResolves(t *testing.T) {
	t.Parallel()
	index, copied := backtracked(t, 1<<20-1)
	server := httptest.NewServer(index)
	t.Cleanup(server.Close)
	w, p := newWorld(t, embedded, 2), pushFrom(t, server.URL)
	report := w.run(t.Context(), t, p, func(e event.Event) {
		if e.Step == event.StepWheels && e.Done >= 1<<20 {
			copied()
		}
	})
	require.Equal(t, event.Succeeded, report.Outcome, "%v", report.Failures)
	assert.Equal(t, map[string]int{"dep-2.0-py3-none-any.whl": 1, "dep-1.0-py3-none-any.whl": 1, "last-1.0-py3-none-any.whl": 1}, index.given)
	for _, h := range w.roots {
		for name, data := range index.wheels {
			sum := sha256.Sum256(data)
			stored := filepath.Join(h.Root, ".kis/incoming", hex.EncodeToString(sum[:]))
			if name == "dep-2.0-py3-none-any.whl" {
				assert.NoFileExists(t, stored)
				continue
			}
			assert.FileExists(t, stored)
		}
	}
}

// TestCopyingEndsWhenTheEnvironmentIsKnown: a slow line does not go on with a wheel that nobody needs.
func TestCopyingEndsWhenTheEnvironmentIsKnown(t *testing.T) {
	t.Parallel()
	index, copied := backtracked(t, 1)
	server := httptest.NewServer(index)
	t.Cleanup(server.Close)
	w, p := newWorld(t, embedded, 2), pushFrom(t, server.URL)
	most := int64(0)
	report := w.run(t.Context(), t, p, func(e event.Event) {
		if e.Step == event.StepWheels && strings.HasPrefix(e.Message, "waiting for the wheels of ") {
			w.proxy[e.Host].Rate(proxytest.ToHost, 64<<10)
		}
		if e.Step == event.StepWheels && e.Total >= 1<<20 {
			most = max(most, e.Done)
			copied()
		}
	})
	require.Equal(t, event.Succeeded, report.Outcome, "%v", report.Failures)
	assert.Positive(t, most)
	assert.Less(t, most, int64(1<<20))
}

// TestTheFasterOfTwoHostsMakesTheWheels: the slower one is told, and gets them.
func TestTheFasterOfTwoHostsMakesTheWheels(t *testing.T) {
	t.Parallel()
	index, copied := backtracked(t, 1)
	copied()
	slow := make(chan struct{})
	index.hold = func(wheel string) {
		index.mu.Lock()
		isFirst := index.given[wheel] == 1
		index.mu.Unlock()
		if wheel == "last-1.0-py3-none-any.whl" && isFirst {
			<-slow
		}
	}
	server := httptest.NewServer(index)
	t.Cleanup(server.Close)
	t.Cleanup(func() { close(slow) })
	w, p := newWorld(t, embedded, 2), pushFrom(t, server.URL)
	w.maker = time.Second
	report := w.run(t.Context(), t, p, nil)
	require.Equal(t, event.Succeeded, report.Outcome, "%v", report.Failures)
	assert.Equal(t, 2, index.given["last-1.0-py3-none-any.whl"])
}

// TestTheHostThatResolvesIsLost while another one copies what it has downloaded: nothing is linked, the other one has
// resolved for itself, and the same command succeeds.
func TestTheHostThatResolvesIsLost(t *testing.T) {
	t.Parallel()
	for name, lose := range map[string]func(w *world, maker string){
		"cut":     func(w *world, maker string) { w.proxy[maker].Cut() },
		"stalled": func(w *world, maker string) { w.proxy[maker].Stall() },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			index, copied := backtracked(t, 1<<20-1)
			server := httptest.NewServer(index)
			t.Cleanup(server.Close)
			w, p := newWorld(t, embedded, 2), pushFrom(t, server.URL)
			other := map[string]string{"web1": "web2", "web2": "web1"}
			var once sync.Once
			lost := ""
			report := w.run(t.Context(), t, p, func(e event.Event) {
				if e.Step == event.StepWheels && e.Total >= 1<<20 { // not of the wheel that the other one gets
					once.Do(func() {
						lost = other[e.Host]
						lose(w, lost)
						copied()
					})
				}
			})
			require.Equal(t, event.Aborted, report.Outcome)
			require.Len(t, report.Failures, 1, "%v", report.Failures)
			assert.Equal(t, lost, report.Failures[0].Host)
			report = w.run(t.Context(), t, p, nil)
			require.Equal(t, event.Succeeded, report.Outcome, "%v", report.Failures)
		})
	}
}

// TestCutWhileWheelsAreObtained: wherever a line is cut, from the first byte to the last, on the host that resolves or on the
// one that waits, the same push completes the package.
func TestCutWhileWheelsAreObtained(t *testing.T) {
	t.Parallel()
	const cuts = 6
	index, copied := backtracked(t, 1<<20-1)
	copied() // a host that is lost gets nothing
	server := httptest.NewServer(index)
	t.Cleanup(server.Close)
	w, p := newWorld(t, embedded, 2), pushFrom(t, server.URL)
	p.NoLink = true
	require.Empty(t, w.run(t.Context(), t, p, nil).Failures)
	var whole []map[proxytest.Direction]int64
	for _, h := range w.hosts {
		whole = append(whole, passed(w.proxy[h.Name]))
	}
	aborted := 0
	for i, h := range w.hosts {
		for d, bytes := range whole[i] {
			for n := range cuts {
				for _, root := range w.roots {
					remove(t, root, p.Archive.Package.String())
					require.NoError(t, os.RemoveAll(filepath.Join(root.Root, ".kis/incoming")))
				}
				w.proxy[h.Name].CutAfter(bytes*int64(n+1)/(cuts+1), d)
				if report := w.run(t.Context(), t, p, nil); report.Outcome == event.Aborted {
					aborted++
					require.Equal(t, h.Name, report.Failures[0].Host, "%d of %d bytes: %v", n, bytes, report.Failures)
				}
				require.Empty(t, w.run(t.Context(), t, p, nil).Failures, "%d of %d bytes", n, bytes)
			}
		}
	}
	require.Greater(t, aborted, 2*cuts, "most of them are before the end")
}

// passed is how many bytes one run has exchanged with a host.
func passed(p *proxytest.Proxy) map[proxytest.Direction]int64 {
	all := map[proxytest.Direction]int64{}
	for _, c := range p.Connections() {
		all[proxytest.ToHost] += c.ToHost
		all[proxytest.ToClient] += c.ToClient
	}
	return all
}
