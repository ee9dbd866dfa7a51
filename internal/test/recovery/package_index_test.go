package recovery

import (
	"archive/zip"
	"fmt"
	"net"
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
)

// wheel writes a wheel of a distribution that is nothing but its name, and what it requires.
func wheel(t *testing.T, folder, name, version string, requires ...string) {
	t.Helper()
	require.NoError(t, os.MkdirAll(folder, 0o755))
	file, err := os.Create(filepath.Join(folder, fmt.Sprintf("%s-%s-py3-none-any.whl", name, version)))
	require.NoError(t, err)
	z := zip.NewWriter(file)
	info := name + "-" + version + ".dist-info/"
	metadata := fmt.Sprintf("Metadata-Version: 2.1\nName: %s\nVersion: %s\n", name, version)
	for _, r := range requires {
		metadata += "Requires-Dist: " + r + "\n"
	}
	for path, text := range map[string]string{
		name + ".py":      "",
		info + "METADATA": metadata,
		info + "WHEEL":    "Wheel-Version: 1.0\nGenerator: test\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
		info + "RECORD":   "",
	} {
		f, err := z.Create(path)
		require.NoError(t, err)
		_, err = f.Write([]byte(text))
		require.NoError(t, err)
	}
	require.NoError(t, z.Close())
	require.NoError(t, file.Close())
}

// silent listens, and does something with each connection: until the test ends, none is closed that it does not close.
func silent(t *testing.T, each func(net.Conn)) string {
	t.Helper()
	l, err := net.ListenTCP("tcp4", &net.TCPAddr{IP: net.IPv4(127, 0, 0, 1)})
	require.NoError(t, err)
	var open []net.Conn
	ended := make(chan struct{})
	go func() { // ends with the listener
		defer close(ended)
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			open = append(open, c)
			each(c)
		}
	}()
	t.Cleanup(func() {
		_ = l.Close()
		<-ended
		for _, c := range open {
			_ = c.Close()
		}
	})
	return "http://" + l.Addr().String()
}

// hangUp reads what is asked, and gives no answer.
func hangUp(c net.Conn) {
	_, _ = c.Read(make([]byte, 64<<10))
	_ = c.Close()
}

// TestIndexFails_B4: the run ends in time, and tells what it was in pip's words.
func TestIndexFails_B4(t *testing.T) {
	t.Parallel()
	down := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusServiceUnavailable) }))
	t.Cleanup(down.Close)
	unknown := httptest.NewTLSServer(http.NotFoundHandler())
	t.Cleanup(unknown.Close)
	w := testenv.New(t, 1, hosttest.Options{Env: []string{"PIP_RETRIES=1", "PIP_TIMEOUT=60"}})
	w.Write("requirements.txt", "moody\n")
	archive := w.Archive()
	for _, c := range []struct{ name, url, says string }{
		{"it never answers", silent(t, func(net.Conn) {}), "web1: wheels: still running at its deadline, killed"},
		{"it hangs up", silent(t, hangUp), "Remote end closed connection without response"},
		{"it is down", down.URL, "Looking in indexes: " + down.URL}, // pip does not say what the index has said
		{"its certificate is nobody's", unknown.URL, "CERTIFICATE_VERIFY_FAILED"},
	} {
		t.Run(c.name, func(t *testing.T) {
			w := w.In(t)
			w.Inventory(testenv.InventoryText(w.Hosts, "install: {requirements: requirements.txt, index_url: '"+c.url+"/simple'}\n"))
			args := []string{"push", "staging", "--sdist", archive}
			if strings.HasPrefix(c.says, "web1: ") {
				args = append(args, "--timeout", "10s")
			}
			r := w.Run(3, "", args...)
			assert.Contains(t, r.Err, "web1: wheels: ")
			assert.Contains(t, r.Err, c.says)
			assert.Less(t, r.Took, time.Minute)
			w.Quiet(time.Second)
		})
	}
}

// TestRequirementsConflict_B6: both that cannot be had at once are on the screen.
func TestRequirementsConflict_B6(t *testing.T) {
	t.Parallel()
	w := testenv.New(t, 1, hosttest.Options{})
	wheels := filepath.Join(w.Dir, "wheels")
	wheel(t, wheels, "apple", "1", "common<2")
	wheel(t, wheels, "bread", "1", "common>=2")
	wheel(t, wheels, "common", "1")
	wheel(t, wheels, "common", "2")
	w.Inventory(testenv.InventoryText(w.Hosts, "install: {requirements: requirements.txt, wheels: wheels}\n"))
	w.Write("requirements.txt", "apple\nbread\n")
	archive := w.Archive()
	r := w.Run(3, "", "push", "staging", "--sdist", archive)
	assert.Contains(t, r.Err, "web1: wheels: pip could not make wheels of the requirements")
	assert.Contains(t, r.Err, "apple 1 depends on common<2")
	assert.Contains(t, r.Err, "bread 1 depends on common>=2")

	w.Write("requirements.txt", "apple\n")
	w.Run(0, "hello-0.3", "push", "staging", "--sdist", archive)
}
