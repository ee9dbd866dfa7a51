"""The wheels that a pip has downloaded while it still resolves the requirements: other hosts can get them meanwhile."""
import os
import stat
import zipfile

from kisagent import wheels
from kisagent.store import listed, remove_file, sha256_file

PREFIX = "pip-unpack-"  # of the directories below TMPDIR in which pip keeps what it downloads until it ends
LIMIT = 32 << 20  # bytes of a wheel that is read for its digest while nothing else of the session is done


class Downloads:
    """Finds them, and keeps each in the run's directory under its digest until the step has ended.

    Which of them pip chooses is known only at its end. Where a pip keeps its downloads elsewhere, there are none.
    """

    def __init__(self, temporary, place):
        self.temporary = temporary
        self.place = place
        self.seen = set()  # paths of complete wheels
        self.kept = set()  # paths in the run's directory

    def look(self):
        """The wheels that are complete since the last look: name, sha256 and size of each. A file that is not as
        expected is none of them, whatever it is: pip decides what it means."""
        found = []
        for path in self.paths():
            try:
                if path not in self.seen and self.is_complete(path):
                    self.seen.add(path)
                    found.append(self.keep(path))
            except Exception:  # pylint: disable=broad-except # zipfile raises several for what is no zip file
                self.seen.add(path)
        return found

    def paths(self):
        for name in sorted(listed(self.temporary)):
            if name.startswith(PREFIX):
                directory = os.path.join(self.temporary, name)
                for file in sorted(listed(directory)):
                    if file.endswith(".whl") and wheels.FILE.match(file):
                        yield os.path.join(directory, file)

    def is_complete(self, path):
        """Whether the file ends as a zip file does."""
        info = os.lstat(path)
        return stat.S_ISREG(info.st_mode) and info.st_size <= LIMIT and zipfile.is_zipfile(path)

    def keep(self, path):
        digest = sha256_file(path)
        kept = os.path.join(self.place, digest)
        if kept not in self.kept:
            os.link(path, kept)  # pip writes a download once
            self.kept.add(kept)
        return {"name": os.path.basename(path), "sha256": digest, "size": os.path.getsize(kept)}

    def forget(self):
        """Remove what was kept: the step stores the wheels that pip has chosen."""
        for kept in self.kept:
            remove_file(kept)
