"""The layout of the package repository on this host, and the durable file operations used
everywhere."""
import errno
import hashlib
import os
import re
import stat

from kisagent import strict
from kisagent.wire import Refused

# The same names as in internal/name, whose tests compare them. \Z, because $ also matches before a
# final line feed.
STAGE = re.compile(r"(?!shared\Z)[a-z][a-z0-9_]{0,31}\Z")
PACKAGE = re.compile(r"(?=.{1,200}\Z)(?!.*\.\.)[a-z0-9]+(?:_[a-z0-9]+)*-[0-9A-Za-z](?:[0-9A-Za-z.+!_-]{0,98}[0-9A-Za-z])?\Z")
RUN = re.compile(r"[0-9a-z]{8,64}\Z")
DIGEST = re.compile(r"[0-9a-f]{64}\Z")
DIRECTORIES = ("armed", "incoming", "journal", "locks", "run")
FULL = (errno.ENOSPC, errno.EDQUOT)
HOST_ID = re.compile(r"[0-9a-f]{32}\Z")
MAX_COUNT = 2**53  # of bytes or inodes: file systems that do not count report arbitrary numbers
BLOCK = 1 << 16  # bytes that are read at once
# bytes; a receipt has some hundred, and a line for each installed distribution
RECEIPT_LIMIT = 1 << 20
# The members of a receipt that the controller reads, see Receipt in remote/check.go.
TEXTS = ("package", "content", "recipe", "environment", "python", "by", "git", "name", "manifest", "fingerprint", "changes", "platform", "resolution", "application", "archive", "interpreter", "additions")
RECEIPT = {name: strict.is_text for name in TEXTS}
RECEIPT.update({name: strict.is_text_list for name in ("imports", "verified", "installed", "uploads", "wheels")})



def _is_count(value):
    return strict.is_integer(value) and 0 <= value < MAX_COUNT


RECEIPT.update(v=strict.is_integer, created=strict.is_time, size=_is_count, files=_is_count, modified=_is_count)


def checked(pattern, value, what):
    """The value if it matches. The controller validated it already, but here it becomes a path."""
    if not isinstance(value, str) or not pattern.match(value):
        raise Refused("bad-request", "not a %s: %.100r" % (what, value))
    return value


def seconds(value):
    """A number of seconds that can be compared with a clock."""
    if not strict.is_number(value):
        raise Refused("bad-request", "not a number of seconds: %.100r" % (value,))
    return float(value)


class Repository:
    """The directory of packages at root. Creating an instance touches nothing."""

    def __init__(self, root):
        if not isinstance(root, str) or not root.startswith("/") or "\0" in root:
            raise Refused("bad-request", "not an absolute directory: %.200r" % (root,))
        # Resolved once: a root that is a symbolic link cannot be redirected during a run.
        self.root = os.path.realpath(root)
        self.kis = os.path.join(self.root, ".kis")

    def path(self, *names):
        return os.path.join(self.kis, *names)

    def package(self, name):
        return os.path.join(self.root, checked(PACKAGE, name, "package"))

    def stage(self, name):
        return os.path.join(self.root, checked(STAGE, name, "stage"))

    def create_directories(self):
        """Make .kis and its directories, mode 0700. Refuse any that belongs to another user."""
        for path in [self.kis] + [self.path(name) for name in DIRECTORIES]:
            try:
                os.mkdir(path, 0o700)
                os.chmod(path, 0o700)  # whatever the umask is
            except FileExistsError:
                pass
            problem = private_directory_problem(path, self.root)
            if problem:
                raise Refused("foreign-directory", problem, "inspect it, and remove it if it is not yours: ls -la %s" % self.root)

    def create_host_id(self):
        """Make the identity of this repository where it has none, or a damaged one: no file refers to it,
        and without it two names of one repository, or a clone, would not be noticed. The caller holds
        a lock that all runs share."""
        path = self.path("host-id")
        if self.host_id():
            return
        problem = self.host_id_problem()
        if problem:
            raise Refused("unusable-host-id", *problem)
        write_durably(path, os.urandom(16).hex() + "\n")

    def host_id_problem(self):
        """Why no identity can be made, and the remedy; None where one can."""
        path = self.path("host-id")
        if not os.path.isdir(path) or os.path.islink(path):
            return None
        return "%s is a directory, not the file with the identity of the repository" % path, "move it away: mv %s %s.before-kis" % (path, path)

    def host_id(self):
        """The identity of the repository, "" where there is none."""
        try:
            with open_regular(self.path("host-id")) as f:
                text = f.read(64).decode("ascii", "replace").strip()
        except OSError:
            return ""
        return text if HOST_ID.match(text) else ""

    def linked(self, stage):
        """The target of the stage's link, or None when there is none. Anything but a link is
        refused."""
        path = self.stage(stage)
        try:
            return os.readlink(path)
        except FileNotFoundError:
            return None
        except OSError as err:
            if err.errno != errno.EINVAL:
                raise Refused("unreadable-stage", "%s: %s" % (path, err.strerror))
        kind = "a directory" if os.path.isdir(path) else "a file"
        raise Refused(
            "stage-not-link",
            "%s is %s, not a symbolic link; kis replaces links only" % (path, kind),
            "move it away: mv %s %s.before-kis" % (path, path),
        )

    def receipt(self, name):
        """The receipt of a sealed package, or None: a directory without a readable receipt is no
        package."""
        try:
            with open_regular(os.path.join(self.package(name), ".kis", "receipt.json")) as f:
                return readable_receipt(f.read(RECEIPT_LIMIT + 1), name)
        except OSError:
            return None



def readable_receipt(text, name):
    """The receipt in a text, or None when the controller could not read it."""
    try:
        receipt = strict.loads(text.decode("utf-8")) if len(text) <= RECEIPT_LIMIT else None
    except ValueError:
        return None
    if not isinstance(receipt, dict) or not strict.members_match(receipt, RECEIPT):
        return None
    if receipt.get("package") != name or receipt.get("v") != 1 or receipt.get("content") is None:
        return None
    return receipt


def private_directory_problem(path, root):
    """Why a directory of kis cannot be trusted, or None."""
    info = os.lstat(path)
    if not stat.S_ISDIR(info.st_mode):
        return "%s is not a directory" % path
    if info.st_uid != os.geteuid():
        return "%s belongs to %s, not to %s" % (path, user_name(info.st_uid), user_name(os.geteuid()))
    if info.st_mode & 0o077:
        return "%s is open to other users (mode %04o, not 0700)" % (path, info.st_mode & 0o7777)
    if info.st_dev != os.lstat(root).st_dev:
        return "%s is on another file system than %s, so that a rename would not be atomic" % (path, root)
    return None


def user_name(uid):
    try:
        import pwd

        return pwd.getpwuid(uid).pw_name
    except (ImportError, KeyError):
        return "uid %d" % uid


def word(text):
    """A text as one word of a command in a hint, whatever characters a shell interprets are in it."""
    import shlex

    return shlex.quote(text)


def user_word(uid):
    """A user as one word of a command."""
    name = user_name(uid)
    return str(uid) if name == "uid %d" % uid else word(name)


def fsync_directory(path):
    fd = os.open(path, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(fd)
    finally:
        os.close(fd)


def write_durably(path, text, mode=0o600):
    """Write a small file so that after a power loss it is complete or absent."""
    temporary = "%s.%s" % (path, os.urandom(8).hex())
    fd = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW, mode)
    try:
        with os.fdopen(fd, "w") as f:
            f.write(text)
            f.flush()
            os.fchmod(f.fileno(), mode)
            os.fsync(f.fileno())
        os.rename(temporary, path)
    except BaseException:
        remove_file(temporary)
        raise
    fsync_directory(os.path.dirname(path))


def sync_file_system(path):
    """Flush the file system of path: syncfs(2), or sync(2) where the C library lacks it."""
    try:
        import ctypes

        syncfs = getattr(ctypes.CDLL(None, use_errno=True), "syncfs", None)
    except ImportError:  # a Python that was built without libffi
        syncfs = None
    fd = os.open(path, os.O_RDONLY | os.O_DIRECTORY)
    try:
        if syncfs is None:
            os.sync()
        elif syncfs(fd) != 0:
            code = ctypes.get_errno()
            raise OSError(code, os.strerror(code), path)
    finally:
        os.close(fd)


def open_regular(path):
    """Open a regular file for reading. Opening a named pipe would block, and a device has no
    end."""
    return os.fdopen(descriptor(path), "rb")


def descriptor(path):
    """The descriptor of open_regular."""
    fd = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    mode = os.fstat(fd).st_mode
    if not stat.S_ISREG(mode):
        os.close(fd)
        number = errno.EISDIR if stat.S_ISDIR(mode) else errno.EINVAL
        raise OSError(number, os.strerror(number), path)
    return fd


def sha256_file(path):
    digest, fd = hashlib.sha256(), descriptor(path)  # without the buffers of a file object: packages have many small files
    try:
        for block in iter(lambda: os.read(fd, BLOCK), b""):
            digest.update(block)
    finally:
        os.close(fd)
    return digest.hexdigest()


def listed(directory):
    """The names in a directory; none where it is gone, or is none."""
    try:
        return os.listdir(directory)
    except OSError:
        return []


def remove_file(path):
    try:
        os.unlink(path)
    except FileNotFoundError:
        pass


def remove_tree(path):
    """Remove a directory that may be sealed (read-only). Symbolic links are not followed, and
    mounted file systems not entered."""
    for mounted in mounts(path):
        raise OSError(errno.EBUSY, os.strerror(errno.EBUSY), mounted)
    try:
        info = os.lstat(path)
    except FileNotFoundError:
        return
    if stat.S_ISDIR(info.st_mode):
        remove_members(path)
        os.rmdir(path)
    else:
        os.unlink(path)


def remove_members(path, last=""):
    """Empty a directory that contains no mount point. The member named last is removed after all
    others."""
    os.chmod(path, 0o700)
    with os.scandir(path) as entries:
        for entry in entries:
            if entry.is_dir(follow_symlinks=False):
                remove_members(entry.path)
                os.rmdir(entry.path)
            elif entry.name != last:
                os.unlink(entry.path)
    if last:
        remove_file(os.path.join(path, last))


def mounts(path):
    """Mount points at or below path in this process's mount namespace, see proc_pid_mountinfo(5).
    stat(2) does not show a bind mount of the same file system."""
    path, found = os.fsencode(os.path.realpath(os.path.dirname(path)) + "/" + os.path.basename(path)), []
    with open("/proc/self/mountinfo", "rb") as f:
        for line in f:
            fields = line.split(b" ")
            if len(fields) > 4:
                point = re.sub(rb"\\([0-7]{3})", lambda match: bytes([int(match.group(1), 8) & 0xFF]), fields[4])
                if point == path or point.startswith(path + b"/"):
                    found.append(os.fsdecode(point))
    return sorted(found)


def free_space(path):
    """Free bytes and inodes for unprivileged users on the file system of path."""
    info = os.statvfs(path)
    # Some file systems (btrfs, some network ones) do not count inodes and report 0 of 0.
    inodes = info.f_favail if info.f_files else -1
    return {"bytes": min(info.f_bavail * info.f_frsize, MAX_COUNT), "inodes": min(inodes, MAX_COUNT)}


def disk_usage_hint(path):
    """The commands that show what is full."""
    return "see: df -h %s; df -i %s" % (path, path)


def error_hint(err, path):
    """The hint for an OSError: for a full or read-only file system, else none."""
    number = getattr(err, "errno", None)
    if number == errno.EDQUOT:
        return "remove something there, or have the quota raised; see: quota -s, or on btrfs: btrfs qgroup show -r %s" % path
    if number in FULL:
        return disk_usage_hint(path)
    if number == errno.EROFS:
        return "see: findmnt -T %s; the kernel log shows why a file system turned read-only" % path
    return ""


def error_text(err, path):
    """An OSError in words: what is full, read-only or forbidden, and where."""
    number = getattr(err, "errno", None)
    if number == errno.EDQUOT:  # the file system may have space
        return "disk full: the quota at %s is used up" % path
    if number in FULL:
        try:
            free = free_space(path if os.path.isdir(path) else os.path.dirname(path))
        except OSError:
            return "disk full at %s" % path
        inodes = " and %d inodes" % free["inodes"] if free["inodes"] >= 0 else ""
        return "disk full: %d bytes%s free at %s" % (free["bytes"], inodes, path)
    if isinstance(err, OSError) and err.strerror:
        return "%s: %s" % (err.filename or path, err.strerror.lower())
    return "%s: %s" % (path, err)
