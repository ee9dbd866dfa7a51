package recovery

import (
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/keep-it-simple/kis/internal/testenv"
	"github.com/keep-it-simple/kis/internal/testenv/faulttest"
	"github.com/keep-it-simple/kis/internal/testenv/hosttest"
	"github.com/keep-it-simple/kis/internal/testenv/oracle"
)

// failingDisk is the package repository of web1, on a file system of its own.
type failingDisk struct {
	host  *hosttest.Host
	image string
}

// newFailingDisk makes a world of two hosts, the first of which has the disk.
func newFailingDisk(t *testing.T) (*testenv.Env, *failingDisk) {
	t.Helper()
	w := testenv.New(t, 2, hosttest.Options{})
	d := &failingDisk{host: w.Hosts[0], image: filepath.Join(t.TempDir(), "disk")}
	hosttest.Run(t, "/usr/sbin/mkfs.ext4", "-q", d.image, "256m")
	d.mount(t)
	d.host.Shell(t, "chown "+d.host.User+": /var/webcode")
	w.Roots = map[string]string{"web1": d.host.Inside(hosttest.Repository)}
	return w, d
}

func (d *failingDisk) mount(t *testing.T) {
	t.Helper()
	d.host.Shell(t, "mount -o loop "+d.image+" /var/webcode")
}

// fail makes it read-only, as ext4 does after an error, whoever has files open.
func (d *failingDisk) fail(t *testing.T) {
	t.Helper()
	d.host.Shell(t, "mount -o remount,abort /var/webcode")
}

// mend mounts it again, as a boot does.
func (d *failingDisk) mend(t *testing.T) {
	t.Helper()
	d.host.Shell(t, "umount /var/webcode")
	d.mount(t)
}

// TestDiskTurnsReadOnly_C6_D3: what was promised of the link holds, and so does what the exit status says of it.
func TestDiskTurnsReadOnly_C6_D3(t *testing.T) {
	t.Parallel()
	t.Run("C6: between arming and linking", func(t *testing.T) {
		t.Parallel()
		w, d := newFailingDisk(t)
		faulttest.PlayOn(faulttest.PairOf(w), []faulttest.Scene{{
			// The prepared link cannot be taken away from such a disk, and nobody is left who could use it.
			Name: "play", Moment: (*faulttest.Pair).Arming, Exit: 4, Dirty: true, Says: []string{`"web1"`, "read-only file system"},
			Fault: func(p *faulttest.Pair, s *testenv.Started) {
				s.Saw("web1", "arm", "done", time.Minute) // a link that is there need not have been flushed
				d.fail(p.T)
				p.StartAgent(web2)
			},
			After: func(p *faulttest.Pair, to string) {
				assert.NotContains(p.T, p.Links(), to)
				d.mend(p.T)
			},
		}})
	})
	t.Run("during the build", func(t *testing.T) {
		t.Parallel()
		w, d := newFailingDisk(t)
		archive := w.Hold()
		s := w.PushHeld(archive)
		d.fail(t)
		w.Release()
		r := s.End(time.Minute)
		require.Equal(t, 3, r.Exit)
		s.Watch.Check(oracle.Expect{Exit: 3, To: "hello-0.4", Dirty: true, Within: 10 * time.Second})
		assert.Contains(t, r.Err, "web1: environment: ")
		d.mend(t)
		w.Run(0, "hello-0.4", "push", "staging", "--sdist", archive)
	})
}
