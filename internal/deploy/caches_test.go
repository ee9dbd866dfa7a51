package deploy_test

import (
	"context"
	"fmt"
	"io"
	"io/fs"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/keep-it-simple/kis/internal/event"
)

// TestASwitchIsVisibleToHTTPCaches: nginx makes validators of size and time, and these are the same in all archives of
// reproducible builds. They are those of the package on every host, also where it is copied later.
func TestASwitchIsVisibleToHTTPCaches(t *testing.T) {
	t.Parallel()
	w := newWorld(t, embedded, 2)
	one := w.on(0, 1)
	before := time.Now().Truncate(time.Second)
	require.Equal(t, 0, one.run(t.Context(), t, push(t, "1.0"), nil).Exit)
	require.Equal(t, 0, w.run(t.Context(), t, push(t, "1.0"), nil).Exit)
	times := w.times(t, "hello-1.0")
	require.Len(t, times, 1, "both hosts, the archive and the environment: %v", times)
	require.False(t, times[0].Before(before))
	require.False(t, times[0].After(time.Now()), "not in the future")

	get := serve(t, filepath.Join(w.hosts[0].Root, "staging"))
	first := get("")
	require.Equal(t, "200 1.0\n", first.text)
	require.Equal(t, "304 ", get(first.etag).text)
	plan := push(t, "1.1")
	require.Equal(t, 0, w.run(t.Context(), t, plan, nil).Exit)
	second := get(first.etag)
	assert.Equal(t, "200 1.1\n", second.text)
	plan = push(t, "1.1")
	plan.Op, plan.Archive, plan.Target = event.Rollback, nil, pkg(t, "hello-1.0")
	require.Equal(t, 0, w.run(t.Context(), t, plan, nil).Exit)
	assert.Equal(t, "200 1.0\n", get(second.etag).text)
	assert.Equal(t, "304 ", get(first.etag).text, "it is the same file again")
}

// times are the modification times of the files of a package on all hosts, without those of kis.
func (w *world) times(t *testing.T, name string) (found []time.Time) {
	t.Helper()
	seen := map[time.Time]bool{}
	for _, h := range w.hosts {
		require.NoError(t, filepath.WalkDir(filepath.Join(h.Root, name), func(_ string, entry fs.DirEntry, err error) error {
			if err == nil && entry.Name() == ".kis" {
				return filepath.SkipDir
			}
			if err != nil || !entry.Type().IsRegular() {
				return err
			}
			info, err := entry.Info()
			if err == nil && !seen[info.ModTime()] {
				seen[info.ModTime()] = true
				found = append(found, info.ModTime())
			}
			return err
		}))
	}
	return found
}

// answer is what nginx says: status and body, and the validator.
type answer struct{ text, etag string }

// serve starts nginx, and returns how to ask it for the file VERSION as a cache with this validator does.
func serve(t *testing.T, root string) func(etag string) answer {
	t.Helper()
	dir := t.TempDir()
	socket := filepath.Join(dir, "s")
	config := filepath.Join(dir, "nginx.conf")
	text := "user root;\ndaemon off;\nmaster_process off;\npid %[1]s/pid;\nerror_log stderr;\nevents {}\nhttp {\naccess_log off;\nclient_body_temp_path %[1]s/b;\nproxy_temp_path %[1]s/p;\nfastcgi_temp_path %[1]s/f;\nuwsgi_temp_path %[1]s/u;\nscgi_temp_path %[1]s/c;\nserver { listen unix:%[1]s/s; root %[2]s; }\n}\n"
	require.NoError(t, os.WriteFile(config, fmt.Appendf(nil, text, dir, root), 0o600))
	nginx := exec.CommandContext(t.Context(), "/usr/sbin/nginx", "-e", "stderr", "-c", config)
	nginx.Stderr = os.Stderr
	require.NoError(t, nginx.Start(), "run .ci/setup")
	t.Cleanup(func() { _ = nginx.Wait() })
	client := &http.Client{Transport: &http.Transport{DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
		return new(net.Dialer).DialContext(ctx, "unix", socket)
	}}}
	require.Eventually(t, func() bool {
		c, err := new(net.Dialer).DialContext(t.Context(), "unix", socket)
		return err == nil && c.Close() == nil
	}, time.Minute, 10*time.Millisecond)
	return func(etag string) answer {
		request, err := http.NewRequestWithContext(t.Context(), http.MethodGet, "http://nginx/VERSION", nil)
		require.NoError(t, err)
		if etag != "" {
			request.Header.Set("If-None-Match", etag)
		}
		got, err := client.Do(request)
		require.NoError(t, err)
		body, err := io.ReadAll(got.Body)
		require.NoError(t, err)
		require.NoError(t, got.Body.Close())
		return answer{fmt.Sprintf("%d %s", got.StatusCode, body), got.Header.Get("ETag")}
	}
}
