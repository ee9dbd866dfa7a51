package compat

import (
	"github.com/keep-it-simple/kis/internal/testenv"
	"github.com/keep-it-simple/kis/internal/testenv/hosttest"
)

// inside runs shell text on the host, as root.
func inside(text string) func(*testenv.Env, *hosttest.Host) {
	return func(w *testenv.Env, h *hosttest.Host) { h.Shell(w.T, text) }
}

// tmp mounts something over /tmp. The server of these tests reads its key from there, so another one is started.
func tmp(text string) func(*testenv.Env, *hosttest.Host) {
	return func(w *testenv.Env, h *hosttest.Host) {
		sshd(w, h, same)
		h.Shell(w.T, text)
	}
}

// busybox is a host whose tools are busybox's, and Python, which is a copy because it finds its library by where it really is.
func busybox(w *testenv.Env, h *hosttest.Host) {
	ownTools(w.T, h)
	h.Shell(w.T, `export PATH=/mnt; cd /srv; rm -f *
cp -L /mnt/busybox /mnt/python3 .
for a in $(busybox --list); do ln -s busybox "$a"; done
mount -t tmpfs none /usr/local`)
	shell("/bin/sh")(w, h)
}

// clock sets the agent's clock wrong by an offset such as +5h. Only the agent's: what it starts gets none of the login's variables.
func clock(offset string) func(*testenv.Env, *hosttest.Host) {
	return bashrc("export LD_PRELOAD=$(ls /usr/lib/*/faketime/libfaketime.so.1) FAKETIME=" + offset + " DONT_FAKE_MONOTONIC=1")
}

// surroundings are hosts with other tools, folders and clocks.
func surroundings() []odd {
	return []odd{
		{name: "H7: tools of busybox", make: busybox},
		{name: "tmp without programs", make: tmp("mount -t tmpfs -o noexec,mode=1777 none /tmp")},
		{name: "tmp is full", make: tmp("mount -t tmpfs -o size=4k,nr_inodes=3,mode=1777 none /tmp; head -c 4096 /dev/zero >/tmp/x")},
		{name: "tmp is read-only", make: tmp("mount -t tmpfs -o ro none /tmp; mount -t tmpfs -o ro none /var/tmp")},
		{name: "tmp is closed", make: tmp("mount -t tmpfs -o mode=700 none /tmp")},
		{name: "tmp is not there", make: tmp("mount -t tmpfs -o ro,mode=000 none /tmp")},
		{name: "home is read-only", make: inside("mount -o remount,bind,ro /home/kistest")},
		{name: "home is not there", make: func(w *testenv.Env, h *hosttest.Host) {
			account(w.T, h, "/etc/passwd", 6, "/nowhere")
			sshd(w, h, same, "AuthorizedKeysFile=/home/kistest/.ssh/authorized_keys", "StrictModes=no")
		}},
		{name: "home is the root folder", make: func(w *testenv.Env, h *hosttest.Host) {
			account(w.T, h, "/etc/passwd", 6, "/")
			sshd(w, h, same, "AuthorizedKeysFile=/home/kistest/.ssh/authorized_keys", "StrictModes=no")
		}},
		{name: "home is closed", make: inside("chmod 500 /home/kistest")},
		{name: "U7: repository without set-user-id, devices and times", make: inside("mount -o remount,bind,nosuid,nodev,noatime /var/webcode")},
		{name: "the rest is read-only", make: inside("for m in $(findmnt -rno TARGET | grep -v -e ^/var/webcode -e ^/proc -e ^/sys -e ^/dev); do mount -o remount,bind,ro $m; done")},
		{name: "other processes are hidden", make: inside("mount -o remount,hidepid=2 /proc")},
		{name: "no proc", make: inside("umount -l /proc")},
		{name: "no shared memory", make: inside("mount -t tmpfs -o mode=000 none /dev/shm")},
		{name: "a clock five hours slow", make: clock("-5h")},
		{name: "a clock ten years fast", make: clock("+3650d")},
	}
}
