"""Files from the controller, received in the session or placed by SFTP, and stored by their
sha256."""
import hashlib
import os
import stat
import time

from kisagent.store import DIGEST, PACKAGE, checked, remove_file, sha256_file, error_text
from kisagent.wire import Refused

UPLOAD_RETENTION = 30 * 24 * 3600  # seconds an uploaded file is kept after its last use


class IncomingFile:
    """A file that arrives in the session: size bytes that are not commands, even after a
    failure."""

    def __init__(self, number, size):
        self.number = number
        self.remaining = size
        self.refusal = None  # the answer, if the upload has failed; sent after the last byte
        self.fd = -1

    def open(self, path):
        self.fd = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)

    def write(self, data):
        while data:
            data = data[os.write(self.fd, data) :]

    def close(self):
        if self.fd >= 0:
            os.close(self.fd)


class Uploads:
    """Uploaded files, stored by the sha256 of their content."""

    def __init__(self, repository):
        self.repository = repository

    def path(self, digest):
        return self.repository.path("incoming", checked(DIGEST, digest, "digest"))

    def has_any(self, digests):
        """Whether a file here is named after one of the digests."""
        return any(os.path.lexists(self.path(digest)) for digest in digests)

    def have(self, digests):
        """The digests whose files are here and intact. A damaged file is removed, so that it is
        sent again."""
        found = []
        for digest in digests:
            path = self.path(digest)
            if not os.path.isfile(path) or os.path.islink(path):
                continue
            if sha256_file(path) == digest:
                os.utime(path)
                found.append(digest)
            else:
                remove_file(path)
        return found

    def receive(self, part, digest, size):
        """Store an uploaded file under its digest if size and sha256 are right, else remove it. Sealing a package
        flushes the file system before a receipt names the file, and until then have compares the digest."""
        target = self.path(digest)
        try:
            # A named pipe would block
            fd = os.open(part, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK)
        except OSError as err:
            raise Refused("no-upload", error_text(err, part))
        try:
            require_content(fd, digest, size)
            os.rename(part, target)
        except Refused:
            remove_part(part)
            raise
        finally:
            os.close(fd)
        return {"digest": digest}

    def sweep(self, retention=UPLOAD_RETENTION):
        """Remove files that no receipt names and that have not been used for so many seconds. Return
        their bytes."""
        named, freed = self.named(), 0
        for path, size in self.unused(retention) if named is not None else ():
            try:
                if os.path.basename(path) not in named:
                    os.unlink(path)
                    freed += size
            except OSError:
                continue
        return freed

    def unused(self, retention=UPLOAD_RETENTION):
        """Paths and sizes of the files that have not been used for so many seconds, each as it is now."""
        directory = self.repository.path("incoming")
        for name in os.listdir(directory):
            path = os.path.join(directory, name)
            try:
                info = os.lstat(path)
            except OSError:
                continue
            ours = DIGEST.match(name) and stat.S_ISREG(info.st_mode) and info.st_uid == os.geteuid()
            if ours and time.time() - info.st_mtime >= retention:
                yield path, info.st_size

    def named(self):
        """The digests that receipts name; None where a receipt cannot be read, as of a newer kis."""
        found = set()
        for name in os.listdir(self.repository.root):
            if PACKAGE.match(name) and os.path.lexists(os.path.join(self.repository.root, name, ".kis", "receipt.json")):
                receipt = self.repository.receipt(name)
                if receipt is None:
                    return None
                found.update([receipt.get("archive")] + (receipt.get("uploads") or []))
        return found


def require_content(fd, digest, size):
    """Refuse an open file that is not the one that was sent."""
    found_size = os.fstat(fd).st_size
    if found_size != size:
        raise Refused("short-upload", "%d of %d bytes arrived" % (found_size, size))
    found = hashlib.sha256()
    with os.fdopen(os.dup(fd), "rb") as f:
        for block in iter(lambda: f.read(1 << 20), b""):
            found.update(block)
    if found.hexdigest() != digest:
        raise Refused("digest-mismatch", "sha256 of what arrived is %s, not %s" % (found.hexdigest(), digest))


def remove_part(part):
    try:
        os.unlink(part)
    except OSError:  # such as a directory: it is removed with the run
        pass
