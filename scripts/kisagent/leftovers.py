"""What killed runs left in a package repository: builds that never became packages, and folders of runs. It is known by its locks, which
the kernel frees with their owners, and never by its age."""
import errno
import fcntl
import os

from kisagent import processes
from kisagent.locks import Lock, holder
from kisagent.store import PACKAGE, remove_tree
from kisagent.wire import Refused


def links(repository):
    """Every symbolic link in the root folder: its name, and the last part of where it leads."""
    found = []
    for name in sorted(os.listdir(repository.root)):
        path = os.path.join(repository.root, name)
        if os.path.islink(path):
            found.append((name, os.path.basename(os.readlink(path).rstrip("/"))))
    return found


def build_lock(repository, name):
    """The lock of who builds a package, or removes what is left of it."""
    return Lock(repository.path("locks", "build." + name), "the build of %s" % name)


def abandoned(repository, name):
    """Whether a folder is a build that a killed run left, if nobody builds it now: made by kis, without any receipt, linked by nothing."""
    top = os.path.join(repository.root, name)
    # A folder that only has a package's name may be anything. Ours have .kis, and appear with it.
    ours = PACKAGE.match(name) and not os.path.islink(top) and os.path.isdir(os.path.join(top, ".kis"))
    if not ours or os.path.lexists(os.path.join(top, ".kis", "receipt.json")):
        return False
    return name not in (target for _, target in links(repository))


def incomplete(repository):
    """Names of builds that a killed run left and that are not being built now. By the next moment they may be."""
    names = [name for name in sorted(os.listdir(repository.root)) if abandoned(repository, name)]
    return [name for name in names if holder(repository.path("locks", "build." + name)) is None]


def dead_runs(repository):
    """Names of runs whose folders are there and whose agents are not."""
    try:
        names = sorted(os.listdir(repository.path("run")))
    except OSError:
        return []
    return [name for name in names if not alive(repository.path("run", name, "alive"))]


def alive(path):
    try:
        fd = os.open(path, os.O_RDWR | os.O_CLOEXEC | os.O_NOFOLLOW)
    except OSError:
        return False
    try:
        fcntl.flock(fd, fcntl.LOCK_SH | fcntl.LOCK_NB)
        return False
    except OSError as err:
        return err.errno in (errno.EAGAIN, errno.EACCES)
    finally:
        os.close(fd)


def clear(repository, name):
    """Remove what is left of a build. Only while holding its lock."""
    top = repository.package(name)
    processes.kill_inside(top)
    remove_tree(top)


def remove(repository, owner, folder):
    """Remove incomplete builds, so that they neither fill the disk nor are taken for packages, by way of a folder of this run. What cannot be
    removed now is left for the next run."""
    for name in incomplete(repository):
        try:
            beside = take_away(repository, name, owner, folder)
            if beside:
                remove_tree(beside)
        except (Refused, OSError):
            continue


def take_away(repository, name, owner, folder):
    """Move what is left of a build away under its lock, so that who waits to build there need not wait until it is removed; None where another
    stage's run has built it since."""
    lock = build_lock(repository, name)
    lock.take(owner)
    try:
        if not abandoned(repository, name):
            return None
        top, beside = repository.package(name), os.path.join(folder, "swept-" + name)
        processes.kill_inside(top)
        os.chmod(top, 0o700)  # it may be read-only already, and then cannot be moved
        os.rename(top, beside)
        return beside
    finally:
        lock.release()


def occupied(repository):
    """Bytes and inodes that the next run will free before it builds."""
    tops = [os.path.join(repository.root, name) for name in incomplete(repository)]
    tops += [repository.path("run", name) for name in dead_runs(repository)]
    found = {"bytes": 0, "inodes": 0}
    for top in tops:
        for folder, folders, files in os.walk(top):
            for name in folders + files:
                try:
                    found["bytes"] += os.lstat(os.path.join(folder, name)).st_blocks * 512
                    found["inodes"] += 1
                except OSError:
                    continue
    return found
