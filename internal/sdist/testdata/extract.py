"""Unpack archives with tarfile and tell the content digest of directories.

Reads a JSON object from standard input:
    unpack: list of [archive, directory], each unpacked without any filter
    digest: list of package directories
Prints the content digests, one per line. The digest is computed from its
documentation alone, so that it is a second opinion on the one in Go.
"""

import hashlib
import json
import os
import sys
import tarfile
from urllib.parse import quote


def unpack(archive, directory):
    with tarfile.open(archive) as tar:
        if hasattr(tarfile, "fully_trusted_filter"):
            tar.extractall(directory, filter="fully_trusted")
        else:
            tar.extractall(directory)


def digest(top):
    lines = {}
    for directory, directories, files in os.walk(top):
        if not directories and not files:
            path = os.path.relpath(directory, top)
            lines[os.fsencode(path)] = "d 0755 0 - " + quote(path)
        for name in directories + files:
            full = os.path.join(directory, name)
            path = os.path.relpath(full, top)
            if os.path.islink(full):
                lines[os.fsencode(path)] = "l 0777 0 " + quote(os.readlink(full)) + " " + quote(path)
            elif os.path.isfile(full):
                with open(full, "rb") as file:
                    data = file.read()
                mode = "0755" if os.stat(full).st_mode & 0o100 else "0644"
                sha = hashlib.sha256(data).hexdigest()
                lines[os.fsencode(path)] = "f %s %d %s %s" % (mode, len(data), sha, quote(path))
    text = "".join(lines[path] + "\n" for path in sorted(lines))
    return "sha256:" + hashlib.sha256(text.encode()).hexdigest()


def main():
    os.umask(0o022)
    work = json.load(sys.stdin)
    for archive, directory in work["unpack"]:
        unpack(archive, directory)
    for directory in work["digest"]:
        print(digest(directory))


main()
