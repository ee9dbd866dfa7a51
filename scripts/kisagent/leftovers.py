"""What killed runs left in a package repository: builds that never became packages, and folders of runs. It is known by its locks, which
the kernel frees with their owners, and never by its age."""
import errno
import fcntl
import os

from kisagent.locks import holder
from kisagent.store import PACKAGE, remove_tree


def links(repository):
    """Every symbolic link in the root folder: its name, and the last part of where it leads."""
    found = []
    for name in sorted(os.listdir(repository.root)):
        path = os.path.join(repository.root, name)
        if os.path.islink(path):
            found.append((name, os.path.basename(os.readlink(path).rstrip("/"))))
    return found


def incomplete(repository):
    """Names of builds that a killed run left: made by kis, without any receipt, linked by nothing, and not being built now."""
    linked = {target for _, target in links(repository)}
    found = []
    for name in sorted(os.listdir(repository.root)):
        top = os.path.join(repository.root, name)
        # A folder that only has a package's name may be anything. Ours have .kis, and appear with it.
        ours = PACKAGE.match(name) and not os.path.islink(top) and os.path.isdir(os.path.join(top, ".kis"))
        if not ours or name in linked or os.path.lexists(os.path.join(top, ".kis", "receipt.json")):
            continue
        if holder(repository.path("locks", "build." + name)) is None:
            found.append(name)
    return found


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


def remove(repository):
    """Remove incomplete builds, so that they neither fill the disk nor are taken for packages. What cannot be removed now is left for the
    next run."""
    for name in incomplete(repository):
        try:
            remove_tree(os.path.join(repository.root, name))
        except OSError:
            continue


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
