package remote_test

import (
	"fmt"
	"net"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/keep-it-simple/kis/internal/name"
	"github.com/keep-it-simple/kis/remote"
)

// TestHealthIsWhatTheApplicationAnswers: its status, a header, a text in the body, over TCP and over a Unix socket.
func TestHealthIsWhatTheApplicationAnswers(t *testing.T) {
	t.Parallel()
	l := owner(t, repository(t))
	handler := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("X-Version", "1.2")
		switch r.URL.Path {
		case "/moved":
			http.Redirect(w, r, "/", http.StatusFound)
		case "/teapot":
			w.WriteHeader(http.StatusTeapot)
		}
		_, _ = fmt.Fprintf(w, "ready on %s\nquery %s\n", r.Host, r.URL.RawQuery)
	})
	server := httptest.NewServer(handler)
	t.Cleanup(server.Close)
	socket := filepath.Join(t.TempDir(), "app.sock")
	listener, err := net.Listen("unix", socket)
	require.NoError(t, err)
	unix := httptest.NewUnstartedServer(handler)
	unix.Listener = listener
	unix.Start()
	t.Cleanup(unix.Close)

	address := strings.TrimPrefix(server.URL, "http://")
	for what, test := range map[string]struct {
		check  remote.HealthCheck
		reason string
	}{
		"status":          {remote.HealthCheck{URL: server.URL + "/"}, ""},
		"no path":         {remote.HealthCheck{URL: server.URL}, ""},
		"query":           {remote.HealthCheck{URL: server.URL + "/?a=b", Body: "query a=b"}, ""},
		"another status":  {remote.HealthCheck{URL: server.URL + "/teapot", Status: 418}, ""},
		"header":          {remote.HealthCheck{URL: server.URL, Header: "x-version", Value: "1.2"}, ""},
		"body":            {remote.HealthCheck{URL: server.URL, Body: "ready on " + address}, ""},
		"host header":     {remote.HealthCheck{URL: server.URL, Host: "example.org", Body: "ready on example.org\n"}, ""},
		"unix socket":     {remote.HealthCheck{URL: "http://localhost/x", Unix: socket, Body: "ready on localhost"}, ""},
		"unix, its host":  {remote.HealthCheck{URL: "http://blog.example.org/x", Unix: socket, Body: "ready on blog.example.org"}, ""},
		"wrong status":    {remote.HealthCheck{URL: server.URL + "/teapot"}, "the status is 418, not 200"},
		"a redirect":      {remote.HealthCheck{URL: server.URL + "/moved"}, "the status is 302, not 200"},
		"wrong header":    {remote.HealthCheck{URL: server.URL, Header: "X-Version", Value: "1.3"}, "the header X-Version is '1.2', not '1.3'"},
		"missing header":  {remote.HealthCheck{URL: server.URL, Header: "X-Other", Value: "1.3"}, "the header X-Other is None, not '1.3'"},
		"wrong body":      {remote.HealthCheck{URL: server.URL, Body: "steady"}, "the body does not contain 'steady'"},
		"nobody there":    {remote.HealthCheck{URL: "http://127.0.0.1:1/"}, "Connection refused"},
		"no such socket":  {remote.HealthCheck{URL: "http://localhost/", Unix: socket + "x"}, "No such file or directory"},
		"not TLS":         {remote.HealthCheck{URL: "https://" + address}, "WRONG_VERSION_NUMBER"},
		"not a web place": {remote.HealthCheck{URL: "ftp://" + address}, "not an address of a health check"},
	} {
		test.check.Within = 300 * time.Millisecond
		err := l.Health(t.Context(), l.stage, l.run, test.check)
		if test.reason == "" {
			require.NoError(t, err, what)
			continue
		}
		require.ErrorContains(t, err, test.reason, what)
	}
	refused := refusal(t, l.Health(t.Context(), l.stage, l.run, remote.HealthCheck{URL: server.URL, Body: "steady", Within: 100 * time.Millisecond}))
	assert.Equal(t, []string{"ready on " + address, "query "}, refused.Tail)
}

// TestHealthIsWaitedFor until it has held as often in a row as asked for; one failure begins the count anew.
func TestHealthIsWaitedFor(t *testing.T) {
	t.Parallel()
	l := owner(t, repository(t))
	var asked atomic.Int32
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		if n := asked.Add(1); n == 1 || n == 3 {
			w.WriteHeader(http.StatusServiceUnavailable)
		}
	}))
	t.Cleanup(server.Close)
	err := l.Health(t.Context(), l.stage, l.run, remote.HealthCheck{URL: server.URL, Consecutive: 2, Within: time.Minute})
	require.NoError(t, err)
	assert.Equal(t, int32(5), asked.Load())

	// The end of the whole check cuts the last attempt off: what the application said before is the cause.
	slow := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if asked.Add(1) > 6 {
			<-r.Context().Done()
			return
		}
		w.WriteHeader(http.StatusServiceUnavailable)
	}))
	t.Cleanup(slow.Close)
	err = l.Health(t.Context(), l.stage, l.run, remote.HealthCheck{URL: slow.URL, Within: time.Second})
	require.ErrorContains(t, err, "the status is 503, not 200")

	flapping := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		if asked.Add(1)%2 == 0 {
			w.WriteHeader(http.StatusServiceUnavailable)
		}
	}))
	t.Cleanup(flapping.Close)
	err = l.Health(t.Context(), l.stage, l.run, remote.HealthCheck{URL: flapping.URL, Consecutive: 3, Within: 2 * time.Second})
	require.ErrorContains(t, err, "the status is 503, not 200 (at most 1 of 3 successes in a row)")
}

// TestOnlyTheOwnerOfAStageRestartsAndAsks: another run may be at work on it.
func TestOnlyTheOwnerOfAStageRestartsAndAsks(t *testing.T) {
	t.Parallel()
	l := opened(t, repository(t))
	stage, err := name.ParseStage("staging")
	require.NoError(t, err)
	err = l.Health(t.Context(), stage, newRun(), remote.HealthCheck{URL: "http://127.0.0.1/", Within: time.Second})
	requireRefused(t, err, "not-locked")
	unit, err := name.ParseUnit("blog")
	require.NoError(t, err)
	requireRefused(t, l.RestartServices(t.Context(), stage, newRun(), []remote.Service{{Unit: unit}}, time.Second), "not-locked")
}
