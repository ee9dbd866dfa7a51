"""What killed runs left in a package repository: builds that never became packages, and directories of runs. It is known for kis's own by a
marker, and for abandoned by its locks, which the kernel frees with their owners; never by its name or its age."""
import json
import os
import stat

from kisagent import processes, strict
from kisagent.locks import Lock, agent_alive, holder, is_run_directory
from kisagent.store import PACKAGE, fsync_directory, mounts, remove_tree
from kisagent.wire import Refused

MARKER = "building"  # in the .kis of a package from its first moment until it has its receipt


def symbolic_links(repository):
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


def write_marker(top, name):
    """Mark a directory as the build of a package, durably, before it is renamed to its final path. The marker names its own inode, so that a
    copy of it marks nothing: what a user has copied is the user's."""
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
    """Whether a directory was made by kis, to become this package. Nothing in it is followed."""
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
    """Refuse to remove what an interrupted build did not leave. There may be nothing at all."""
    top = repository.package(name)
    try:
        info = os.lstat(top)
    except FileNotFoundError:
        return
    if not stat.S_ISDIR(info.st_mode):
        raise foreign_package(top)
    # A receipt is written whole or not at all, so that one which is there was not left by an interrupted build.
    if os.path.lexists(os.path.join(top, ".kis", "receipt.json")):
        hint = "was it written by a newer kis? bump the version, or look at it and remove it by hand: %s" % top
        raise Refused("unreadable-receipt", "%s has a receipt that this kis cannot read" % name, hint)
    for link, target in symbolic_links(repository):
        if target == name:
            message = "%s lacks its receipt, but %s is linked to it, so it is not removed" % (name, link)
            raise Refused("linked-unsealed", message, "somebody has changed it: bump the version and push that")
    for mounted in mounts(top):
        import shlex

        hint = "unmount it: sudo umount %s" % shlex.quote(mounted)
        raise Refused("mounted", "%s has a file system mounted in it, so it is not removed" % name, hint)
    if not has_marker(top, name):
        raise foreign_package(top)


def foreign_package(top):
    message = "%s exists and is not a package, and nothing shows that an interrupted push left it: it is not removed" % top
    return Refused("foreign-package", message, "look at it, then move it away: mv %s %s~before-kis" % (top, top))


def unsealed_state(repository, name):
    """What has the name of a package and no readable receipt: absent, unsealed (an interrupted build, which the next run removes) or foreign."""
    top = repository.package(name)
    if not os.path.lexists(top):
        return "absent"
    return "unsealed" if has_marker(top, name) and not os.path.lexists(os.path.join(top, ".kis", "receipt.json")) else "foreign"


def is_abandoned(repository, name):
    """Whether this is a build that a killed run left, if nobody builds it now."""
    if not PACKAGE.match(name) or not has_marker(os.path.join(repository.root, name), name):
        return False
    try:
        check_removable(repository, name)
    except Refused:
        return False
    return True


def abandoned_builds(repository):
    """Names of builds that a killed run left and that are not being built now. By the next moment they may be."""
    names = [name for name in sorted(os.listdir(repository.root)) if is_abandoned(repository, name)]
    return [name for name in names if holder(repository.path("locks", "build." + name)) is None]


def dead_runs(repository):
    """Names of runs whose folders are there and whose agents are not."""
    try:
        names = sorted(os.listdir(repository.path("run")))
    except OSError:
        return []
    paths = [(name, repository.path("run", name)) for name in names]
    return [name for name, path in paths if is_run_directory(path) and not agent_alive(path)]


def remove_interrupted_build(repository, name, directory):
    """Remove what is left of a build. Only while holding its lock."""
    check_removable(repository, name)
    if os.path.lexists(repository.package(name)):
        remove_tree(move_to_run_directory(repository, name, directory))


def move_to_run_directory(repository, name, directory):
    """Move what is left of a build into the directory of this run, and return its path there. A removal in place would remove the marker before
    it has come to the end, and one that is interrupted could not be told from what a user has put there."""
    top, moved = repository.package(name), os.path.join(directory, "swept-%s.%s" % (name, os.urandom(8).hex()))
    processes.kill_in_directory(top)
    os.chmod(top, 0o700)  # it may be read-only already, and then cannot be moved
    os.rename(top, moved)
    return moved


def remove_abandoned_builds(repository, owner, directory):
    """Remove incomplete builds, so that they neither fill the disk nor are taken for packages, by way of a folder of this run. What cannot be
    removed now is left for the next run."""
    for name in abandoned_builds(repository):
        try:
            moved = move_abandoned(repository, name, owner, directory)
            if moved:
                remove_tree(moved)
        except (Refused, OSError):
            continue


def move_abandoned(repository, name, owner, directory):
    """Move what is left of a build away under its lock, so that who waits to build there need not wait until it is removed; None where another
    stage's run has built it since."""
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
