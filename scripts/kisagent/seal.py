"""What makes a folder a package: the manifest of every file, the list of what is installed, and the receipt, written last."""
import hashlib
import json
import os
import re
import stat
import time

from kisagent.leftovers import MARKER
from kisagent.store import fsync_directory, readable_receipt, remove_file, sha256_file, sync_file_system, error_text, write_durably
from kisagent.wire import Refused

UNSEALED_MEMBERS = (".kis/manifest", ".kis/receipt.json", os.path.join(".kis", MARKER))


def walk(top):
    """Every member below top as (path, stat, kind), sorted; kind is d, f or l. Anything else is refused."""
    found = []
    stack = [""]
    while stack:
        directory = stack.pop()
        with os.scandir(os.path.join(top, directory)) as entries:
            for entry in entries:
                path = os.path.join(directory, entry.name)
                info = entry.stat(follow_symlinks=False)
                if stat.S_ISDIR(info.st_mode):
                    found.append((path, info, "d"))
                    stack.append(path)
                elif stat.S_ISREG(info.st_mode):
                    found.append((path, info, "f"))
                elif stat.S_ISLNK(info.st_mode):
                    found.append((path, info, "l"))
                else:
                    raise Refused("odd-file", "%s is neither a file, a folder nor a link" % path)
    found.sort(key=lambda member: os.fsencode(member[0]))
    return found


def manifest(top):
    """The text of the manifest: one line per member, `kind mode size sha256-or-target path`, names as JSON strings."""
    lines = []
    for path, info, kind in walk(top):
        if path in UNSEALED_MEMBERS:
            continue
        if kind == "f":
            what = sha256_file(os.path.join(top, path))
        elif kind == "l":
            what = json.dumps(os.readlink(os.path.join(top, path)))
        else:
            what = "-"
        size = info.st_size if kind == "f" else 0
        mode = 0o755 if path == ".kis" else info.st_mode & 0o7777  # as it is until the receipt is written
        lines.append("%s %04o %d %s %s\n" % (kind, mode, size, what, json.dumps(path)))
    return "".join(lines)


def fingerprint(top, changes=False):
    """A digest of names, kinds, modes, sizes and times: cheap enough to be taken again just before a package is linked.

    The times are those of the last modification, which whoever copies or restores a package keeps, or with changes those of the last change
    of the inode (ctime), which nobody can set: no edit escapes it, but a copy, a chmod there and back or another hard link changes it too.
    """
    digest = hashlib.sha256()
    for path, info, kind in walk(top):
        if path in UNSEALED_MEMBERS or path == ".kis":
            continue
        at = info.st_ctime_ns if changes else info.st_mtime_ns
        size, at = (info.st_size, at) if kind != "d" else (0, 0)
        digest.update(("%s %o %d %d %s\n" % (kind, info.st_mode & 0o7777, size, at, json.dumps(path))).encode("ascii"))
    return digest.hexdigest()


def installed(environment):
    """What is installed in the companion environment, sorted, one `name==version` each, names normalised (PEP 503)."""
    import email.parser

    found = set()
    for directory in site_directories(environment):
        for name in os.listdir(directory):
            if name.endswith(".dist-info"):
                metadata = os.path.join(directory, name, "METADATA")
            elif name.endswith(".egg-info"):
                metadata = os.path.join(directory, name, "PKG-INFO")
            else:
                continue
            try:
                with open(metadata, encoding="utf-8", errors="replace") as f:
                    headers = email.parser.HeaderParser().parse(f)
            except OSError:
                continue
            normal = re.sub(r"[-_.]+", "-", headers.get("Name", "?")).lower()
            found.add("%s==%s" % (normal, headers.get("Version", "?")))
    return sorted(found)


def site_directories(environment):
    out = []
    for library in ("lib", "lib64"):
        base = os.path.join(environment, library)
        if os.path.isdir(base) and not os.path.islink(base):
            for name in sorted(os.listdir(base)):
                directory = os.path.join(base, name, "site-packages")
                if os.path.isdir(directory):
                    out.append(directory)
    return out


def make_read_only(top):
    """Take every write permission away, of folders too, so that a package is not changed by accident."""
    for path, info, kind in walk(top):
        if kind != "l" and info.st_mode & 0o222:
            os.chmod(os.path.join(top, path), info.st_mode & 0o7555)
    os.chmod(top, os.lstat(top).st_mode & 0o7555)


def seal(repository, name, facts, lock):
    """Seal the folder as package. Runs in a child; what is there before the last rename is no package. lock is that of the build."""
    top = repository.package(name)
    state = os.path.join(top, ".kis")
    environment = installed(os.path.join(top, ".venv"))
    write_durably(os.path.join(state, "environment"), "".join(line + "\n" for line in environment), 0o644)
    make_read_only(top)
    os.chmod(state, 0o755)
    text = manifest(top)
    receipt = {"v": 1, "package": name, "created": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())}
    receipt.update(facts)
    receipt["environment"] = environment_digest(environment, facts["python"])
    receipt["installed"] = environment
    receipt["manifest"] = hashlib.sha256(text.encode("ascii")).hexdigest()
    receipt["fingerprint"] = fingerprint(top)
    receipt["changes"] = fingerprint(top, changes=True)
    receipt["size"] = sum(info.st_size for _, info, kind in walk(top) if kind == "f")
    written = json.dumps(receipt, indent=1, sort_keys=True) + "\n"
    if readable_receipt(written.encode("ascii"), name) is None:
        raise Refused("bad-request", "what the receipt of %s would say cannot be read again" % name)
    write_durably(os.path.join(state, "manifest"), text, 0o444)
    # Everything below must be on the disk before the receipt says so, and the receipt before anybody hears of it.
    sync_file_system(top)
    lock.check()  # nobody else has been let in while this was made
    write_durably(os.path.join(state, "receipt.json"), written, 0o444)
    remove_file(os.path.join(state, MARKER))  # not before: without it and without a receipt this would be nobody's
    os.chmod(state, 0o555)
    fsync_directory(state)
    fsync_directory(top)
    fsync_directory(repository.root)
    return {"receipt": receipt}


def environment_digest(lines, python):
    """One digest for what is installed and the Python series it is installed for, comparable between hosts."""
    series = ".".join(python.split(".")[:2])
    return "sha256:" + hashlib.sha256(("python %s\n%s\n" % (series, "\n".join(lines))).encode("utf-8")).hexdigest()


def check(repository, name, quick=False, thorough=False):
    """The receipt of a package that may be linked. quick leaves the look at every file out; thorough reads the files where a look at them
    cannot tell, and may take long."""
    top = repository.package(name)
    receipt = repository.receipt(name)
    if receipt is None:
        if not os.path.lexists(top):
            raise Refused("no-package", "%s is not installed" % name)
        raise Refused("unsealed", "%s is not complete: its receipt is missing" % name)
    if quick:
        return receipt
    try:
        same = matches_seal(top, receipt, thorough)
    except OSError as err:
        raise Refused("unreadable-package", error_text(err, top))
    if not same:
        message = "%s is not as it was sealed: somebody has changed files in %s" % (name, top)
        raise Refused("changed-package", message, "packages are never changed: bump the version and push that, or roll back to another package")
    return receipt


def matches_seal(top, receipt, thorough):
    try:
        if sha256_file(os.path.join(top, ".kis", "manifest")) != receipt.get("manifest"):
            return False
    except FileNotFoundError:
        return False
    if fingerprint(top) != receipt.get("fingerprint"):
        return False
    if not thorough or fingerprint(top, changes=True) == receipt.get("changes"):
        return True
    # Something has touched the files. What is in them is as it was for a copy, and is not for an edit that has put size and time back.
    return hashlib.sha256(manifest(top).encode("ascii")).hexdigest() == receipt.get("manifest")
