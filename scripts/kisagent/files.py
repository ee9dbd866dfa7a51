"""The files that kis writes into a package. There are thousands, so that each is touched as rarely as possible."""
import hashlib
import os

from kisagent.store import remove_file

BLOCK = 1 << 20  # bytes that are read at once: all of most files


class Files:
    """Writes files below a directory, the package.

    modified is the time of the package's files, in seconds, where nothing but kis writes into it any more:
    then a file has that time and is read-only from the start, and its digest is kept, so that it need
    not be read again when the package is sealed. 0: commands may still change the files.
    """

    def __init__(self, top, modified):
        self.top = top + "/"
        self.modified = modified
        self.digests = {}  # sha256 and time of the last change (ctime), by path in the package
        self.directories = set()  # those that are known to exist

    def write(self, path, blocks, executable=False):
        """Write a file in place of another one, which may be larger than the memory: all of it, or none.
        Return its sha256, in bytes, and its size."""
        fd, digest, size = self.create(path, executable), hashlib.sha256(), 0
        try:
            for block in blocks:
                digest.update(block)
                write_all(fd, block)
                size += len(block)
            if self.modified:
                os.utime(fd, (self.modified, self.modified))
                self.digests[path[len(self.top) :]] = [digest.hexdigest(), os.fstat(fd).st_ctime_ns]
        except OSError:
            remove_file(path)
            raise
        finally:
            os.close(fd)
        return digest.digest(), size

    def create(self, path, executable):
        """The descriptor of a new file."""
        mode = (0o555 if executable else 0o444) if self.modified else (0o777 if executable else 0o666)
        flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC
        directory = os.path.dirname(path)
        if directory not in self.directories:
            os.makedirs(directory, exist_ok=True)
            self.directories.add(directory)
        try:
            return os.open(path, flags, mode)
        except FileExistsError:
            os.unlink(path)
        return os.open(path, flags, mode)

    def copy(self, original, path):
        """Copy a file, see write."""
        fd = os.open(original, os.O_RDONLY | os.O_CLOEXEC)
        try:
            info = os.fstat(fd)
            return self.write(path, read_blocks(fd, info.st_size), bool(info.st_mode & 0o100))
        finally:
            os.close(fd)


def read_blocks(fd, size):
    """The content of an open file, which has this size unless it changes: it is not read again to find its end."""
    done = 0
    while True:
        wanted = min(max(size - done, 0) + 1, BLOCK)
        block = os.read(fd, wanted)
        done += len(block)
        if block:
            yield block
        if not block or len(block) < wanted and done == size:
            return


def read_file(path):
    """The content of a small file."""
    fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        return b"".join(read_blocks(fd, os.fstat(fd).st_size))
    finally:
        os.close(fd)


def write_all(fd, data):
    left = memoryview(data)
    while left:
        left = left[os.write(fd, left) :]
