//go:build bench

package bench

import (
	"os/exec"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/keep-it-simple/kis/internal/testenv"
)

// django is what a Django application of some years needs: 30 distributions, two of them compiled.
const django = `django==5.1.1
djangorestframework==3.15.2
pillow==11.0.0
psycopg2-binary==2.9.10
requests==2.32.3
gunicorn==23.0.0
whitenoise==6.8.2
celery==5.4.0
redis==5.2.0
sentry-sdk==2.19.0
python-dateutil==2.9.0.post0
`

// TestDjango: an application with many requirements to fresh hosts, and a second version. kis and
// the job by hand have hosts of their own, with empty homes: the pip of a host finds in its cache,
// for the second version, what the first has left there, and nothing of the other contender. The
// index is asked for everything once before, in case it has a cache too.
func TestDjango(t *testing.T) {
	n := min(8, *most)
	askIndex(t)
	b := newTable(t, nil)
	for range *rounds {
		b.each(func(c contender) error { return b.django(c, n) })
	}
	b.print()
}

func (b *table) django(c contender, n int) error {
	s := newSite(b.t, n, application("1.0"), "install: {mode: regular, requirements: requirements.txt}\n")
	defer s.end()
	s.write(map[string]string{"requirements.txt": django, "MANIFEST.in": "include requirements.txt\n"})
	fresh, err := c.do(s, push("1.0"))
	if err != nil {
		return err
	}
	s.write(application("1.1"))
	second, err := c.do(s, push("1.1"))
	if err != nil {
		return err
	}
	b.row("s", "Django to %d fresh", n).add(c, fresh.seconds).ratio = 1.0 / 3
	b.row("s", "Django, second version, %d", n).add(c, second.seconds).ratio = 1.0 / 10
	return nil
}

// askIndex downloads the requirements, and forgets them.
func askIndex(t *testing.T) {
	t.Helper()
	s := newSite(t, 0, map[string]string{"requirements.txt": django}, "")
	cmd := exec.CommandContext(t.Context(), "/usr/bin/python3", "-m", "pip", "download", "-q", "--no-cache-dir",
		"--dest", t.TempDir(), "-r", filepath.Join(s.Dir, "requirements.txt"))
	cmd.Env = append(testenv.Environment(), "PATH=/usr/local/bin:/usr/bin:/bin", "HOME="+s.Home, "LANG=C.UTF-8")
	out, err := cmd.CombinedOutput()
	require.NoError(t, err, "%s", out)
}
