package compat

import (
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strconv"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/keep-it-simple/kis/internal/testenv"
	"github.com/keep-it-simple/kis/internal/testenv/hosttest"
)

// TestAFlaskApplicationAnswersFromTheLinkedPackage is the job kis is made for: an ordinary application with dependencies from the index, served
// from the package that the stage is linked to, restarted by the after-link command.
func TestAFlaskApplicationAnswersFromTheLinkedPackage(t *testing.T) {
	t.Parallel()
	w := testenv.New(t, 1, hosttest.Options{Env: testenv.Environment()})
	w.Project("testdata/greeter", "1.0")
	more := "python: " + testenv.Python + "\n"
	w.Inventory(fmt.Sprintf("stages: {staging: {hosts: [web1], after_link: [sh ~/restart.sh]}}\n%s", more))
	script, err := os.ReadFile("testdata/restart.sh")
	require.NoError(t, err)
	home, port := w.Hosts[0].Home, hosttest.Port(t)
	require.NoError(t, os.WriteFile(filepath.Join(home, "port"), []byte(strconv.Itoa(port)+"\n"), 0o644))
	require.NoError(t, os.WriteFile(filepath.Join(home, "restart.sh"), script, 0o644))
	answers := func(w *testenv.Env, version string) {
		want := fmt.Sprintf("greeter %s in /var/webcode/greeter-%s/greeter\n", version, version)
		assert.Equal(w.T, want, get(w.T, port))
	}
	w.Tell([]testenv.Chapter{
		{Name: "after the first push", Tell: func(w *testenv.Env) {
			w.Run(0, "greeter-1.0", "push", "staging")
			answers(w, "1.0")
		}},
		{Name: "after the second push", Tell: func(w *testenv.Env) {
			w.Version("1.1")
			w.Run(0, "greeter-1.1", "push", "staging")
			answers(w, "1.1")
		}},
		{Name: "after the roll-back", Tell: func(w *testenv.Env) {
			w.Run(0, "greeter-1.0", "rollback", "staging")
			answers(w, "1.0")
		}},
		{Name: "after a push that fails behind the barrier", Tell: func(w *testenv.Env) {
			require.NoError(w.T, os.WriteFile(filepath.Join(home, "restart.sh"), []byte("echo no such service >&2; test $KIS_PACKAGE = greeter-1.0 && "+
				"sh ~/real.sh\n"), 0o644))
			require.NoError(w.T, os.WriteFile(filepath.Join(home, "real.sh"), script, 0o644))
			r := w.Run(4, "greeter-1.1", "link", "staging", "greeter-1.1")
			assert.Contains(w.T, r.Err, "web1: after_link: ")
			assert.Contains(w.T, r.Err, "no such service")
			answers(w, "1.0")
		}},
	})
}

// get asks an application that may have been started just now.
func get(t *testing.T, port int) string {
	t.Helper()
	var body []byte
	require.Eventually(t, func() bool {
		r, err := http.Get(fmt.Sprintf("http://127.0.0.1:%d/", port))
		if err != nil {
			return false
		}
		defer r.Body.Close() //nolint:errcheck // only read
		body, err = io.ReadAll(r.Body)
		return err == nil && r.StatusCode == http.StatusOK
	}, 30*time.Second, 50*time.Millisecond, "nothing answers on port %d", port)
	return string(body)
}
