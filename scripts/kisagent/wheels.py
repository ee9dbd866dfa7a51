"""Wheels: made of requirements on one host of each platform, stored by their digests, and sent to the
others."""
import os
import re

from kisagent.store import DIGEST, checked, fsync_directory, open_regular, sha256_file
from kisagent.uploads import Uploads
from kisagent.wire import Refused

# A wheel's file name (PEP 427), and that of a source distribution in a directory of wheels
FILE = re.compile(r"[A-Za-z0-9][A-Za-z0-9._+!-]{0,250}(?:\.whl|\.tar\.gz|\.zip)\Z")
READ_LIMIT = 1 << 18  # bytes of a file that one answer carries: on a slow line, other answers wait behind it


def distribution(file):
    """The normalized name (PEP 503) of the distribution that a wheel's file name begins with."""
    return normalized(file.split("-")[0])


def normalized(name):
    return re.sub(r"[-_.]+", "-", name).lower()


def link_stored(repository, wheels, directory):
    """Give stored files the names that pip needs, in a new directory."""
    os.mkdir(directory, 0o700)
    for wheel in wheels:
        os.symlink(Uploads(repository).path(wheel["sha256"]), os.path.join(directory, checked(FILE, wheel["name"], "file name")))


def store_all(repository, directory):
    """Store the wheels of a directory by their digests; return name, sha256 and size of each. For a
    child."""
    made, names = [], sorted(name for name in os.listdir(directory) if name.endswith(".whl"))
    for name in names:
        path = os.path.join(directory, checked(FILE, name, "file name"))
        with open(path, "rb") as f:
            size = os.fstat(f.fileno()).st_size
            os.fsync(f.fileno())
        digest = sha256_file(path)
        os.rename(path, Uploads(repository).path(digest))
        made.append({"name": name, "sha256": digest, "size": size})
    fsync_directory(repository.path("incoming"))
    return made


def mark_built(made, log):
    """Say of each wheel whether pip has built it here, as pip tells in its output: no index has that one."""
    with open(log, encoding="utf-8", errors="replace") as f:
        built = set(re.findall(r"filename=(\S+\.whl)", f.read()))
    return [dict(wheel, built=wheel["name"] in built) for wheel in made]


def pinned(wanted):
    """Requirements for exactly these wheels (PEP 427: name, version, and no others are needed)."""
    lines = []
    for wheel in wanted:
        name, version = checked(FILE, wheel["name"], "file name").split("-")[:2]
        lines.append("%s==%s --hash=sha256:%s\n" % (name, version.replace("_", "-"), checked(DIGEST, wheel["sha256"], "digest")))
    return "".join(lines)


def read_piece(repository, made, digest, offset):
    """A piece of a file that is stored, or that a run has made in its directory: at most READ_LIMIT bytes,
    in base64; none behind its end."""
    import base64  # rarely needed: imports are a part of each session

    path = Uploads(repository).path(checked(DIGEST, digest, "digest"))
    if made and not os.path.lexists(path):
        path = os.path.join(made, digest)
    if not isinstance(offset, int) or offset < 0:
        raise Refused("bad-request", "not an offset")
    try:
        with open_regular(path) as f:
            f.seek(offset)
            return {"data": base64.b64encode(f.read(READ_LIMIT)).decode("ascii")}
    except FileNotFoundError:
        raise Refused("no-upload", "%s is not stored here" % digest)
