"""The wheels that a pip has downloaded while it still resolves the requirements: other hosts can get them meanwhile."""
import os
import stat
import zipfile

from kisagent import wheels
from kisagent.store import sha256_file

PREFIX = "pip-unpack-"  # of the directories below TMPDIR in which pip keeps what it downloads until it ends
LIMIT = 32 << 20  # bytes of a wheel that is read for its digest while the controller waits for nothing else


class Downloads:
    """Finds them, and keeps each in the run's directory under its digest until the step has ended.

    Which of them pip chooses is known only at its end. Where a pip keeps its downloads elsewhere, there are none.
    """

    def __init__(self, temporary, place):
        self.temporary = temporary
        self.place = place
        self.found = {}  # by their paths in the run's directory, where they came from

    def look(self):
        """The wheels that are complete since the last look: name, sha256 and size of each."""
        try:
            return [self.keep(path) for path in sorted(self.paths()) if self.is_complete(path)]
        except OSError:
            return []  # pip has removed it meanwhile

    def paths(self):
        for name in os.listdir(self.temporary):
            if name.startswith(PREFIX):
                directory = os.path.join(self.temporary, name)
                for file in os.listdir(directory):
                    if file.endswith(".whl") and wheels.FILE.match(file):
                        yield os.path.join(directory, file)

    def is_complete(self, path):
        """Whether a new wheel ends as a zip file does."""
        if path in self.found.values():
            return False
        info = os.lstat(path)
        return stat.S_ISREG(info.st_mode) and info.st_size <= LIMIT and zipfile.is_zipfile(path)

    def keep(self, path):
        digest = sha256_file(path)
        kept = os.path.join(self.place, digest)
        if not os.path.lexists(kept):
            os.link(path, kept)  # pip writes a download once
        self.found[kept] = path
        return {"name": os.path.basename(path), "sha256": digest, "size": os.path.getsize(kept)}

    def forget(self):
        """Remove what was kept: the step stores the wheels that pip has chosen."""
        for kept in self.found:
            os.unlink(kept)
