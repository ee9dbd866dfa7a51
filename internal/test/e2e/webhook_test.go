package e2e

import (
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"slices"
	"sync"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/keep-it-simple/kis/internal/testenv"
	"github.com/keep-it-simple/kis/internal/testenv/hosttest"
)

// TestWebhook is told the beginning and the end of runs, and changes none of them.
func TestWebhook(t *testing.T) {
	t.Parallel()
	w := testenv.New(t, 1, hosttest.Options{})
	var mu sync.Mutex
	var told []map[string]any
	status := http.StatusOK
	server := httptest.NewServer(http.HandlerFunc(func(answer http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(r.Body)
		assert.NoError(t, err)
		var m map[string]any
		assert.NoError(t, json.Unmarshal(body, &m))
		mu.Lock()
		defer mu.Unlock()
		told = append(told, m)
		answer.WriteHeader(status)
	}))
	defer server.Close()
	heard := func() []map[string]any {
		mu.Lock()
		defer mu.Unlock()
		return slices.Clone(told)
	}
	inventory := func(url string) {
		w.Inventory("stages: {staging: {hosts: [web1]}}\nwebhook: {url: \"" + url + "\"}\n")
	}

	inventory(server.URL + "/hook")
	archive := w.Archive()
	assert.Equal(t, 0, w.Kis("push", "staging", "--sdist", archive, "--dry-run").Exit)
	assert.Empty(t, heard(), "a dry run is no run")
	w.Run(0, "hello-0.3", "push", "staging", "--sdist", archive)
	said := heard()
	require.Len(t, said, 2)
	assert.Equal(t, "start", said[0]["event"])
	assert.Equal(t, "push", said[0]["op"])
	assert.Equal(t, []any{"web1"}, said[0]["hosts"])
	assert.Contains(t, said[0]["text"], ": push staging hello-0.3 on web1 begins")
	assert.Equal(t, "end", said[1]["event"])
	assert.Equal(t, said[0]["run"], said[1]["run"])
	assert.InDelta(t, 0, said[1]["exit"], 0)
	assert.Equal(t, "done", said[1]["outcome"])
	assert.Contains(t, said[1]["text"], ": staging is linked to hello-0.3 on 1 host")

	mu.Lock()
	status = http.StatusInternalServerError
	mu.Unlock()
	r := w.Run(0, "hello-0.3", "link", "staging", "hello-0.3")
	assert.Contains(t, r.Err, "kis: warning: the webhook was not told: ")
	assert.Contains(t, r.Err, ": 500 Internal Server Error\n")
	assert.NotContains(t, r.Screen(), "/hook", "the address is a secret")

	inventory("${NOT_SET_ANYWHERE}")
	r = w.Run(0, "hello-0.3", "link", "staging", "hello-0.3")
	assert.Contains(t, r.Err, "kis: warning: the webhook is not told: the environment variable NOT_SET_ANYWHERE is not set\n")

	inventory("ftp://example.com/s3cret")
	r = w.Kis("link", "staging", "hello-0.3")
	assert.Equal(t, 2, r.Exit)
	assert.Contains(t, r.Err, "inventory.yaml:2:16: webhook.url: not an http:// or https:// URL with a host")
}
