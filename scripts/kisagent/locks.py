"""Locks: flock(2) on files in .kis/locks. The kernel frees them on any death; nothing here goes by age."""
import errno
import fcntl
import json
import os
import signal
import stat
import time

from kisagent import strict
from kisagent.store import RUN, mounts, remove_members
from kisagent.wire import Refused


# Somebody who only looks (holder, below) has the lock for an instant; it must not be taken for an owner.
INSPECTION_TIMEOUT = 0.25  # seconds
POLL_INTERVAL = 0.05


class Lock:
    """An exclusive lock on one file. The file stays; what it says is for people."""

    def __init__(self, path, what):
        self.path = path
        self.what = what
        self.fd = -1
        self.last_holder = None  # who had it at the last try

    def acquire(self, owner, within=INSPECTION_TIMEOUT):
        """Take the lock, or refuse and say who holds it. It never waits longer than that: an agent that waits hears nobody."""
        end = time.monotonic() + within
        while not self._try_acquire(owner):
            if time.monotonic() > end:
                self._refuse()
            time.sleep(POLL_INTERVAL)

    def _try_acquire(self, owner):
        fd = os.open(self.path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
        taken, self.last_holder = try_flock(fd, fcntl.LOCK_EX)
        if not taken or not self._is_current_file(fd):
            os.close(fd)  # held, or removed between open and lock: then somebody will lock a new file
            return False
        os.ftruncate(fd, 0)
        os.pwrite(fd, (json.dumps(owner) + "\n").encode("utf-8"), 0)
        self.fd = fd
        return True

    def _refuse(self):
        if self.last_holder is None:
            raise Refused("lock-lost", "the lock file %s is removed again and again" % self.path)
        raise Refused("locked", "%s is locked by another run" % self.what, holder=self.last_holder)

    def _is_current_file(self, fd):
        try:
            at_path = os.lstat(self.path)
        except FileNotFoundError:
            return False
        held = os.fstat(fd)
        return (held.st_dev, held.st_ino) == (at_path.st_dev, at_path.st_ino)

    def check(self):
        """Refuse when the file we hold is no longer the one at its path: then another run may hold that one."""
        if self.fd < 0 or not self._is_current_file(self.fd):
            raise Refused("lock-lost", "the lock file %s was removed or replaced while this run held it" % self.path)

    def release(self):
        if self.fd >= 0:
            os.close(self.fd)
            self.fd = -1


def try_flock(fd, kind):
    """Whether the lock was had; None then, and otherwise who wrote into the file, which may be nobody: {}."""
    try:
        fcntl.flock(fd, kind | fcntl.LOCK_NB)
        return True, None
    except OSError as err:
        if err.errno not in (errno.EAGAIN, errno.EACCES):
            raise
    return False, parse_owner(os.pread(fd, 4096, 0))


def parse_owner(text):
    """What a lock file says of its owner, as far as this program could have written it: the rest is damage, and worth nothing."""
    try:
        owner = strict.loads(text.decode("utf-8", "replace"), depth=1)
    except ValueError:
        return {}
    if not isinstance(owner, dict):
        return {}
    import datetime  # rarely wanted, as is what else is imported late in the agent: a tenth of its start is such imports

    kinds = {"who": str, "what": str, "run": str, "since": str, "pid": int}
    found = {name: owner[name] for name, kind in kinds.items() if type(owner.get(name)) is kind}
    if not 1 < found.get("pid", 2) < 2**31:  # kill(2) takes 0 and -1 for many processes
        del found["pid"]
    try:
        since = datetime.datetime.strptime(found.get("since", ""), "%Y-%m-%dT%H:%M:%SZ")
        found["since"] = since.isoformat() + "Z"  # strptime takes more than is written here
    except ValueError:
        found.pop("since", None)
    return found


def holder(path):
    """Who holds the lock at path: a dict (possibly empty), or None when it is free."""
    try:
        fd = os.open(path, os.O_RDWR | os.O_CLOEXEC | os.O_NOFOLLOW)
    except OSError:
        return None
    try:
        taken, owner = try_flock(fd, fcntl.LOCK_SH)
        return None if taken else owner
    finally:
        os.close(fd)


TERM_GRACE = 10.0  # seconds an agent has to give up by itself before it is killed
KILL_GRACE = 5.0  # seconds the kernel has to end what was killed


def terminate_holder(path, run=None):
    """End the process that holds the lock at path, and say who it was; None when the lock is free, or another run's than the named one."""
    owner, started = holder(path), time.monotonic()
    if owner is None or run not in (None, owner.get("run")):
        return {"holder": None}
    while True:
        # The file says who wrote it, the kernel says who holds it. Only who is both is ended: the number may be somebody else's by now.
        pids, now = flock_owners(path), holder(path)
        if now is None or now.get("run") != owner.get("run"):
            return {"holder": owner}  # it has ended, and maybe somebody has the lock already
        if now.get("pid") not in pids:
            raise Refused("odd-holder", "the lock is held by process %s, and was taken by another" % (sorted(pids) or "unknown"), "see on the host: cat %s" % path)
        elapsed = time.monotonic() - started
        if elapsed > TERM_GRACE + KILL_GRACE:
            raise Refused("still-locked", "process %d does not end" % now["pid"])
        try:
            os.kill(now["pid"], signal.SIGKILL if elapsed > TERM_GRACE else signal.SIGTERM)
        except ProcessLookupError:
            pass  # it has ended since
        time.sleep(5 * POLL_INTERVAL)


def flock_owners(path):
    """Processes that hold a flock(2) on a file with this inode number, by /proc/locks (proc_locks(5)). The device is not compared: some file
    systems (btrfs, overlay) name another there than stat(2)."""
    try:
        inode = ":%d" % os.stat(path).st_ino
    except FileNotFoundError:
        return set()
    found = set()
    with open("/proc/locks") as f:
        for line in f:
            fields = line.split()
            if len(fields) >= 6 and fields[1] == "FLOCK" and fields[3] == "WRITE" and fields[5].endswith(inode):
                found.add(int(fields[4]))
    return found


ALIVE = "alive"  # in the directory of a run: locked by its agent. Made first and removed last, it shows that a run has made the directory


def is_run_directory(path):
    """Whether a run has made this directory. Nothing in it is followed."""
    try:
        directory, file = os.lstat(path), os.lstat(os.path.join(path, ALIVE))
    except OSError:
        return False
    named = RUN.match(os.path.basename(path)) and stat.S_ISDIR(directory.st_mode) and stat.S_ISREG(file.st_mode)
    return bool(named) and {directory.st_uid, file.st_uid} == {os.geteuid()}


def agent_alive(path):
    """Whether the agent of the run with this directory lives."""
    try:
        fd = os.open(os.path.join(path, ALIVE), os.O_RDWR | os.O_CLOEXEC | os.O_NOFOLLOW)
    except OSError:
        return False
    try:
        fcntl.flock(fd, fcntl.LOCK_SH | fcntl.LOCK_NB)
        return False
    except OSError as err:
        return err.errno in (errno.EAGAIN, errno.EACCES)
    finally:
        os.close(fd)


def remove_run(path):
    """Remove the directory of a run. One whose removal is interrupted is still known for a run's."""
    for mounted in mounts(path):
        raise OSError(errno.EBUSY, os.strerror(errno.EBUSY), mounted)
    remove_members(path, last=ALIVE)
    os.rmdir(path)


GUARD = "run.folders"  # no stage has a dot in its name, and the lock of no build begins so
RUN_DIRECTORY_TIMEOUT = 5.0  # seconds; nobody who is well holds it longer


class RunDirectory:
    """.kis/run/<run>: everything temporary of one run. Removed at its end, or by the next run when it died."""

    def __init__(self, repository, run):
        self.repository = repository
        self.path = repository.path("run", run)
        self.fd = -1

    def create(self, owner):
        """Make the folder. One at a time may make and sweep, so that a folder just made is not taken for a dead one."""
        guard = Lock(self.repository.path("locks", GUARD), "the folder of runs")
        guard.acquire(owner, RUN_DIRECTORY_TIMEOUT)
        try:
            self.sweep()
            os.mkdir(self.path, 0o700)
            self.fd = os.open(os.path.join(self.path, ALIVE), os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
            fcntl.flock(self.fd, fcntl.LOCK_EX)
            os.mkdir(os.path.join(self.path, "tmp"), 0o700)
        finally:
            guard.release()

    def sweep(self):
        """Remove the directories of dead runs. One that cannot be removed now is left for the next run."""
        for name in os.listdir(self.repository.path("run")):
            path = self.repository.path("run", name)
            try:
                if is_run_directory(path):
                    if not agent_alive(path):
                        remove_run(path)
                elif RUN.match(name) and not os.path.islink(path):
                    os.rmdir(path)  # a run that died in between: nothing is in it, and where something is, it is not a run's
            except OSError:
                continue

    def remove(self):
        if self.fd < 0:
            return
        try:
            remove_run(self.path)
        except OSError:
            pass
        os.close(self.fd)
        self.fd = -1
