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
        self.top = os.path.realpath(top) + "/"
        self.modified = modified
        self.digests = {}  # sha256 and time of the last change (ctime), by path in the package
        # The path in the package of each directory that is known to exist. One may be reached by a link.
        self.places = {self.top[:-1]: ""}

    def write(self, path, blocks, executable=False):
        """Write a file in place of another one, which may be larger than the memory: all of it, or none.
        Return its sha256, in bytes, and its size."""
        directory, _, name = path.rpartition("/")
        place = self.place(directory)
        fd, digest, size = self.create(path, executable), hashlib.sha256(), 0
        try:
            for block in blocks:
                digest.update(block)
                write_all(fd, block)
                size += len(block)
            if self.modified:
                os.utime(fd, (self.modified, self.modified))
                self.digests[place + name] = [digest.hexdigest(), os.fstat(fd).st_ctime_ns]
        except OSError:
            remove_file(path)
            raise
        finally:
            os.close(fd)
        return digest.digest(), size

    def place(self, directory):
        """The path in the package of a directory, with a slash at its end. It is made where it does not exist."""
        if directory not in self.places:
            self.places[directory] = self.made(directory)
        return self.places[directory]

    def made(self, directory):
        """See place, for a directory that is not known yet."""
        if not directory.startswith(self.top):
            os.makedirs(directory, exist_ok=True)
            return (os.path.realpath(directory) + "/")[len(self.top) :]
        above, _, name = directory.rpartition("/")
        place = self.place(above)
        try:
            os.mkdir(directory)
        except FileExistsError:
            if os.path.islink(directory):
                return (os.path.realpath(directory) + "/")[len(self.top) :]
        return place + name + "/"

    def create(self, path, executable):
        """The descriptor of a new file."""
        flags, mode = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o444 if self.modified else 0o666
        try:
            fd = os.open(path, flags, mode)
        except FileExistsError:
            os.unlink(path)
            fd = os.open(path, flags, mode)
        if executable:
            os.fchmod(fd, 0o555 if self.modified else 0o755)
        return fd

    def copy(self, original, path, size, executable):
        """Copy a file of this size, see write."""
        fd = os.open(original, os.O_RDONLY | os.O_CLOEXEC)
        try:
            return self.write(path, read_blocks(fd, size), executable)
        finally:
            os.close(fd)

    def settled(self):
        """The digests that are certain to be those of the files as long as their times of change stay. What is
        written from now on may have the same time as what was written just now: a clock that counts seconds,
        or ticks, says nothing of those files."""
        if not self.digests:
            return {}
        clock = self.top + ".kis/clock"
        fd = os.open(clock, os.O_WRONLY | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
        try:
            os.utime(fd)
            now = os.fstat(fd).st_ctime_ns
        finally:
            os.close(fd)
            os.unlink(clock)
        return {path: entry for path, entry in self.digests.items() if entry[1] < now}


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
