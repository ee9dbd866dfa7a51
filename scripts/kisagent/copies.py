"""Installed wheels, copied from the environment of another package on this host: that takes a third of the time
of unpacking and compiling them. Files are copied, never linked: each package is independent of all others.
"""
import base64
import csv
import hashlib
import io
import json
import os
import re
import sys

from kisagent.files import read_file
from kisagent.platforms import platform
from kisagent.store import PACKAGE, listed, open_regular
from kisagent.wheels import distribution, normalized
from kisagent.wire import Refused

INSTALLER = b"kis\n"  # what the file INSTALLER says of distributions that the library has unpacked
SCRIPTS = "../../../bin/"  # in a RECORD, seen from site-packages
LIBRARY = "lib/python%d.%d/site-packages" % sys.version_info[:2]
SUFFIX = ".dist-info"
MEMBER = re.compile(r'^f ([0-7]+) ([0-9]+) ([0-9a-f]+) "\.venv/(.*)"$', re.MULTILINE)  # a file of the environment in a manifest


class Earlier:
    """The sealed packages of this platform, newest first."""

    def __init__(self, repository):
        self.repository = repository
        self.sealed = {}  # by package, what sealed_files returned
        self.directories = {}  # by package, those of its distributions
        receipts = [repository.receipt(name) for name in os.listdir(repository.root) if PACKAGE.match(name)]
        receipts = [receipt for receipt in receipts if receipt and receipt.get("platform") == platform()]
        self.receipts = sorted(receipts, key=lambda receipt: receipt.get("created") or "", reverse=True)

    def copy(self, wheel, files, directory):
        """Copy a wheel into the environment, if a package has it; report whether it was copied. What was
        begun is overwritten by the caller otherwise."""
        for receipt in self.receipts:
            if not any(line.startswith(wheel["sha256"] + " ") for line in receipt.get("wheels") or []):
                continue
            name = receipt["package"]
            source = os.path.join(self.repository.package(name), ".venv")
            dist_info = self.dist_info(name, source, wheel["name"])
            if dist_info and is_by_library(source, dist_info):
                if name not in self.sealed:
                    self.sealed[name] = sealed_files(self.repository.package(name), receipt)
                try:
                    Copy(source, directory, self.sealed[name], files).installed(dist_info)
                    return True
                except (OSError, ValueError):  # such as a package that was changed, or removed meanwhile
                    return False
        return False

    def dist_info(self, package, source, wheel):
        """The directory of a wheel's distribution in an environment, or None: where two have names that are
        alike, it is not known which one."""
        if package not in self.directories:
            found = {}
            for name in listed(os.path.join(source, LIBRARY)):
                if name.endswith(SUFFIX):
                    found.setdefault(normalized(name[: -len(SUFFIX)].rpartition("-")[0]), []).append(name)
            self.directories[package] = found
        names = self.directories[package].get(distribution(wheel), [])
        return names[0] if len(names) == 1 else None


def sealed_files(top, receipt):
    """The files of the environment of a sealed package, as (sha256, size, whether it is executable), by path there;
    none where the manifest is not the one of the receipt."""
    try:
        with open_regular(os.path.join(top, ".kis", "manifest")) as f:
            text = f.read()
    except (OSError, Refused):
        return {}
    if hashlib.sha256(text).hexdigest() != receipt.get("manifest"):
        return {}
    return {unquoted(path): (digest, int(size), bool(int(mode, 8) & 0o100)) for mode, size, digest, path in MEMBER.findall(text.decode("ascii"))}


def unquoted(text):
    """A text of JSON without its quotation marks. Most have no escapes."""
    return json.loads('"%s"' % text) if "\\" in text else text


def is_by_library(source, dist_info):
    """Whether the library has unpacked a distribution, and not uv: what it makes must not depend on earlier
    packages."""
    try:
        with open(os.path.join(source, LIBRARY, dist_info, "INSTALLER"), "rb") as f:
            return f.read(len(INSTALLER) + 1) == INSTALLER
    except OSError:
        return False


class Copy:
    """Copies from one environment to another. Each file is compared with the manifest that was sealed."""

    def __init__(self, source, target, sealed, files):
        self.source, self.target, self.sealed, self.files = source, target, sealed, files

    def installed(self, dist_info):
        """Copy what the RECORD of a distribution lists, with its bytecode. Each file is compared with its
        digest there as well: another wheel of that package may have had a file of the same name. Scripts
        name their interpreter, so they and their lines of the RECORD are written anew."""
        record = os.path.join(dist_info, "RECORD")
        rows = list(csv.reader(io.StringIO(self.read(os.path.join(LIBRARY, record)).decode("utf-8"), newline="")))
        for row in rows:
            if row[0] == record:
                continue
            path = os.path.normpath(LIBRARY + "/" + row[0])
            if row[0].startswith(SCRIPTS):
                row[1:] = self.script(path, row[1])
            else:
                require(encoded(self.file(path)) == row[1], path)
            if path.endswith(".py"):
                self.bytecode(path)
        text = io.StringIO()
        csv.writer(text, lineterminator="\n").writerows(rows)
        self.files.write(os.path.join(self.target, LIBRARY, record), [text.getvalue().encode("utf-8")])

    def entry(self, path):
        require(path in self.sealed, path)
        return self.sealed[path]

    def read(self, path):
        """The content of a small file, as it was sealed."""
        data = read_file(os.path.join(self.source, path))
        require(hashlib.sha256(data).hexdigest() == self.entry(path)[0], path)
        return data

    def file(self, path):
        """Copy a file; return its sha256."""
        sealed, size, executable = self.entry(path)
        digest, _ = self.files.copy(self.source + "/" + path, self.target + "/" + path, size, executable)
        require(digest.hex() == sealed, path)
        return digest

    def script(self, path, recorded):
        """Copy a script with its interpreter changed; return its digest and size for the RECORD."""
        data = self.read(path)
        require(encoded(hashlib.sha256(data).digest()) == recorded, path)
        data = data.replace(os.fsencode(self.source) + b"/bin/python", os.fsencode(self.target) + b"/bin/python", 1)
        digest, size = self.files.write(os.path.join(self.target, path), [data], self.entry(path)[2])
        return [encoded(digest), str(size)]

    def bytecode(self, path):
        """Copy the bytecode of a module. Without any, it is not valid Python, or its bytecode would have too long a
        name."""
        directory, _, name = path.rpartition("/")
        compiled = "%s/__pycache__/%s.%s.pyc" % (directory, name[:-3], sys.implementation.cache_tag)
        if compiled in self.sealed:
            self.file(compiled)


def require(same, path):
    if not same:
        raise ValueError("%s is not that of its wheel, or not as it was sealed" % path)


def encoded(digest):
    """A sha256 as a RECORD has it."""
    return "sha256=" + base64.urlsafe_b64encode(digest).rstrip(b"=").decode("ascii")
