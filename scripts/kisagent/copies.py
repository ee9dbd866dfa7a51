"""Installed wheels, copied from the environment of another package on this host: that takes a third of the time
of unpacking and compiling them. Files are copied, never linked: each package is independent of all others.
"""
import base64
import csv
import hashlib
import io
import os
import sys

from kisagent import seal
from kisagent.platforms import platform
from kisagent.store import PACKAGE, remove_file
from kisagent.wire import Refused

INSTALLER = b"kis\n"  # what the file INSTALLER says of distributions that the library has unpacked
SCRIPTS = "../../../bin/"  # in a RECORD, seen from site-packages
BLOCK = 1 << 20  # bytes that are read at once: all of most files
LIBRARY = "lib/python%d.%d/site-packages" % sys.version_info[:2]


class Earlier:
    """The sealed packages of this platform, newest first."""

    def __init__(self, repository):
        self.repository = repository
        self.intact = {}  # by package, whether it is as it was sealed
        receipts = [repository.receipt(name) for name in os.listdir(repository.root) if PACKAGE.match(name)]
        receipts = [receipt for receipt in receipts if receipt and receipt.get("platform") == platform()]
        self.receipts = sorted(receipts, key=lambda receipt: receipt.get("created") or "", reverse=True)

    def copy(self, sha256, dist_info, directory):
        """Copy the wheel with this digest into the environment, if a package has it; report whether it
        was copied. What was begun is overwritten by the caller otherwise."""
        for receipt in self.receipts:
            source = os.path.join(self.repository.package(receipt["package"]), ".venv")
            has = any(line.startswith(sha256 + " ") for line in receipt.get("wheels") or [])
            if has and is_by_library(source, dist_info) and self.is_intact(receipt["package"]):
                try:
                    copy_installed(source, directory, dist_info)
                    return True
                except (OSError, ValueError):  # such as a package that was removed meanwhile
                    return False
        return False

    def is_intact(self, name):
        if name not in self.intact:
            try:
                seal.check(self.repository, name)
                self.intact[name] = True
            except Refused:
                self.intact[name] = False
        return self.intact[name]


def is_by_library(source, dist_info):
    """Whether the library has unpacked a distribution, and not uv: what it makes must not depend on earlier
    packages."""
    try:
        with open(os.path.join(source, LIBRARY, dist_info, "INSTALLER"), "rb") as f:
            return f.read(len(INSTALLER) + 1) == INSTALLER
    except OSError:
        return False


def copy_installed(source, target, dist_info):
    """Copy what the RECORD of a distribution lists, with its bytecode. Each file is compared with its
    digest there: another wheel of that package may have had a file of the same name. Scripts name their
    interpreter, so they and their lines of the RECORD are written anew."""
    here, there = os.path.join(source, LIBRARY), os.path.join(target, LIBRARY)
    record = os.path.join(dist_info, "RECORD")
    with open(os.path.join(here, record), encoding="utf-8", newline="") as f:
        rows = list(csv.reader(f))
    for row in rows:
        path = row[0]
        if path == record:
            continue
        original, copy = os.path.normpath(here + "/" + path), os.path.normpath(there + "/" + path)
        if path.startswith(SCRIPTS):
            row[1:] = copy_script(original, copy, row[1], os.fsencode(source), os.fsencode(target))
        else:
            require_digest(copy_file(original, copy), row[1], path)
        if path.endswith(".py"):
            copy_bytecode(here, there, path)
    text = io.StringIO()
    csv.writer(text, lineterminator="\n").writerows(rows)
    write_file(os.path.join(there, record), text.getvalue().encode("utf-8"))


def require_digest(found, recorded, path):
    if "sha256=" + found != recorded:
        raise ValueError("%s is not that of its wheel" % path)


def copy_file(original, copy):
    """Copy a file; return its digest as a RECORD has it."""
    fd = os.open(original, os.O_RDONLY | os.O_CLOEXEC)
    try:
        executable = bool(os.fstat(fd).st_mode & 0o100)
        return write_blocks(copy, iter(lambda: os.read(fd, BLOCK), b""), executable)[0]
    finally:
        os.close(fd)


def copy_script(original, copy, recorded, source, target):
    """Copy a script with its interpreter changed; return its digest and size for the RECORD."""
    with open(original, "rb") as f:
        data = f.read()
    require_digest(encoded(hashlib.sha256(data)), recorded, original)
    data = data.replace(source + b"/bin/python", target + b"/bin/python", 1)
    digest, size = write_blocks(copy, [data], bool(os.stat(original).st_mode & 0o100))
    return ["sha256=" + digest, str(size)]


def copy_bytecode(here, there, path):
    directory, _, name = path.rpartition("/")
    compiled = "/".join(filter(None, (directory, "__pycache__", "%s.%s.pyc" % (name[:-3], sys.implementation.cache_tag))))
    try:
        data = read_file(here + "/" + compiled)
    except OSError:
        return  # the module is not valid Python, or its bytecode would have too long a name
    write_file(there + "/" + compiled, data)


def read_file(path):
    """The content of a small file."""
    fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        blocks = list(iter(lambda: os.read(fd, BLOCK), b""))
        return b"".join(blocks)
    finally:
        os.close(fd)


def write_file(path, data):
    """Write a small file in place of another one: all of it, or none."""
    fd = create_file(path)
    try:
        write_all(fd, data)
    except OSError:
        remove_file(path)
        raise
    finally:
        os.close(fd)


def write_blocks(path, blocks, executable):
    """Write a file in place of another one, which may be larger than the memory; return its digest as a
    RECORD has it, and its size. It is writable until its package is sealed."""
    fd, digest, size = create_file(path), hashlib.sha256(), 0
    try:
        for block in blocks:
            write_all(fd, block)
            digest.update(block)
            size += len(block)
        if executable:
            os.fchmod(fd, 0o755)
    finally:
        os.close(fd)
    return encoded(digest), size


def write_all(fd, data):
    left = memoryview(data)
    while left:
        left = left[os.write(fd, left) :]


def encoded(digest):
    """A digest as a RECORD has it."""
    return base64.urlsafe_b64encode(digest.digest()).rstrip(b"=").decode("ascii")


def create_file(path):
    """The descriptor of a new file. In most cases its directory exists, and no file has its name."""
    flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC
    try:
        return os.open(path, flags, 0o666)
    except FileExistsError:
        os.unlink(path)
    except FileNotFoundError:
        os.makedirs(os.path.dirname(path), exist_ok=True)
    return os.open(path, flags, 0o666)
