"""The agent's own modules, compiled, from one session to the next: compiling them takes a host longer than
anything else that a switch needs.

They are kept in .kis of the package repository, where only the deploying user can write. What is not
exactly as it was written is compiled again.
"""
import hashlib
import marshal
import os
import stat
import sys

PREFIX = "agent-"


def place(order):
    """The path for the modules of this program and this interpreter."""
    return os.path.join(os.path.realpath(order["root"]), ".kis", "%s%s.%s" % (PREFIX, order["program"], sys.implementation.cache_tag))


def load(order, known):
    """Add the compiled modules to known, each encoded by marshal: a session needs only some. Without any, or with
    others, known stays as it is."""
    if not order["root"]:
        return
    try:
        path = place(order)
        info = os.lstat(os.path.dirname(path))
        if not stat.S_ISDIR(info.st_mode) or info.st_uid != os.geteuid() or info.st_mode & 0o077:
            return
        fd = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
        with os.fdopen(fd, "rb") as f:
            info = os.fstat(fd)
            if not stat.S_ISREG(info.st_mode) or info.st_uid != os.geteuid() or info.st_mode & 0o077:
                return
            data = f.read()
        if hashlib.sha256(data[32:]).digest() == data[:32]:
            known.update(marshal.loads(data[32:]))
    except (OSError, ValueError, KeyError, TypeError, EOFError):
        return


def save(order, known):
    """Keep the compiled modules, where the repository has a .kis already, and remove those of another
    kis. For the end of a session that changes the repository. Failures do not matter."""
    if not order["root"]:
        return
    path = place(order)
    temporary = "%s.%s" % (path, os.urandom(8).hex())
    data = marshal.dumps(known)
    try:
        for name in os.listdir(os.path.dirname(path)):
            if name.startswith(PREFIX) and name != os.path.basename(path):
                os.unlink(os.path.join(os.path.dirname(path), name))
        fd = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
        with os.fdopen(fd, "wb") as f:
            f.write(hashlib.sha256(data).digest() + data)
        os.rename(temporary, path)
    except OSError:
        return
