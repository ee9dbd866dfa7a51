package remote_test

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

	"github.com/keep-it-simple/kis/remote"
)

// index is a package index with dep 1.0 that requires user and password. It returns its address
// without them.
func index(t *testing.T, user, password string) (address string) {
	t.Helper()
	wheel := dep(t)
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		theirs, word, _ := r.BasicAuth()
		switch {
		case theirs != user || word != password:
			w.Header().Set("WWW-Authenticate", `Basic realm="index"`)
			http.Error(w, "who are you?", http.StatusUnauthorized)
		case strings.HasSuffix(r.URL.Path, ".whl"):
			_, _ = w.Write(wheel)
		case r.URL.Path == "/simple/dep/":
			w.Header().Set("Content-Type", "text/html")
			_, _ = fmt.Fprint(w, `<!DOCTYPE html><a href="/files/dep-1.0-py3-none-any.whl">dep-1.0-py3-none-any.whl</a>`)
		default:
			http.NotFound(w, r)
		}
	}))
	t.Cleanup(server.Close)
	return strings.TrimPrefix(server.URL, "http://")
}

// everybody passes to a callback every command line and environment of a process that any user can
// read, each once, until stop is called.
func everybody(see func(text string)) (stop func()) {
	done, ended := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(ended)
		ticker, seen := time.NewTicker(15*time.Millisecond), map[string]bool{}
		defer ticker.Stop()
		for {
			found, _ := filepath.Glob("/proc/[0-9]*/cmdline")
			for _, path := range found {
				line, _ := os.ReadFile(path)
				variables, _ := os.ReadFile(filepath.Join(filepath.Dir(path), "environ"))
				for _, text := range []string{string(line), string(variables)} {
					if !seen[text] {
						seen[text] = true
						see(strings.ReplaceAll(text, "\x00", " "))
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
	return func() { close(done); <-ended }
}

// pip passes the URL of its index on the command line of the pip that installs build requirements.
func TestPasswordOfAnIndexIsOnNoCommandLine(t *testing.T) {
	t.Parallel()
	canary := "canary" + newPart()
	for name, test := range map[string]struct {
		user, password string
		login          string // as it stands in the address
		file           bool   // in the requirements file
	}{
		"in the address":           {"ann", canary + `@:/ "\`, "ann:" + canary + "%40%3A%2F%20%22%5C", false},
		"in the requirements file": {"ann", canary, "ann:" + canary, true},
		"a token as the user":      {canary, "", canary, false},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			l, address := owner(t, pushed(t)), index(t, test.user, test.password)
			project, err := os.ReadFile("../scripts/testdata/tiny/pyproject.toml")
			require.NoError(t, err)
			needy := strings.Replace(string(project), "requires = []", `requires = ["dep"]`, 1)
			a := changed(t, map[string]string{"pyproject.toml": needy})
			url := "http://" + test.login + "@" + strings.ToUpper(address[:1]) + address[1:] + "/simple"
			recipe := remote.Recipe{Mode: remote.Editable, IndexURL: url}
			if test.file {
				text := []byte("--index-url " + url + "\ndep\n")
				recipe = remote.Recipe{Mode: remote.Regular, Requirements: digest(text)}
				l.place(t, text)
			}
			l.unpack(t, a)
			var shown, started []string
			stop := everybody(func(text string) {
				if strings.Contains(text, canary) {
					shown = append(shown, text)
				}
				if strings.Contains(text, " -i http://"+address+"/simple") {
					started = append(started, text)
				}
			})
			var said []string
			installed, err := l.environment(t.Context(), t, a, recipe, func(line string) { said = append(said, line) })
			stop()
			require.NoError(t, err, "%v", said)
			require.Equal(t, []string{"dep==1.0", "tiny==1.0"}, installed)
			assert.NotEmpty(t, started, "pip has started another one: otherwise this test shows nothing")
			assert.Empty(t, shown)
			assert.NotContains(t, strings.Join(said, "\n"), canary)
		})
	}
}

func TestPasswordThatWouldBeVisibleIsRefused(t *testing.T) {
	t.Parallel()
	l := owner(t, repository(t))
	a := tiny(t, "")
	l.unpack(t, a)
	url := "http://ann:secret@127.0.0.1:9/simple"
	other := []byte("--extra-index-url http://bob:secret@127.0.0.1:10/simple\n")
	l.place(t, other)
	_, err := l.environment(t.Context(), t, a, remote.Recipe{Mode: remote.Editable, IndexURL: url, Requirements: digest(other)}, nil)
	requireRefused(t, err, "index-password")
	require.ErrorContains(t, err, "two different passwords are given for 127.0.0.1")

	// As pip before 20.3 does: it reads ~/.netrc and no other.
	sh(t, l.root, `sed -i 's/os.environ.get("NETRC")/None/' .kis/pip/*/pip/_vendor/requests/utils.py; rm -r .kis/pip/*/pip/_vendor/requests/__pycache__`)
	_, err = l.environment(t.Context(), t, a, remote.Recipe{Mode: remote.Editable, IndexURL: url}, nil)
	requireRefused(t, err, "index-password")
	require.ErrorContains(t, err, "127.0.0.1")
	require.NotContains(t, err.Error(), "secret")
	require.Contains(t, refusal(t, err).Hint, "~/.netrc")
}

// TestWheelsComeFromTheIndexByTheirDigests, all of them or none.
func TestWheelsComeFromTheIndexByTheirDigests(t *testing.T) {
	t.Parallel()
	l, address := owner(t, pushed(t)), index(t, "ann", "secret")
	a := tiny(t, "")
	l.unpack(t, a)
	recipe := remote.Recipe{IndexURL: "http://ann:secret@" + address + "/simple"}
	wheel := remote.Wheel{Name: "dep-1.0-py3-none-any.whl", SHA256: digest(dep(t))}
	other := remote.Wheel{Name: "dep-1.0-py3-none-any.whl", SHA256: digest([]byte("other"))}
	requireRefused(t, l.Fetch(t.Context(), []remote.Wheel{other}, recipe, time.Minute, nil), "step-failed")
	have, err := l.Have(t.Context(), []string{wheel.SHA256, other.SHA256})
	require.NoError(t, err)
	require.Empty(t, have)
	var said []string
	err = l.Fetch(t.Context(), []remote.Wheel{wheel}, recipe, time.Minute, func(line string) { said = append(said, line) })
	require.NoError(t, err, "%v", said)
	have, err = l.Have(t.Context(), []string{wheel.SHA256, other.SHA256})
	require.NoError(t, err)
	require.Equal(t, map[string]bool{wheel.SHA256: true}, have)
}
