"""What pip adds to a package when it installs the application editable: metadata and scripts in the environment, and
whatever the build backend makes beside the sources, such as extension modules. Other hosts of the platform unpack it,
so that they need neither the backend nor a compiler, and get what was verified, byte for byte.
"""
import os
import stat
import zipfile
import zlib

from kisagent import seal
from kisagent.environment import inside
from kisagent.files import BLOCK, Files
from kisagent.store import sha256_file
from kisagent.uploads import Uploads
from kisagent.wire import Refused


def members(top):
    """The members of a package by path, as walk returns them, without bytecode, which each host gets in another way,
    and without the directory of kis."""
    found = ((path, (info, kind)) for path, info, kind in seal.walk(top))
    return {path: member for path, member in found if path.split("/")[0] != ".kis" and "__pycache__" not in path.split("/")}


def state(top):
    """What shows later which members are new or have changed. For a child: its result is sent."""
    return {path: identity(*member) for path, member in members(top).items()}


def identity(info, kind):
    return [kind] if kind == "d" else [kind, info.st_ino, info.st_ctime_ns]


def store(repository, top, before, path):
    """Pack in a file what is new or has changed since state returned before, and store the file; return its digest: ""
    where a copy could not repeat it, because something was removed, or has a name that is not UTF-8. For a child."""
    now = members(top)
    if set(before) - set(now):
        return ""
    try:
        with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED, compresslevel=1, strict_timestamps=False) as archive:
            for name, (info, kind) in sorted(now.items()):
                if identity(info, kind) != before.get(name):
                    pack(archive, os.path.join(top, name), name, info, kind)
    except UnicodeEncodeError:
        return ""
    digest = sha256_file(path)
    os.rename(path, Uploads(repository).path(digest))  # sealing flushes it
    return digest


def pack(archive, path, name, info, kind):
    if kind != "l":
        archive.write(path, name)
        return
    member = zipfile.ZipInfo(name)
    member.external_attr = info.st_mode << 16
    archive.writestr(member, os.fsencode(os.readlink(path)))


def unpack(repository, digest, top, modified):
    """Unpack what store has packed on another host; return the modules of the environment, which have to be compiled,
    and the digests of what was written, see files.py. For a child."""
    files, modules, links = Files(top, modified), [], []
    try:
        with zipfile.ZipFile(Uploads(repository).path(digest)) as archive:
            for member in archive.infolist():
                name, mode = inside(member.filename.rstrip("/")), member.external_attr >> 16
                path = os.path.join(files.top, name)
                if name.split("/")[0] == ".kis":
                    raise ValueError("a member with the path %.200r" % name)
                if stat.S_ISDIR(mode):
                    files.place(path)
                elif stat.S_ISLNK(mode):
                    links.append((os.fsdecode(archive.read(member)), path))
                else:
                    with archive.open(member) as f:
                        files.write(path, iter(lambda: f.read(BLOCK), b""), bool(mode & 0o100))
                if name.startswith(".venv/") and name.endswith(".py"):
                    modules.append(path)
        for target, path in links:  # last, so that no file is written through one
            replace_by_link(target, path)
    except (zipfile.BadZipFile, zlib.error, ValueError, EOFError, NotImplementedError, RuntimeError) as err:
        raise Refused("bad-wheel", "what another host has sent of the application cannot be unpacked: %s" % err, "bump the version and push: the application is then installed anew")
    return {"modules": modules, "digests": files.settled()}


def replace_by_link(target, path):
    if os.path.isdir(path) and not os.path.islink(path):
        raise ValueError("a link in place of the directory %.200r" % path)
    if os.path.lexists(path):
        os.unlink(path)
    os.symlink(target, path)
