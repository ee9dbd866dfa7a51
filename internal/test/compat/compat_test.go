package compat

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/keep-it-simple/kis/internal/testenv"
	"github.com/keep-it-simple/kis/internal/testenv/hosttest"
)

// odd is one kind of host that is not as one would wish.
type odd struct {
	name    string
	make    func(w *testenv.Env, h *hosttest.Host) // arranges it on a usual host
	refused bool                                   // or else it takes a push
	says    []string                               // on the screen of the push or, when only that is run, of the check; HOST is the host's name
	pushed  []string                               // on the screen of the push only
	silent  []string                               // never on the screen
}

// hangs is how long nothing may take that waits for a host: the longest wait for a shell is 20 s.
const hangs = 30 * time.Second

// pool is the hosts that odd hosts are made of, one after the other. The number beside each counts the versions that it has had.
type pool chan *pooled

type pooled struct {
	host *hosttest.Host
	last int
}

// newPool starts as many hosts as the machine may have work for. They are bare, as most hosts of a site once were.
func newPool(t *testing.T) pool {
	t.Helper()
	p := make(pool, 4)
	for _, h := range hosttest.New(t, cap(p), hosttest.Options{Env: testenv.Environment(), Bare: true}) {
		p <- &pooled{host: h}
	}
	return p
}

// TestOddHosts_N11_N14_N16_U6_U7_U9_U10_H1_H4_H7_H8_H14_H18: each takes a push, or is refused in time with a remedy. Every host is started anew before, which undoes what was mounted, and
// has an empty home.
func TestOddHosts_N11_N14_N16_U6_U7_U9_U10_H1_H4_H7_H8_H14_H18(t *testing.T) {
	t.Parallel()
	p := newPool(t)
	for i, o := range slices.Concat(loginShells(), startUpScripts(), servers(), surroundings()) {
		t.Run(o.name, func(t *testing.T) {
			t.Parallel()
			u := <-p
			defer func() { p <- u }()
			clean(t, u.host)
			w := testenv.Around(t, []*hosttest.Host{u.host})
			w.Inventory(testenv.InventoryText(w.Hosts, "keep: 1000\n")) // the packages of the tests before stay
			o.make(w, u.host)
			versions := 1
			if i%10 == 0 {
				versions = 2
			}
			o.judge(w, u, versions)
		})
	}
}

// judge runs kis against the host, which takes so many versions or refuses the first.
func (o odd) judge(w *testenv.Env, u *pooled, versions int) {
	w.T.Helper()
	if o.refused {
		o.refuse(w)
	} else {
		o.live(w, u, versions)
	}
}

// clean leaves of a host what a new one has, its packages besides.
func clean(t *testing.T, h *hosttest.Host) {
	t.Helper()
	h.Restart(t)
	entries, err := os.ReadDir(h.Home)
	require.NoError(t, err)
	for _, e := range entries {
		if e.Name() != ".ssh" {
			require.NoError(t, os.RemoveAll(filepath.Join(h.Home, e.Name())))
		}
	}
	require.NoError(t, os.RemoveAll(filepath.Join(h.Home, ".ssh", "rc")))
}

// refuse is what a host comes to that cannot be used: it is named, with a remedy, and nothing is changed.
func (o odd) refuse(w *testenv.Env) {
	w.T.Helper()
	before := w.Trees()
	r := w.Run(3, "", "push", "staging", "--sdist", w.Archive())
	o.show(w, r, o.says)
	assert.Equal(w.T, before, w.Trees())
	assert.Regexp(w.T, "hint: |; see ", r.Err, "there is a remedy")
	assert.Less(w.T, r.Took, hangs)
}

// live is a life: a version; with two versions also the way back.
func (o odd) live(w *testenv.Env, u *pooled, versions int) {
	w.T.Helper()
	var packages []string
	for range versions {
		u.last++
		version := fmt.Sprintf("0.%d", u.last)
		w.Version(version)
		packages = append(packages, "hello-"+version)
		r := w.Run(0, "hello-"+version, "push", "staging", "--sdist", w.Archive())
		o.show(w, r, append(o.says, o.pushed...))
		modes(w.T, u.host, "hello-"+version)
	}
	if len(packages) > 1 {
		o.show(w, w.Run(0, packages[0], "rollback", "staging"), nil)
	}
	o.show(w, w.Run(0, "", "status", "staging"), nil)
}

func (o odd) show(w *testenv.Env, r testenv.Result, says []string) {
	w.T.Helper()
	for _, text := range says {
		assert.Contains(w.T, r.Screen(), strings.ReplaceAll(text, "HOST", w.Hosts[0].Name))
	}
	assert.LessOrEqual(w.T, strings.Count(r.Screen(), "the login shell prints text without a terminal"), 1, "it is named once")
	for _, text := range o.silent {
		assert.NotContains(w.T, r.Screen(), text)
	}
}

// modes are as they shall be whatever the login's umask: a web server can read the package, and nobody else can write there.
func modes(t *testing.T, h *hosttest.Host, name string) {
	t.Helper()
	assert.Empty(t, h.Shell(t, "cd /var/webcode; find . ! -type l -perm /022"), "nobody else may write")
	assert.Empty(t, h.Shell(t, "cd /var/webcode; find "+name+" -type d ! -perm 555; find "+name+" -type f ! -perm -444"), "everybody may read a package")
	assert.Equal(t, "700\n", h.Shell(t, "stat -c %a /var/webcode/.kis"))
}
