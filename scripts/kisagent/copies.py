"""Installed wheels, copied from the environment of another package on this host: that takes a third of the time
of unpacking and compiling them. Files are copied, never linked: each package is independent of all others.
"""
import base64
import csv
import hashlib
import io
import os
import sys
import time

from kisagent import seal
from kisagent.files import read_file
from kisagent.platforms import platform
from kisagent.store import PACKAGE
from kisagent.wheels import distribution
from kisagent.wire import Refused

INSTALLER = b"kis\n"  # what the file INSTALLER says of distributions that the library has unpacked
SCRIPTS = "../../../bin/"  # in a RECORD, seen from site-packages
LIBRARY = "lib/python%d.%d/site-packages" % sys.version_info[:2]
EXAMINED = 60.0  # seconds for which a package that this session has examined need not be examined again


class Earlier:
    """The sealed packages of this platform, newest first."""

    def __init__(self, repository):
        self.repository = repository
        self.intact = {}  # by package, whether it is as it was sealed
        self.directories = {}  # by environment, those of its distributions
        receipts = [repository.receipt(name) for name in os.listdir(repository.root) if PACKAGE.match(name)]
        receipts = [receipt for receipt in receipts if receipt and receipt.get("platform") == platform()]
        self.receipts = sorted(receipts, key=lambda receipt: receipt.get("created") or "", reverse=True)

    def copy(self, wheel, files, directory):
        """Copy a wheel into the environment, if a package has it; report whether it was copied. What was
        begun is overwritten by the caller otherwise."""
        for receipt in self.receipts:
            if not any(line.startswith(wheel["sha256"] + " ") for line in receipt.get("wheels") or []):
                continue
            source = os.path.join(self.repository.package(receipt["package"]), ".venv")
            dist_info = self.dist_info(source, wheel["name"])
            if dist_info and is_by_library(source, dist_info) and self.is_intact(receipt["package"]):
                try:
                    copy_installed(source, directory, dist_info, files)
                    return True
                except (OSError, ValueError):  # such as a package that was removed meanwhile
                    return False
        return False

    def dist_info(self, source, wheel):
        """The directory of a wheel's distribution in an environment, or None. The environment has one version."""
        if source not in self.directories:
            try:
                names = [name for name in os.listdir(os.path.join(source, LIBRARY)) if name.endswith(".dist-info")]
            except OSError:
                names = []
            self.directories[source] = {distribution(name): name for name in names}
        return self.directories[source].get(distribution(wheel))

    def is_intact(self, name):
        if time.monotonic() - self.repository.examined.get(name, -EXAMINED) < EXAMINED:
            return True
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


def copy_installed(source, target, dist_info, files):
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
            row[1:] = copy_script(original, copy, row[1], os.fsencode(source), os.fsencode(target), files)
        else:
            require_digest(files.copy(original, copy)[0], row[1], path)
        if path.endswith(".py"):
            copy_bytecode(here, there, path, files)
    text = io.StringIO()
    csv.writer(text, lineterminator="\n").writerows(rows)
    files.write(os.path.join(there, record), [text.getvalue().encode("utf-8")])


def require_digest(found, recorded, path):
    if encoded(found) != recorded:
        raise ValueError("%s is not that of its wheel" % path)


def encoded(digest):
    """A sha256 as a RECORD has it."""
    return "sha256=" + base64.urlsafe_b64encode(digest).rstrip(b"=").decode("ascii")


def copy_script(original, copy, recorded, source, target, files):
    """Copy a script with its interpreter changed; return its digest and size for the RECORD."""
    data = read_file(original)
    require_digest(hashlib.sha256(data).digest(), recorded, original)
    data = data.replace(source + b"/bin/python", target + b"/bin/python", 1)
    digest, size = files.write(copy, [data], bool(os.stat(original).st_mode & 0o100))
    return [encoded(digest), str(size)]


def copy_bytecode(here, there, path, files):
    directory, _, name = path.rpartition("/")
    compiled = "/".join(filter(None, (directory, "__pycache__", "%s.%s.pyc" % (name[:-3], sys.implementation.cache_tag))))
    try:
        data = read_file(here + "/" + compiled)
    except OSError:
        return  # the module is not valid Python, or its bytecode would have too long a name
    files.write(there + "/" + compiled, [data])
