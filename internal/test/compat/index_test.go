package compat

import (
	"archive/zip"
	"bytes"
	"fmt"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/keep-it-simple/kis/internal/testenv"
	"github.com/keep-it-simple/kis/internal/testenv/hosttest"
)

// index is a package index (PEP 503) with the distribution big, whose wheels are larger than what kis copies through this
// machine. Its fields may be changed while nothing is asked.
type index struct {
	mu     sync.Mutex
	wheels map[string][]byte
	gains  string         // the wheel that is listed from the second time on
	once   bool           // each wheel is given once
	listed int            // how often the list was asked for
	given  map[string]int // how often each wheel was
}

// newIndex has a wheel of big for each version.
func newIndex(t *testing.T, versions ...string) *index {
	t.Helper()
	i := &index{wheels: map[string][]byte{}, given: map[string]int{}}
	for _, version := range versions {
		i.wheels["big-"+version+"-py3-none-any.whl"] = bigWheel(t, version)
	}
	return i
}

// bigWheel is a wheel of 9 MiB that cannot be compressed.
func bigWheel(t *testing.T, version string) []byte {
	t.Helper()
	var out bytes.Buffer
	zipped := zip.NewWriter(&out)
	noise := make([]byte, 9<<20)
	_, err := rand.NewChaCha8([32]byte([]byte(strings.Repeat(version[:1], 32)))).Read(noise)
	require.NoError(t, err)
	info := "big-" + version + ".dist-info/"
	for _, member := range [][2]string{
		{"big/__init__.py", ""},
		{"big/noise", string(noise)},
		{info + "METADATA", "Metadata-Version: 2.1\nName: big\nVersion: " + version + "\n"},
		{info + "WHEEL", "Wheel-Version: 1.0\nGenerator: x\nRoot-Is-Purelib: true\nTag: py3-none-any\n"},
		{info + "RECORD", "big/__init__.py,,\nbig/noise,,\n" + info + "METADATA,,\n" + info + "WHEEL,,\n" + info + "RECORD,,\n"},
	} {
		w, err := zipped.Create(member[0])
		require.NoError(t, err)
		_, err = w.Write([]byte(member[1]))
		require.NoError(t, err)
	}
	require.NoError(t, zipped.Close())
	return out.Bytes()
}

func (i *index) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	i.mu.Lock()
	defer i.mu.Unlock()
	wanted := path.Base(r.URL.Path)
	switch data, ok := i.wheels[wanted]; {
	case ok && i.once && i.given[wanted] > 0:
		http.NotFound(w, r)
	case ok:
		i.given[wanted]++
		_, _ = w.Write(data) // a client that is gone is the test's concern
	case wanted == "big":
		i.listed++
		w.Header().Set("Content-Type", "text/html")
		for wheel := range i.wheels {
			if wheel != i.gains || i.listed > 1 {
				_, _ = fmt.Fprintf(w, "<a href='/files/%s'>%s</a>\n", wheel, wheel)
			}
		}
	default:
		http.NotFound(w, r)
	}
}

// TestWheelsThatAnIndexHas: what is large comes from there by its hash, also once the index has something newer.
func TestWheelsThatAnIndexHas(t *testing.T) {
	t.Parallel()
	packages := newIndex(t, "1.0", "2.0")
	packages.gains = "big-2.0-py3-none-any.whl"
	server := httptest.NewServer(packages)
	t.Cleanup(server.Close)
	w := testenv.New(t, 2, hosttest.Options{Bare: true})
	w.Write("requirements.txt", "big\n")
	w.Inventory(testenv.InventoryText(w.Hosts, "install: {requirements: requirements.txt, index_url: '"+server.URL+"/simple'}\n"))
	environment := func(pkg string) string {
		t.Helper()
		var all []string
		for _, h := range w.Hosts {
			text, err := os.ReadFile(filepath.Join(h.Repo, pkg, ".kis", "environment"))
			require.NoError(t, err)
			all = append(all, string(text))
		}
		require.Len(t, slices.Compact(all), 1, "the hosts have the same environment")
		return all[0]
	}

	r := w.Run(0, "hello-0.3", "push", "staging")
	assert.Contains(t, environment("hello-0.3"), "big==1.0 ", "the index had nothing newer when the builder resolved")
	assert.NotContains(t, r.Screen(), "gets its wheels from another host")
	assert.Equal(t, map[string]int{"big-1.0-py3-none-any.whl": 2}, packages.given, "each host has asked the index for it")

	w.Version("0.4")
	w.Run(0, "hello-0.4", "push", "staging")
	assert.Equal(t, map[string]int{"big-1.0-py3-none-any.whl": 2}, packages.given, "nothing is downloaded twice")

	w.Version("0.5")
	packages.once = true
	r = w.Run(0, "hello-0.5", "push", "staging", "--upgrade")
	assert.Contains(t, environment("hello-0.5"), "big==2.0 ")
	assert.Contains(t, r.Screen(), "gets its wheels from another host")
	assert.Equal(t, 1, packages.given["big-2.0-py3-none-any.whl"])
}
