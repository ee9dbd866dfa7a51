package testenv

import (
	"crypto/sha256"
	"encoding/hex"
	"os"
	"path/filepath"
	"strings"

	"github.com/stretchr/testify/require"

	"github.com/keep-it-simple/kis/internal/sdist"
	"github.com/keep-it-simple/kis/internal/testenv/hosttest"
	"github.com/keep-it-simple/kis/internal/testenv/testcache"
)

// Earlier gives the project a version, and has it installed on all hosts and linked there by a push, for tests that are about what comes after
// that. It returns the source distribution.
func (w *Env) Earlier(version string) (archive string) {
	w.T.Helper()
	w.Version(version)
	archive = w.Archive()
	w.Install(archive)
	w.Run(0, "hello-"+version, "push", w.Stage, "--sdist", archive)
	return archive
}

// Install has a source distribution of the sample installed on all hosts, as a push without a link leaves it. Only the first test with it
// pushes it to be built: hosts are alike, so what that has sealed is copied to those of the others. A push that finds it goes on to its switch.
func (w *Env) Install(archive string) {
	w.T.Helper()
	a, err := sdist.Open(archive)
	require.NoError(w.T, err)
	require.NoError(w.T, a.Close())
	name := "package-" + w.build() + "-" + a.Package.String() + "-" + a.Content[len("sha256:"):][:12]
	kept := testcache.Entry(w.T, name, func(path string) {
		names := make([]string, len(w.Hosts))
		for i, h := range w.Hosts {
			names[i] = h.Name
		}
		w.Run(0, "", "push", w.Stage, "--no-link", "--sdist", archive, "--hosts", strings.Join(names, ","))
		w.copied(filepath.Join(w.Root(w.Hosts[0]), a.Package.String()), path)
	})
	for _, h := range w.Hosts {
		folder := filepath.Join(w.Root(h), a.Package.String())
		if _, err := os.Stat(folder); err != nil {
			h.Give(w.T, w.copied(kept, folder))
			if w.Roots[h.Name] != "" { // a disk of its own, which may come to harm: what kis has sealed would be on it
				h.Shell(w.T, "sync -f "+hosttest.Repository)
			}
		}
	}
}

// copied copies a folder with all that the fingerprint of a package is made of, and returns to.
func (w *Env) copied(from, to string) string {
	w.T.Helper()
	hosttest.Run(w.T, "cp", "-a", from, to)
	return to
}

// build is a short name of what builds a package: kis, with all that it runs on hosts, and their Python.
func (w *Env) build() string {
	w.T.Helper()
	sum := sha256.Sum256([]byte(os.Getenv(sumVariable) + hosttest.Run(w.T, "/usr/bin/python3", "-VV")))
	return hex.EncodeToString(sum[:6])
}
