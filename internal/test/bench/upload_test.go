//go:build bench

package bench

import (
	"encoding/json"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// TestUpload: 64 MiB that cannot be compressed. kis sends them as part of a push, so that its time
// is that of two steps of the push, connect and upload, of the slowest host; everybody else has to
// connect too.
func TestUpload(t *testing.T) {
	archive := largeArchive(t)
	for _, n := range sizes(1, 8) {
		b := newTable(t, rivals(t))
		for range *rounds {
			b.each(func(c contender) error { return b.upload(c, n, archive) })
		}
		b.print()
	}
}

func (b *table) upload(c contender, n int, archive string) error {
	s := newSite(b.t, n, nil, regular)
	defer s.end()
	connected := b.row("s", "64 MiB to %d, with the connection", n)
	alone := b.row("s", "64 MiB to %d, the upload alone", n)
	if c.name == "kis" {
		connect, upload := s.uploadOfKis(archive)
		connected.add(c, connect+upload)
		alone.add(c, upload)
		return nil
	}
	sent, err := c.do(s, send(archive))
	if err != nil {
		return err
	}
	if err := s.received(c, archive); err != nil {
		return err
	}
	connected.add(c, sent.seconds)
	if c.name == "hand" {
		alone.add(c, sent.seconds-c.must(s, reach()).seconds)
	}
	return nil
}

// uploadOfKis is how many seconds the slowest host took for each of two steps.
func (s site) uploadOfKis(archive string) (connect, upload float64) {
	s.t.Helper()
	out, err := s.Command(s.t.Context(), "-o", "json", "push", "staging", "--no-link", "--sdist", archive).Output()
	require.NoError(s.t, err, "%s", out)
	took := map[string]float64{}
	for line := range strings.Lines(string(out)) {
		var e struct {
			Type, Step, State string
			Seconds           float64
		}
		require.NoError(s.t, json.Unmarshal([]byte(line), &e))
		if e.Type == "step" && e.State == "done" {
			took[e.Step] = max(took[e.Step], e.Seconds)
		}
	}
	require.Positive(s.t, took["connect"])
	require.Positive(s.t, took["upload"])
	return took["connect"], took["upload"]
}

// received compares the size of what has arrived.
func (s site) received(c contender, archive string) error {
	s.t.Helper()
	sent, err := os.Stat(archive)
	require.NoError(s.t, err)
	for _, h := range s.Hosts {
		got, err := os.Stat(filepath.Join(h.Repo, c.packages+".tar.gz"))
		if err != nil {
			return err
		}
		if got.Size() != sent.Size() {
			return fmt.Errorf("%s has %d of %d bytes", h.Name, got.Size(), sent.Size())
		}
	}
	return nil
}

// largeArchive is a source distribution of 64 MiB.
func largeArchive(t *testing.T) string {
	t.Helper()
	s := newSite(t, 0, application("1.0"), regular)
	s.Write("MANIFEST.in", "include noise\n")
	noise, err := os.Create(filepath.Join(s.Dir, "noise"))
	require.NoError(t, err)
	_, err = io.CopyN(noise, rand.NewChaCha8([32]byte{}), 64<<20)
	require.NoError(t, err)
	require.NoError(t, noise.Close())
	out, err := s.building(job{build: true}, "true").CombinedOutput()
	require.NoError(t, err, "%s", out)
	return s.archive("1.0")
}
