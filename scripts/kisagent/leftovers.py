"""What killed runs left in a package repository: builds that never became packages, and directories of runs. It is known for kis's own by a
marker, and for abandoned by its locks, which the kernel frees with their owners; never by its name or its age."""
import json
import os
import stat

from kisagent import processes, strict
from kisagent.locks import Lock, alive, holder, made_by_run
from kisagent.store import PACKAGE, fsync_folder, mounts, remove_tree
from kisagent.wire import Refused

MARKER = "building"  # in the .kis of a package from its first moment until it has its receipt


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


def mark(top, name):
    """Mark a directory as the build of a package, durably, before it is renamed to its final path. The marker names its own inode, so that a
    copy of it marks nothing: what a user has copied is the user's."""
    own = os.path.join(top, ".kis")
    os.mkdir(own, 0o755)
    os.chmod(own, 0o755)
    fd = os.open(os.path.join(own, MARKER), os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o644)
    with os.fdopen(fd, "w") as f:
        json.dump({"v": 1, "package": name, "inode": os.fstat(fd).st_ino}, f)
        f.flush()
        os.fsync(fd)
    fsync_folder(own)
    fsync_folder(top)


def marked(top, name):
    """Whether a directory was made by kis, to become this package. Nothing in it is followed."""
    own = os.path.join(top, ".kis")
    try:
        for path in (top, own):
            info = os.lstat(path)
            if not stat.S_ISDIR(info.st_mode) or info.st_uid != os.geteuid():
                return False
        fd = os.open(os.path.join(own, MARKER), os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
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
        raise foreign(top)
    # A receipt is written whole or not at all, so that one which is there was not left by an interrupted build.
    if os.path.lexists(os.path.join(top, ".kis", "receipt.json")):
        hint = "was it written by a newer kis? bump the version, or look at it and remove it by hand: %s" % top
        raise Refused("unreadable-receipt", "%s has a receipt that this kis cannot read" % name, hint)
    for link, target in links(repository):
        if target == name:
            message = "%s lacks its receipt, but %s is linked to it, so it is not removed" % (name, link)
            raise Refused("linked-unsealed", message, "somebody has changed it: bump the version and push that")
    for mounted in mounts(top):
        import shlex

        hint = "unmount it: sudo umount %s" % shlex.quote(mounted)
        raise Refused("mounted", "%s has a file system mounted in it, so it is not removed" % name, hint)
    if not marked(top, name):
        raise foreign(top)


def foreign(top):
    message = "%s exists and is not a package, and nothing shows that an interrupted push left it: it is not removed" % top
    return Refused("foreign-package", message, "look at it, then move it away: mv %s %s~before-kis" % (top, top))


def unsealed_state(repository, name):
    """What has the name of a package and no readable receipt: absent, unsealed (an interrupted build, which the next run removes) or foreign."""
    top = repository.package(name)
    if not os.path.lexists(top):
        return "absent"
    return "unsealed" if marked(top, name) and not os.path.lexists(os.path.join(top, ".kis", "receipt.json")) else "foreign"


def abandoned(repository, name):
    """Whether this is a build that a killed run left, if nobody builds it now."""
    if not PACKAGE.match(name) or not marked(os.path.join(repository.root, name), name):
        return False
    try:
        check_removable(repository, name)
    except Refused:
        return False
    return True


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
    paths = [(name, repository.path("run", name)) for name in names]
    return [name for name, path in paths if made_by_run(path) and not alive(path)]


def clear(repository, name, folder):
    """Remove what is left of a build. Only while holding its lock."""
    check_removable(repository, name)
    if os.path.lexists(repository.package(name)):
        remove_tree(move_away(repository, name, folder))


def move_away(repository, name, folder):
    """Move what is left of a build into the directory of this run, and return its path there. A removal in place would remove the marker before
    it has come to the end, and one that is interrupted could not be told from what a user has put there."""
    top, beside = repository.package(name), os.path.join(folder, "swept-%s.%s" % (name, os.urandom(8).hex()))
    processes.kill_inside(top)
    os.chmod(top, 0o700)  # it may be read-only already, and then cannot be moved
    os.rename(top, beside)
    return beside


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
        return move_away(repository, name, folder)
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
