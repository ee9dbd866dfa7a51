# boot ROOT HUB NAME ADDRESS/BITS NFS - run as the first program of new mount, process, network, host-name, IPC and cgroup namespaces:
# becomes systemd in ROOT, with an interface to the bridge in the network namespace of the process HUB
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
# A hierarchy of its own for systemd, because the machine's controllers belong to the machine.
mount -t tmpfs -o mode=755 tmpfs "$r/sys/fs/cgroup"
mkdir "$r/sys/fs/cgroup/systemd"
mount -t cgroup -o none,name=systemd,xattr cgroup "$r/sys/fs/cgroup/systemd"
hostname "$(cat "$r/etc/hostname")"
exec env -i container=kis-test PATH=/usr/sbin:/usr/bin:/sbin:/bin chroot "$r" /lib/systemd/systemd --system --unit=multi-user.target --log-target=console
