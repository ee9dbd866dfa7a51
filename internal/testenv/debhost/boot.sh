# boot ROOT HUB NAME ADDRESS/BITS NFS GROUP - run as the first program of new mount, process, network, host-name and IPC namespaces:
# becomes systemd in ROOT, in the control group GROUP, with an interface to the bridge in the network namespace of the process HUB
# and the directory NFS on /srv/nfs.
set -eu
r=$1
hub=--net=/proc/$2/ns/net
nsenter "$hub" ip link add "$3" type veth peer name eth0 netns 1
nsenter "$hub" ip link set "$3" master hub up
ip link set lo up
ip address add "$4" dev eth0
ip link set eth0 up
mount --make-rprivate /
mount --bind "$r" "$r"
mkdir -p "$r/srv/nfs"
mount --bind "$5" "$r/srv/nfs"
mount -t proc proc "$r/proc"
mount -t sysfs -o ro sysfs "$r/sys"
mount -t tmpfs tmpfs "$r/run"
mount -t tmpfs tmpfs "$r/tmp"
mount -t tmpfs tmpfs "$r/dev"
mkdir "$r/dev/pts" "$r/dev/shm"
for name in null zero full random urandom tty; do
	touch "$r/dev/$name"
	mount --bind "/dev/$name" "$r/dev/$name"
done
ln -s /proc/self/fd "$r/dev/fd"
ln -s pts/ptmx "$r/dev/ptmx"
mount -t devpts -o newinstance,ptmxmode=0666 devpts "$r/dev/pts"
# Each host has a control group of its own and sees no other: two systemd that manage the same groups remove them from under each
# other's services. It is of the unified hierarchy alone: beside another one systemd uses both, and the machine's root of one of them.
mount -t cgroup2 cgroup2 "$r/sys/fs/cgroup"
mkdir -p "$r/sys/fs/cgroup/$6" # it may be left of a test that was killed
echo $$ >"$r/sys/fs/cgroup/$6/cgroup.procs"
umount "$r/sys/fs/cgroup"
hostname "$(cat "$r/etc/hostname")"
# shellcheck disable=SC2016 # for the inner shell
exec unshare --cgroup /bin/sh -c '
mount -t cgroup2 cgroup2 "$1/sys/fs/cgroup"
exec env -i container=kis-test PATH=/usr/sbin:/usr/bin:/sbin:/bin chroot "$1" /lib/systemd/systemd --system --unit=multi-user.target --log-target=console
' boot "$r"
