package recovery

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/keep-it-simple/kis/internal/testenv"
	"github.com/keep-it-simple/kis/internal/testenv/hosttest"
)

// TestPlantedDirectories_U11_S2: another user could write to the repository once, and has left something there.
func TestPlantedDirectories_U11_S2(t *testing.T) {
	t.Parallel()
	for name, plant := range map[string]string{
		"a .kis of another user":                      "install -d -o nobody -m 755 /var/webcode/.kis",
		"a .kis that is a link":                       "install -d -o nobody /var/webcode/theirs; ln -s theirs /var/webcode/.kis",
		"a package of another user":                   "install -d -o nobody -m 755 /var/webcode/hello-0.3; install -o nobody -m 644 /dev/null /var/webcode/hello-0.3/VERSION",
		"a folder for links of another user":          "install -d -o kistest -m 700 /var/webcode/.kis; install -d -o nobody -m 777 /var/webcode/.kis/armed",
		"U11: a folder for uploads that leads beyond": "install -d -o kistest -m 700 /var/webcode/.kis; install -d -o nobody -m 777 /var/webcode/theirs; ln -s ../theirs /var/webcode/.kis/incoming",
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := testenv.New(t, 1, hosttest.Options{Bare: true})
			w.Hosts[0].Shell(t, plant)
			r := w.Kis("push", "staging", "--sdist", w.Archive())
			assert.Equal(t, 3, r.Exit)
			assert.Contains(t, r.Err, "web1: ")
			assert.Empty(t, w.Links()[0], "nothing is linked")
			left, err := filepath.Glob(filepath.Join(w.Hosts[0].Repo, "theirs", "*"))
			require.NoError(t, err)
			assert.Empty(t, left, "nothing is written where a link of theirs leads")
		})
	}
}

// TestPlantedLinkNotFollowed_R8_S2: a link with the name of a package was not made by kis, so it is neither followed nor removed.
func TestPlantedLinkNotFollowed_R8_S2(t *testing.T) {
	t.Parallel()
	w := testenv.New(t, 1, hosttest.Options{})
	w.Hosts[0].Shell(t, "install -d -o nobody -m 777 /var/webcode/theirs; echo kept >/var/webcode/theirs/file; ln -s theirs /var/webcode/hello-0.3")
	r := w.Run(3, "", "push", "staging", "--sdist", w.Archive())
	assert.Contains(t, r.Err, "web1: check: /var/webcode/hello-0.3 exists and is not a package")
	assert.Equal(t, "file\nkept\n", w.Hosts[0].Shell(t, "ls /var/webcode/theirs; cat /var/webcode/theirs/file"))
	to, err := os.Readlink(filepath.Join(w.Hosts[0].Repo, "hello-0.3"))
	require.NoError(t, err)
	assert.Equal(t, "theirs", to)
}
