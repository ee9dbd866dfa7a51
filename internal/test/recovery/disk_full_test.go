package recovery

import (
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"

	"github.com/keep-it-simple/kis/internal/testenv"
	"github.com/keep-it-simple/kis/internal/testenv/hosttest"
	"github.com/keep-it-simple/kis/internal/testenv/oracle"
)

// TestDiskFillsUpDuringBuild_U6: what the check before could not foresee. web1 runs out of space, web2 of inodes, and web3's
// folder comes to its quota, on a disk that has space. (What is used here is btrfs's quota, which every kernel with btrfs has.)
func TestDiskFillsUpDuringBuild_U6(t *testing.T) {
	t.Parallel()
	w := testenv.New(t, 3, hosttest.Options{})
	image := filepath.Join(t.TempDir(), "image")
	w.Roots = map[string]string{}
	for i, mount := range []string{
		"mount -t tmpfs -o size=100m,mode=755 none /var/webcode",
		"mount -t tmpfs -o nr_inodes=20000,mode=755 none /var/webcode",
		"truncate -s 300m " + image + "; mkfs.btrfs -q -m single " + image + "; mount -o loop " + image + " /var/webcode; btrfs quota enable /var/webcode",
	} {
		w.Hosts[i].Shell(t, mount+"; chown kistest: /var/webcode")
		w.Roots[w.Hosts[i].Name] = w.Hosts[i].Inside(hosttest.Repository)
	}
	archive := w.Hold()
	quota := w.On("web3") // when btrfs's quota is reached nothing can be removed either, so that the next run does
	quota.Trap()
	watch := oracle.Start(t, w.Stage, quota.OracleHosts()...)
	p := w.On("web1", "web2").PushHeld(archive)
	quota.Reached()
	for i, fill := range []string{
		"cat /dev/zero >/var/webcode/other 2>/dev/null || :",
		"mkdir /var/webcode/other; cd /var/webcode/other; seq 30000 | xargs touch 2>/dev/null || :",
		"head -c 80m /dev/zero >/var/webcode/other; sync -f /var/webcode; btrfs qgroup limit 80m /var/webcode",
	} {
		w.Hosts[i].Shell(t, fill)
	}
	w.Release()
	assert.Equal(t, 3, p.End(time.Minute).Exit)
	for _, h := range w.Hosts {
		assert.Regexp(t, "(?m)^(web., )*"+h.Name+"(, web.)*: environment: disk full: ", p.Screen())
	}
	assert.Contains(t, p.Screen(), "hint: see: df -h /var/webcode; df -i /var/webcode")
	p.Watch.Check(oracle.Expect{Exit: 3, To: "hello-0.4"})
	watch.Check(oracle.Expect{Exit: 3, To: "hello-0.4", Dirty: true})
	assert.Equal(t, w.All("hello-0.3"), w.Links())

	for _, h := range w.Hosts {
		h.Shell(t, "rm -r /var/webcode/other; sync -f /var/webcode")
	}
	w.Run(0, "hello-0.4", "push", "staging", "--sdist", archive)
}

// TestDiskFullAtUpload_U6: SFTP says "Failure", whatever it is. The agent knows what it is, and what to do.
func TestDiskFullAtUpload_U6(t *testing.T) {
	t.Parallel()
	w := testenv.New(t, 2, hosttest.Options{})
	w.Earlier("0.3")
	host := w.Hosts[1]
	host.Shell(t, `mount -t tmpfs -o size=100m,mode=755,uid=$(id -u kistest) none /var/webcode
cp /usr/lib/openssh/sftp-server /media/sftp-server
printf '#!/bin/sh\ncat /dev/zero >/var/webcode/other 2>/dev/null\nexec /media/sftp-server\n' >/media/filling
chmod 755 /media/filling
mount --bind /media/filling /usr/lib/openssh/sftp-server`)
	w.Roots = map[string]string{"web2": host.Inside(hosttest.Repository)}
	w.Version("0.4")
	archive := w.Archive()
	before := w.Links()
	r := w.Run(3, "hello-0.4", "push", "staging", "--sdist", archive)
	assert.Contains(t, r.Err, "web2: upload: disk full: ")
	assert.Contains(t, r.Err, "hint: see: df -h /var/webcode")
	assert.Equal(t, before, w.Links())

	host.Shell(t, "umount /usr/lib/openssh/sftp-server; rm /var/webcode/other")
	w.Run(0, "hello-0.4", "push", "staging", "--sdist", archive)
}
