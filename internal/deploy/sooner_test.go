//go:build recovery

package deploy_test

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"path"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/keep-it-simple/kis/internal/event"
	"github.com/keep-it-simple/kis/inventory"
)

// packageIndex is a package index (PEP 503) that counts.
type packageIndex struct {
	mu     sync.Mutex
	wheels map[string][]byte
	given  map[string]int     // how often each wheel was
	hold   func(wheel string) // is called before the content of a wheel is given; nil: it is given at once
}

func (i *packageIndex) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	wanted := path.Base(r.URL.Path)
	if data, ok := i.wheels[wanted]; ok {
		i.give(w, wanted, data)
		return
	}
	w.Header().Set("Content-Type", "text/html")
	for name := range i.wheels {
		_, _ = fmt.Fprintf(w, "<a href='/files/%s'>%s</a>\n", name, name)
	}
}

func (i *packageIndex) give(w http.ResponseWriter, name string, data []byte) {
	i.mu.Lock()
	i.given[name]++
	i.mu.Unlock()
	if i.hold != nil {
		w.Header().Set("Content-Length", strconv.Itoa(len(data)))
		_ = http.NewResponseController(w).Flush() // pip says what it downloads
		i.hold(name)
	}
	_, _ = w.Write(data) // a client that is gone is the test's concern
}

// TestWheelsComeFromWhereTheyComeSooner: what a slow line would take long to send, a host asks the index for, except for
// what was sent to measure the line. Over a fast one everything is sent.
func TestWheelsComeFromWhereTheyComeSooner(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		longer time.Duration
		want   map[string]int
	}{
		"a slow line": {1, map[string]int{"big-1.0-py3-none-any.whl": 2, "probe-1.0-py3-none-any.whl": 1}},
		"a fast line": {time.Hour, map[string]int{"big-1.0-py3-none-any.whl": 1, "probe-1.0-py3-none-any.whl": 1}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			index := &packageIndex{given: map[string]int{}, wheels: map[string][]byte{
				"big-1.0-py3-none-any.whl":   wheelOf(t, "big", map[string]string{"big/data": string(randomBytes(t, 9<<20))}),
				"probe-1.0-py3-none-any.whl": wheelOf(t, "probe", map[string]string{"probe/data": string(randomBytes(t, 1<<20))}),
			}}
			server := httptest.NewServer(index)
			t.Cleanup(server.Close)
			w := newWorld(t, embedded, 2)
			w.index = c.longer
			p := push(t, "1.0")
			var err error
			p.Recipe, err = newRecipe(t, inventory.Install{Requirements: "r.txt", IndexURL: server.URL + "/simple"}, withFiles(t, map[string]string{"r.txt": "big\nprobe\n"}))
			require.NoError(t, err)
			report := w.run(t.Context(), t, p, nil)
			require.Equal(t, event.Succeeded, report.Outcome)
			assert.Equal(t, c.want, index.given)
		})
	}
}

// TestTheHostThatCompilesIsLost: nothing is linked, the other host has compiled for itself, and the same command succeeds.
func TestTheHostThatCompilesIsLost(t *testing.T) {
	t.Parallel()
	w := newWorld(t, embedded, 2)
	p := pushOfMany(t)
	var once sync.Once
	var lost string
	report := w.run(t.Context(), t, p, func(e event.Event) {
		if maker, waits := strings.CutPrefix(e.Message, "waiting for the bytecode of "); waits {
			once.Do(func() {
				lost = maker
				w.proxy[maker].Cut()
			})
		}
	})
	require.Equal(t, event.Aborted, report.Outcome)
	require.Len(t, report.Failures, 1, "%v", report.Failures)
	assert.Equal(t, lost, report.Failures[0].Host)
	report = w.run(t.Context(), t, p, nil)
	require.Equal(t, event.Succeeded, report.Outcome, "%v", report.Failures)
}
