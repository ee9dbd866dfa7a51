package recovery

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/keep-it-simple/kis/internal/testenv"
	"github.com/keep-it-simple/kis/internal/testenv/hosttest"
	"github.com/keep-it-simple/kis/internal/testenv/oracle"
)

// indexes are two indexes of packages at one port: that of 127.0.0.1 has moody, that of localhost has gloomy, and each has a password.
func indexes(t *testing.T, passwords map[string]string) (port string) {
	t.Helper()
	wheels := t.TempDir()
	wheel(t, wheels, "moody", "2.1")
	wheel(t, wheels, "gloomy", "3.1")
	files := http.StripPrefix("/files/", http.FileServer(http.Dir(wheels)))
	has := map[string][2]string{"127.0.0.1": {"moody", "2.1"}, "localhost": {"gloomy", "3.1"}}
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		host, _, _ := strings.Cut(r.Host, ":")
		package1 := has[host]
		switch _, password, _ := r.BasicAuth(); {
		case password != passwords[host]:
			http.Error(w, "who are you?", http.StatusUnauthorized)
		case r.URL.Path == "/simple/"+package1[0]+"/":
			w.Header().Set("Content-Type", "text/html")
			name := package1[0] + "-" + package1[1] + "-py3-none-any.whl"
			_, _ = fmt.Fprintf(w, `<!DOCTYPE html><a href="/files/%s">%s</a>`, name, name)
		case strings.HasPrefix(r.URL.Path, "/files/"):
			files.ServeHTTP(w, r)
		default:
			http.NotFound(w, r)
		}
	}))
	t.Cleanup(server.Close)
	return server.URL[strings.LastIndex(server.URL, ":")+1:]
}

// lines collects the command lines of this machine that have a text in them, until stop.
func lines(parts ...string) (found map[string][]string, stop func()) {
	found = map[string][]string{}
	done, ended := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(ended)
		ticker := time.NewTicker(15 * time.Millisecond) // another pip, to which one could tell the password so, takes many times as long
		defer ticker.Stop()
		for {
			paths, _ := filepath.Glob("/proc/[0-9]*/cmdline")
			for _, path := range paths {
				line, _ := os.ReadFile(path)
				for _, part := range parts {
					if text := strings.ReplaceAll(string(line), "\x00", " "); strings.Contains(text, part) {
						found[part] = append(found[part], text)
					}
				}
			}
			select {
			case <-ticker.C:
			case <-done:
				return
			}
		}
	}()
	return found, func() { close(done); <-ended }
}

// utf16 is a text as editors on Windows save it.
func utf16(text string) string {
	var b []byte
	for _, c := range text {
		b = append(b, byte(c), byte(c>>8))
	}
	return string(b)
}

// TestIndexPasswordStaysSecret_S3: not on the host's command lines, not in what kis prints or writes. The host's own passwords go on to
// be used.
func TestIndexPasswordStaysSecret_S3(t *testing.T) {
	t.Parallel()
	const canary, own = "canary8fd1", "canary77c0"
	port := indexes(t, map[string]string{"127.0.0.1": canary, "localhost": own})
	w := testenv.New(t, 1, hosttest.Options{})
	host := w.Hosts[0]
	host.Shell(t, "printf 'machine localhost login app password "+own+"\n' >~kistest/.netrc; chown kistest ~kistest/.netrc; chmod 600 ~kistest/.netrc")
	project, err := os.ReadFile(filepath.Join(w.Dir, "pyproject.toml"))
	require.NoError(t, err)
	require.Contains(t, string(project), "requires = []")
	w.Write("pyproject.toml", strings.Replace(string(project), "requires = []", `requires = ["moody"]`, 1))
	w.BuildOnHosts("")
	w.Inventory(testenv.InventoryText(w.Hosts, "install: {requirements: requirements.txt, index_url: 'http://deploy:"+canary+"@127.0.0.1:"+port+"/simple'}\n"))
	archive := w.Archive()
	for _, c := range []struct {
		name, requirements string
		exit               int
		to                 string
	}{
		{"that is not there, in UTF-16", utf16("\ufeff--index-url http://deploy:" + canary + "@127.0.0.1:9/simple\r\nnothing-like-this\r\n"), 3, ""},
		{"of the inventory, and one of the host", "--extra-index-url http://localhost:" + port + "/simple\nmoody\ngloomy\n", 0, "hello-0.3"},
	} {
		if !t.Run(c.name, func(t *testing.T) {
			w := w.In(t)
			w.Write("requirements.txt", c.requirements)
			started := " -i http://127.0.0.1:" + port + "/simple"
			seen, stop := lines(canary, own, started)
			r := w.Run(c.exit, c.to, "push", "staging", "--sdist", archive, "-v")
			stop()
			assert.Empty(t, seen[canary])
			assert.Empty(t, seen[own])
			assert.Equal(t, c.exit == 0, len(seen[started]) > 0, "the pip that pip starts for what a project is built with")
			oracle.Output(t, r.Screen(), canary)
			oracle.Output(t, r.Screen(), own)
		}) {
			return
		}
	}
	assert.NotContains(t, host.Shell(t, "cat /var/webcode/.kis/journal/* /var/webcode/*/.kis/build.log 2>/dev/null || :"), canary)
	assert.Empty(t, host.Shell(t, "grep -rl --exclude-dir=incoming -e "+canary+" -e "+own+" /var/webcode || :"), "nothing of it is left, but in the upload, which is closed to others")
	state, err := filepath.Glob(filepath.Join(w.Home, "state", "kis", "runs", "*"))
	require.NoError(t, err)
	require.NotEmpty(t, state)
	for _, path := range state {
		text, err := os.ReadFile(path)
		require.NoError(t, err)
		assert.NotContains(t, string(text), canary, path)
	}
}
