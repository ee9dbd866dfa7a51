"""Locks: flock(2) on files in .kis/locks. The kernel releases them when the owner dies; no lock
expires by age."""
import errno
import fcntl
import json
import os
import signal
import stat
import time

from kisagent import processes, shortname, strict
from kisagent.store import RUN, mounts, remove_members
from kisagent.wire import Refused


# A process that only inspects a lock (see holder) holds it for an instant, and is not its owner.
INSPECTION_TIMEOUT = 0.25  # seconds
POLL_INTERVAL = 0.05


class Lock:
    """An exclusive lock on one file. The file is never removed; its text is for users."""

    def __init__(self, path, what):
        self.path = path
        self.what = what
        self.fd = -1
        self.last_holder = None  # the owner's record, from the last attempt

    def acquire(self, owner, within=INSPECTION_TIMEOUT):
        """Acquire the lock, or refuse and name its holder. It never waits longer than within: the
        agent reads no commands meanwhile."""
        end = time.monotonic() + within
        while not self._try_acquire(owner):
            if time.monotonic() > end:
                self._refuse()
            time.sleep(POLL_INTERVAL)

    def _try_acquire(self, owner):
        fd = os.open(self.path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
        taken, self.last_holder = try_flock(fd, fcntl.LOCK_EX)
        if not taken or not self._is_current_file(fd):
            # held, or removed between open and flock: then another process will lock a new file
            os.close(fd)
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
        """Refuse when the locked file is no longer the one at its path: another run may have locked
        that."""
        if self.fd < 0 or not self._is_current_file(self.fd):
            raise Refused("lock-lost", "the lock file %s was removed or replaced while this run held it" % self.path)

    def release(self):
        if self.fd >= 0:
            os.close(self.fd)
            self.fd = -1


def try_flock(fd, kind):
    """Whether the lock was acquired, and if not, the owner's record in the file ({} for none)."""
    try:
        fcntl.flock(fd, kind | fcntl.LOCK_NB)
        return True, None
    except OSError as err:
        if err.errno not in (errno.EAGAIN, errno.EACCES):
            raise
    return False, parse_owner(os.pread(fd, 4096, 0))


def parse_owner(text):
    """The owner's record in a lock file. Members that this program could not have written are
    dropped."""
    try:
        owner = strict.loads(text.decode("utf-8", "replace"), depth=1)
    except ValueError:
        return {}
    if not isinstance(owner, dict):
        return {}
    import datetime  # rarely needed: imports are a tenth of the agent's start time

    kinds = {"who": str, "what": str, "run": str, "since": str, "pid": int}
    found = {name: owner[name] for name, kind in kinds.items() if type(owner.get(name)) is kind}
    if not 1 < found.get("pid", 2) < 2**31:  # to kill(2), 0 and -1 mean many processes
        del found["pid"]
    try:
        since = datetime.datetime.strptime(found.get("since", ""), "%Y-%m-%dT%H:%M:%SZ")
        found["since"] = since.isoformat() + "Z"  # strptime accepts more than is written here
    except ValueError:
        found.pop("since", None)
    return found


def holder(path):
    """The record of the lock's holder, possibly empty, or None when the lock is free."""
    try:
        fd = os.open(path, os.O_RDWR | os.O_CLOEXEC | os.O_NOFOLLOW)
    except OSError:
        return None
    try:
        taken, owner = try_flock(fd, fcntl.LOCK_SH)
        return None if taken else owner
    finally:
        os.close(fd)


KILL_GRACE = 5.0  # seconds after SIGKILL


def terminate_holder(path, term_grace, run=None):
    """End the process that holds the lock at path, and return its record; None when the lock is
    free, or is held by a run other than the named one. SIGKILL follows SIGTERM after term_grace seconds."""
    owner, started = holder(path), time.monotonic()
    if owner is None or run not in (None, owner.get("run")):
        return {"holder": None}
    while True:
        # The file says which process wrote it, the kernel which process holds the lock. Only one
        # that is both is killed: the number in the file may have been reused.
        pids, now = flock_owners(path), holder(path)
        if now is None or now.get("run") != owner.get("run"):
            return {"holder": owner}  # it has ended, and another run may hold the lock already
        if now.get("pid") not in pids:
            message = "the lock is held by process %s, and was acquired by another" % (sorted(pids) or "unknown")
            raise Refused("holder-mismatch", message, "see on the host: cat %s" % path)
        elapsed = time.monotonic() - started
        if elapsed > term_grace + KILL_GRACE:
            raise Refused("still-locked", "process %d does not end" % now["pid"])
        try:
            os.kill(now["pid"], signal.SIGKILL if elapsed > term_grace else signal.SIGTERM)
        except ProcessLookupError:
            pass  # it has ended since
        time.sleep(5 * POLL_INTERVAL)


def flock_owners(path):
    """Processes that hold a flock(2) on a file with this inode number, from /proc/locks
    (proc_locks(5)). The device is not compared: some file systems (btrfs, overlay) report another
    one there than stat(2)."""
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


# The file in a run's directory that its agent locks. It is created first and removed last, so that
# it shows that a run made the directory.
ALIVE = "alive"


def is_run_directory(path):
    """Whether a run made this directory. No symbolic link is followed."""
    try:
        directory, file = os.lstat(path), os.lstat(os.path.join(path, ALIVE))
    except OSError:
        return False
    named = RUN.match(os.path.basename(path)) and stat.S_ISDIR(directory.st_mode) and stat.S_ISREG(file.st_mode)
    return bool(named) and {directory.st_uid, file.st_uid} == {os.geteuid()}


def agent_alive(path):
    """Whether the agent of the run with this directory is alive."""
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
    """Remove the directory of a run. After an interruption it is still recognizable as a run's."""
    for mounted in mounts(path):
        raise OSError(errno.EBUSY, os.strerror(errno.EBUSY), mounted)
    shortname.remove(path)
    remove_members(path, last=ALIVE)
    os.rmdir(path)


GUARD = "run.directories"  # no name of a stage contains a dot, and no build lock begins so
RUN_DIRECTORY_TIMEOUT = 5.0  # seconds; making and sweeping directories takes less


def is_dead_run(path):
    try:
        return is_run_directory(path) and not agent_alive(path)
    except OSError:
        return False


class RunDirectory:
    """.kis/run/<run>: all temporary files of one run. The run removes it, or the next run when it
    died."""

    def __init__(self, repository, run):
        self.repository = repository
        self.path = repository.path("run", run)
        self.temporary = ""  # where programs put temporary files, see shortname.py
        self.fd = -1

    def create(self, owner):
        """Make the directory. Under a lock, so that no sweep mistakes a new directory for an
        abandoned one, and no two runs give the repository an identity."""
        guard = Lock(self.repository.path("locks", GUARD), "the directory of runs")
        guard.acquire(owner, RUN_DIRECTORY_TIMEOUT)
        try:
            self.repository.create_host_id()
            self.sweep()
            os.mkdir(self.path, 0o700)
            self.fd = os.open(os.path.join(self.path, ALIVE), os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
            fcntl.flock(self.fd, fcntl.LOCK_EX)
            os.mkdir(os.path.join(self.path, shortname.DIRECTORY), 0o700)
            self.temporary = shortname.create(self.path)
        finally:
            guard.release()

    def sweep(self):
        """End what dead runs left running, and remove their directories. What cannot be removed now is
        left for the next run."""
        names = os.listdir(self.repository.path("run"))
        dead = [name for name in names if is_dead_run(self.repository.path("run", name))]
        if dead:
            processes.kill_runs(dead)
        for name in names:
            path = self.repository.path("run", name)
            try:
                if name in dead:
                    remove_run(path)
                elif is_run_directory(path):
                    continue
                elif RUN.match(name) and not os.path.islink(path):
                    # empty: a run died before it made ALIVE. Otherwise it is not a run's, and rmdir
                    # fails
                    os.rmdir(path)
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
