"""Modification times in a package: one for all of its files, the same on all hosts and another one in each package.

HTTP servers make validators of size and modification time. In archives of reproducible builds the times
are the same in every version, so that clients would be told that a file has not been modified (304).
"""
import os
import struct

HEADER = struct.Struct("<4sIII")  # of bytecode: magic number, flags, modification time and size of its source
UNCHECKED = 1  # flags of bytecode whose source is not examined (PEP 552)


def set_all(top, members, modified):
    """Give the members of a package, as seal.walk returns them, this time, in seconds."""
    for path, _, kind in members:
        if kind == "f" and path.endswith(".pyc"):
            keep_valid(os.path.join(top, path))
    for path, _, kind in members:
        if kind != "l":
            os.utime(os.path.join(top, path), (modified, modified))
    os.utime(top, (modified, modified))


def keep_valid(path):
    """Make bytecode valid whatever the time of its source, which never changes again. A command of prepare
    may have made it, or pip."""
    import importlib.util  # rarely needed: imports are a part of each session

    with open(path, "rb", buffering=0) as f:
        header = f.read(HEADER.size)
    if len(header) < HEADER.size or HEADER.unpack(header)[:2] != (importlib.util.MAGIC_NUMBER, 0):
        return
    try:
        source = importlib.util.source_from_cache(path)
        info = os.stat(source)
        with open(source, "rb") as f:
            digest = importlib.util.source_hash(f.read())
    except (OSError, ValueError):
        return  # it has no source
    if HEADER.unpack(header)[2:] != (int(info.st_mtime) & 0xFFFFFFFF, info.st_size & 0xFFFFFFFF):
        return  # it is not that of its source
    with open(path, "r+b") as f:
        f.seek(4)
        f.write(struct.pack("<I", UNCHECKED) + digest)
