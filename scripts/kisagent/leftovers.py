"""What killed runs left in a package repository: incomplete builds, and directories of runs.

A marker shows that kis made a directory. Free locks show that it is abandoned, because the kernel
releases a lock with its owner. Neither names nor ages decide.
"""
import json
import os
import stat

from kisagent import processes, strict
from kisagent.locks import Lock, agent_alive, holder, is_run_directory
from kisagent.store import PACKAGE, fsync_directory, mounts, remove_tree, word
from kisagent.wire import Refused

# In .kis of a package, from the creation of the directory until it has its receipt
MARKER = "building"


def symbolic_links(repository):
    """Every symbolic link in the root directory: its name, and the last component of its target."""
    found = []
    for name in sorted(os.listdir(repository.root)):
        path = os.path.join(repository.root, name)
        if os.path.islink(path):
            found.append((name, os.path.basename(os.readlink(path).rstrip("/"))))
    return found


def build_lock(repository, name):
    """The lock for building a package, and for removing what is left of a build."""
    return Lock(repository.path("locks", "build." + name), "the build of %s" % name)


def write_marker(top, name):
    """Mark a directory as the build of a package, durably, before it is renamed to its final path.
    The marker contains its own inode number: a copy that a user made is not marked."""
    state = os.path.join(top, ".kis")
    os.mkdir(state, 0o755)
    os.chmod(state, 0o755)
    fd = os.open(os.path.join(state, MARKER), os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o644)
    with os.fdopen(fd, "w") as f:
        json.dump({"v": 1, "package": name, "inode": os.fstat(fd).st_ino}, f)
        f.flush()
        os.fsync(fd)
    fsync_directory(state)
    fsync_directory(top)


def has_marker(top, name):
    """Whether kis made a directory to become this package. No symbolic link in it is followed."""
    state = os.path.join(top, ".kis")
    try:
        for path in (top, state):
            info = os.lstat(path)
            if not stat.S_ISDIR(info.st_mode) or info.st_uid != os.geteuid():
                return False
        fd = os.open(os.path.join(state, MARKER), os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
        with os.fdopen(fd, "rb") as f:
            info = os.fstat(fd)
            if not stat.S_ISREG(info.st_mode) or info.st_uid != os.geteuid():
                return False
            return strict.loads(f.read(4096).decode("utf-8"), depth=1) == {"v": 1, "package": name, "inode": info.st_ino}
    except (OSError, ValueError):
        return False


def check_removable(repository, name):
    """Refuse unless an interrupted build left what is there, or there is nothing."""
    top = repository.package(name)
    try:
        info = os.lstat(top)
    except FileNotFoundError:
        return
    if not stat.S_ISDIR(info.st_mode):
        raise foreign_package(top)
    # A receipt is written atomically: one that exists was not left by an interrupted build.
    if os.path.lexists(os.path.join(top, ".kis", "receipt.json")):
        hint = "was it written by a newer kis? bump the version, or inspect it and remove it by hand: %s" % top
        raise Refused("unreadable-receipt", "%s has a receipt that this kis cannot read" % name, hint)
    for link, target in symbolic_links(repository):
        if target == name:
            message = "%s lacks its receipt, but %s is linked to it, so it is not removed" % (name, link)
            raise Refused("linked-unsealed", message, "it was changed outside kis: bump the version and push that")
    for mounted in mounts(top):
        hint = "unmount it: sudo umount %s" % word(mounted)
        raise Refused("mounted", "%s has a file system mounted in it, so it is not removed" % name, hint)
    if not has_marker(top, name):
        raise foreign_package(top)


def foreign_package(top):
    message = "%s exists and is not a package, and no marker shows that an interrupted push left it: kis does not remove it" % top
    return Refused("foreign-package", message, "inspect it, then move it away: mv %s %s~before-kis" % (word(top), word(top)))


def unsealed_state(repository, name):
    """The state of a package without a readable receipt: absent, unsealed (an interrupted build,
    which the next run removes) or foreign."""
    top = repository.package(name)
    if not os.path.lexists(top):
        return "absent"
    return "unsealed" if has_marker(top, name) and not os.path.lexists(os.path.join(top, ".kis", "receipt.json")) else "foreign"


def is_abandoned(repository, name):
    """Whether this is a build that a killed run left. Its lock is not examined."""
    if not PACKAGE.match(name) or not has_marker(os.path.join(repository.root, name), name):
        return False
    try:
        check_removable(repository, name)
    except Refused:
        return False
    return True


def abandoned_builds(repository):
    """Names of builds that a killed run left and that no run is building now. Acquire the lock
    before acting on one: a run may begin to build it at any time."""
    names = [name for name in sorted(os.listdir(repository.root)) if is_abandoned(repository, name)]
    return [name for name in names if holder(repository.path("locks", "build." + name)) is None]


def dead_runs(repository):
    """Names of runs whose directories exist and whose agents are dead."""
    try:
        names = sorted(os.listdir(repository.path("run")))
    except OSError:
        return []
    paths = [(name, repository.path("run", name)) for name in names]
    return [name for name, path in paths if is_run_directory(path) and not agent_alive(path)]


def remove_interrupted_build(repository, name, directory):
    """Remove what an interrupted build left. The caller holds its lock."""
    check_removable(repository, name)
    if os.path.lexists(repository.package(name)):
        remove_moved(repository, move_to_run_directory(repository, name, directory))


def move_to_run_directory(repository, name, directory):
    """Move a build, or a package, into the directory of this run, and return its new path. If it were removed in
    place and the removal interrupted, the marker could be gone and the rest would look like a
    user's files."""
    top, moved = repository.package(name), os.path.join(directory, "swept-%s.%s" % (name, os.urandom(8).hex()))
    processes.kill_in_directory(top)
    os.chmod(top, os.lstat(top).st_mode & 0o7777 | 0o200)  # a read-only directory cannot be moved
    os.rename(top, moved)
    return moved


def remove_moved(repository, moved):
    """Remove what was moved into a run's directory. The move is flushed first: a power loss must not
    bring a part of it back."""
    for directory in (os.path.dirname(moved), repository.root):
        fsync_directory(directory)
    remove_tree(moved)


def remove_abandoned_builds(repository, owner, directory):
    """Remove incomplete builds, by way of this run's directory, so that they neither fill the disk
    nor look like packages. What cannot be removed now is left for the next run."""
    for name in abandoned_builds(repository):
        try:
            moved = move_abandoned(repository, name, owner, directory)
            if moved:
                remove_moved(repository, moved)
        except (Refused, OSError):
            continue


def move_abandoned(repository, name, owner, directory):
    """Move an incomplete build away under its lock, which is released before the slow removal. None
    where a run of another stage has built the package since."""
    lock = build_lock(repository, name)
    lock.acquire(owner)
    try:
        if not is_abandoned(repository, name):
            return None
        return move_to_run_directory(repository, name, directory)
    finally:
        lock.release()


def reclaimable_space(repository):
    """Bytes and inodes that the next run will free before it builds."""
    tops = [os.path.join(repository.root, name) for name in abandoned_builds(repository)]
    tops += [repository.path("run", name) for name in dead_runs(repository)]
    found = {"bytes": 0, "inodes": 0}
    for top in tops:
        for directory, directories, files in os.walk(top):
            for name in directories + files:
                try:
                    found["bytes"] += os.lstat(os.path.join(directory, name)).st_blocks * 512
                    found["inodes"] += 1
                except OSError:
                    continue
    return found
