"""What packages have in common: directories and files below ROOT/shared, linked into each package.

Nothing in ROOT/shared belongs to a package: it is not part of its content, and is never removed with it.
"""
import os
import stat

from kisagent.store import remove_tree
from kisagent.wire import Refused

SHARED = "shared"
PLACEHOLDERS = (".gitkeep", ".keep", ".gitignore")  # what projects put into a directory so that git tracks it


def missing(repository, files):
    """The files that somebody has to put there before a package can be linked to them."""
    return [path for path in files if not os.path.isfile(os.path.join(repository.root, SHARED, path))]


def problems(repository, dirs):
    """What prevents directories from being shared."""
    places = [os.path.join(repository.root, SHARED, path) for path in dirs]
    return [
        {"code": "no-shared-directory", "message": "%s is not a directory" % place, "hint": "inspect it: ls -ld %s" % place}
        for place in places
        if os.path.lexists(place) and not os.path.isdir(place)
    ]


def link_all(repository, top, dirs, files):
    for found in problems(repository, dirs):
        raise Refused(**found)
    for path in dirs:
        os.makedirs(os.path.join(repository.root, SHARED, path), 0o755, exist_ok=True)
    for path in missing(repository, files):
        raise Refused("no-shared-file", "%s is missing" % os.path.join(repository.root, SHARED, path))
    for path in list(dirs) + list(files):
        link(repository, top, path)


def link(repository, top, path):
    """Replace the member of the package by a relative link, so that the repository can be moved."""
    place = os.path.join(top, path)
    make_room(top, path)
    os.makedirs(os.path.dirname(place), 0o755, exist_ok=True)
    if os.path.realpath(os.path.dirname(place)) != os.path.dirname(place):
        raise Refused("bad-archive", "%s lies behind a symbolic link in the archive, so that it cannot be shared" % path)
    os.symlink(os.path.relpath(os.path.join(repository.root, SHARED, path), os.path.dirname(place)), place)


def make_room(top, path):
    """Remove an empty directory, or one that only holds a placeholder. Anything else is content of the
    archive that the link would hide."""
    place = os.path.join(top, path)
    try:
        info = os.lstat(place)
    except FileNotFoundError:
        return
    inside = os.listdir(place) if stat.S_ISDIR(info.st_mode) else [path]
    content = sorted(name for name in inside if name not in PLACEHOLDERS)
    if content:
        hint = "exclude it from the source distribution (MANIFEST.in: prune, exclude), or do not share it"
        raise Refused("shared-content", "%s is shared, and the archive has content there: %s" % (path, ", ".join(content[:3])), hint)
    remove_tree(place)
