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

// everybody collects every command line and environment of a process that any user can read and that wanted wants, each
// once, until stop is called.
func everybody(wanted func(text string) bool) (stop func() []string) {
	done, ended := make(chan struct{}), make(chan []string, 1)
	go func() {
		ticker, seen := time.NewTicker(15*time.Millisecond), map[string]bool{}
		defer ticker.Stop()
		var all []string
		for {
			found, _ := filepath.Glob("/proc/[0-9]*/cmdline")
			for _, path := range found {
				line, _ := os.ReadFile(path)
				variables, _ := os.ReadFile(filepath.Join(filepath.Dir(path), "environ"))
				for _, text := range []string{string(line), string(variables)} {
					if !seen[text] && wanted(strings.ReplaceAll(text, "\x00", " ")) {
						all = append(all, strings.ReplaceAll(text, "\x00", " "))
					}
					seen[text] = true
				}
			}
			select {
			case <-ticker.C:
			case <-done:
				ended <- all
				return
			}
		}
	}()
	return func() []string { close(done); return <-ended }
}

// pip passes the URL of its index on the command line of the pip that installs build requirements.
func TestPasswordOfAnIndexIsOnNoCommandLine(t *testing.T) {
	t.Parallel()
	canary := "canary" + newPart()
	stop := everybody(func(text string) bool { return strings.Contains(text, canary) || strings.Contains(text, " -i http://") })
	addresses := map[string]string{}
	t.Run("all", func(t *testing.T) { // which ends when all of them have
		for name, test := range map[string]struct {
			user, password string
			login          string // as it stands in the address
			file           bool   // in the requirements file
		}{
			"in the address":           {"ann", canary + `@:/ "\`, "ann:" + canary + "%40%3A%2F%20%22%5C", false},
			"in the requirements file": {"ann", canary, "ann:" + canary, true},
			"a token as the user":      {canary, "", canary, false},
		} {
			address := index(t, test.user, test.password)
			addresses[name] = address
			t.Run(name, func(t *testing.T) {
				t.Parallel()
				l := owner(t, pushed(t))
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
				var said []string
				installed, err := l.environment(t.Context(), t, a, recipe, func(line string) { said = append(said, line) })
				require.NoError(t, err, "%v", said)
				require.Equal(t, []string{"dep==1.0", "tiny==1.0"}, installed)
				assert.NotContains(t, strings.Join(said, "\n"), canary)
			})
		}
	})
	all := strings.Join(stop(), "\n")
	assert.NotContains(t, all, canary)
	for name, address := range addresses {
		assert.Contains(t, all, " -i http://"+address+"/simple", "%s: pip has started another one: otherwise this test shows nothing", name)
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
