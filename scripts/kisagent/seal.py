"""What makes a directory a package: the manifest of all files, the installed distributions, and the
receipt, written last."""
import hashlib
import json
import os
import re
import stat
import time

from kisagent import interpreter, times
from kisagent.leftovers import MARKER
from kisagent.store import fsync_directory, open_regular, readable_receipt, remove_file, sha256_file, sync_file_system, error_text, write_durably
from kisagent.wheels import distribution, normalized
from kisagent.wire import Refused

WRITES_HINT = "a package is read-only: let the application write below ROOT/shared (shared: in the inventory) or in a directory of its own"
UNSEALED_MEMBERS = (".kis/manifest", ".kis/receipt.json", os.path.join(".kis", MARKER))
OPEN_DIRECTORY = os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC
KINDS = {stat.S_IFDIR: "d", stat.S_IFREG: "f", stat.S_IFLNK: "l"}
quoted = json.encoder.encode_basestring_ascii  # of a text, what json.dumps returns, without making an encoder


def walk(top, below=""):
    """Every member of a directory below top, as (path in top, stat, kind), sorted; kind is d, f or l.
    Others are refused."""
    found, stack = [], [below]
    while stack:
        directory = stack.pop()
        prefix = directory + "/" if directory else ""
        # The kernel looks up a name in an open directory, not a path of ten names, for each of its members
        fd = os.open(os.path.join(top, directory), OPEN_DIRECTORY | (os.O_NOFOLLOW if directory else 0))
        try:
            for name in os.listdir(fd):
                path, info = prefix + name, os.stat(name, dir_fd=fd, follow_symlinks=False)
                kind = KINDS.get(stat.S_IFMT(info.st_mode))
                if kind is None:
                    raise Refused("special-file", "%s is neither a file, a directory nor a link" % path)
                if kind == "d":
                    stack.append(path)
                found.append((path, info, kind))
        finally:
            os.close(fd)
    return in_order(found)


def in_order(members):
    return sorted(members, key=lambda member: os.fsencode(member[0]))


def manifest(top, members=None, digests=None):
    """The text of the manifest: `kind mode size sha256-or-target path` for each member, names as
    JSON strings. Files whose digests are given are not read."""
    lines, digests = [], digests or {}
    for path, info, kind in members or walk(top):
        if path in UNSEALED_MEMBERS:
            continue
        if kind == "f":
            what = digests.get(path) or sha256_file(os.path.join(top, path))
        elif kind == "l":
            what = quoted(os.readlink(os.path.join(top, path)))
        else:
            what = "-"
        size = info.st_size if kind == "f" else 0
        mode = 0o755 if path == ".kis" else info.st_mode & 0o7777  # until the receipt is written
        lines.append("%s %04o %d %s %s\n" % (kind, mode, size, what, quoted(path)))
    return "".join(lines)


def fingerprint(members, changes=False):
    """A digest of the members of a package, as walk returns them: names, kinds, modes, sizes and times. It is
    cheap enough to recompute before each switch.

    The times are modification times, which copies and backups preserve. With changes they are those
    of the inode's last change (ctime), which nobody can set: it shows every edit, but also a copy,
    a chmod there and back, or another hard link.
    """
    lines = []
    for path, info, kind in members:
        if path in UNSEALED_MEMBERS or path == ".kis":
            continue
        at = info.st_ctime_ns if changes else info.st_mtime_ns
        size, at = (info.st_size, at) if kind != "d" else (0, 0)
        lines.append("%s %o %d %d %s\n" % (kind, info.st_mode & 0o7777, size, at, quoted(path)))
    return hashlib.sha256("".join(lines).encode("ascii")).hexdigest()


def installed(environment):
    """What is installed in the companion environment, sorted, as `name==version` with names
    normalized (PEP 503)."""
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
                    fields = named_fields(f)
            except OSError:
                continue
            normal = re.sub(r"[-_.]+", "-", fields.get("name", "?")).lower()
            found.add("%s==%s" % (normal, fields.get("version", "?")))
    return sorted(found)


def named_fields(lines):
    """The first value of each field of core metadata, by its name in lower case. The library for such headers,
    email.parser, takes longer to import than an environment takes to be read."""
    fields = {}
    for line in lines:
        name, colon, value = line.partition(":")
        if not line.strip():
            break
        if colon and not line[0].isspace():
            fields.setdefault(name.lower(), value.strip())
    return fields


def spelled(environment, name):
    """The name of an installed distribution as its directory has it, such as my_app for My.App:
    importlib.metadata before Python 3.10 finds no other spelling."""
    for directory in site_directories(environment):
        for entry in sorted(os.listdir(directory)):
            stem, _, kind = entry.rpartition(".")
            if kind in ("dist-info", "egg-info") and distribution(stem) == normalized(name):
                return stem.split("-")[0]
    return name


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


def make_read_only(top, members):
    """Remove all write permissions, of directories too, so that no package is changed by accident."""
    for path, info, kind in members:
        if kind != "l" and info.st_mode & 0o222:
            os.chmod(os.path.join(top, path), info.st_mode & 0o7555)
    os.chmod(top, os.lstat(top).st_mode & 0o7555)


def is_state(path):
    """Whether a member belongs to the state of kis, which sealing completes."""
    return path == ".kis" or path.startswith(".kis/")


def freeze(top, modified):
    """Give the files of the package this time, in seconds, and make it read-only; return what it consists
    of, to be compared when it is sealed. What kis has written may be so from the start, see files.py."""
    members = [member for member in walk(top) if not is_state(member[0])]
    open_members = [(path, info, kind) for path, info, kind in members if kind != "l" and (info.st_mtime_ns != modified * 10**9 or info.st_mode & 0o222)]
    times.set_all(top, open_members, modified)
    make_read_only(top, open_members)
    changed = {path: os.lstat(os.path.join(top, path)) for path, _, _ in open_members}
    return snapshot(top, [(path, changed.get(path, info), kind) for path, info, kind in members])


def snapshot(top, members):
    """Each member's kind, mode, size and time of its last change, by path. The time of a directory
    shows that something was created in it and removed."""
    found = {".": ["d", 0, 0, os.lstat(top).st_ctime_ns]}
    for path, info, kind in members:
        if not is_state(path):
            found[path] = [kind, info.st_mode & 0o7777, info.st_size if kind != "d" else 0, info.st_ctime_ns]
    return found


def current(digests, frozen):
    """The digests of files that have not changed since kis wrote them."""
    return {path: digest for path, (digest, changed) in digests.items() if path in frozen and frozen[path][3] == changed}


def require_unchanged(top, members, frozen):
    """Refuse a package that something has written into since it was made read-only. That takes root,
    or a program that changes modes: the application would write beside itself in production as well."""
    now = snapshot(top, members)
    changed = [path for path in set(now) | set(frozen) if now.get(path) != frozen.get(path)]
    if not changed:
        return
    # The directory of what was created has changed as well.
    path = min(changed, key=lambda path: (path in frozen and frozen[path][0] == "d", path))
    what = "created" if path not in frozen else "removed" if path not in now else "changed"
    raise Refused("writes-inside", "verification %s %s in the package" % (what, path), WRITES_HINT)


def seal(repository, name, facts, wheels, lock, frozen, digests):
    """Seal the directory as a package. For a child. Before the last rename it is not a package.
    wheels are those of its environment, lock is that of the build; frozen is what freeze returned, digests
    are of what kis has written, see files.py."""
    top = repository.package(name)
    state = os.path.join(top, ".kis")
    members = walk(top)
    require_unchanged(top, members, frozen)
    environment = installed(os.path.join(top, ".venv"))
    record = environment_record(environment, wheels)
    write_durably(os.path.join(state, "environment"), "".join(line + "\n" for line in record), 0o644)
    make_read_only(top, walk(top, ".kis"))
    members = in_order([member for member in members if not member[0].startswith(".kis/")] + walk(top, ".kis"))
    text = manifest(top, members, current(digests, frozen))
    receipt = {"v": 1, "package": name, "created": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())}
    receipt.update({name: value for name, value in facts.items() if name != "editable"})
    # The wheel of an editable application names its package's path, which may differ between hosts; its
    # content is compared as such.
    alike = [wheel for wheel in wheels if not facts.get("editable") or wheel["sha256"] != facts.get("application")]
    receipt["environment"] = environment_digest(environment_record(environment, alike), facts["python"])
    receipt["installed"] = environment
    receipt["interpreter"] = interpreter.identity(top)
    receipt["wheels"] = sorted("%s %d %s%s" % (wheel["sha256"], wheel["size"], wheel["name"], " built" * bool(wheel.get("built"))) for wheel in wheels)
    receipt["uploads"] = (facts.get("uploads") or []) + [wheel["sha256"] for wheel in wheels]
    receipt["manifest"] = hashlib.sha256(text.encode("ascii")).hexdigest()
    receipt["fingerprint"] = fingerprint(members)
    receipt["changes"] = fingerprint(members, changes=True)
    receipt["size"] = sum(info.st_size for _, info, kind in members if kind == "f")
    receipt["files"] = len(members) + 1  # inodes, with the directory itself
    written = json.dumps(receipt, indent=1, sort_keys=True) + "\n"
    if readable_receipt(written.encode("ascii"), name) is None:
        raise Refused("bad-request", "the receipt of %s would not be readable" % name)
    write_durably(os.path.join(state, "manifest"), text, 0o444)
    # All files must be on the disk before the receipt says so, and the receipt before the answer is
    # sent.
    sync_file_system(top)
    lock.check()  # no other run has acquired it since
    write_durably(os.path.join(state, "receipt.json"), written, 0o444)
    # last: without marker and receipt the directory would be foreign
    remove_file(os.path.join(state, MARKER))
    os.chmod(state, 0o555)
    fsync_directory(state)
    fsync_directory(top)
    fsync_directory(repository.root)
    return {"receipt": receipt}


def environment_record(installed_names, wheels):
    """The lines of the file `environment`: `name==version sha256 file` for what a wheel was the source
    of, else `name==version`."""
    by_name = {distribution(wheel["name"]): wheel for wheel in wheels}
    lines = []
    for line in installed_names:
        wheel = by_name.get(line.split("==")[0])
        lines.append("%s %s %s" % (line, wheel["sha256"], wheel["name"]) if wheel else line)
    return lines


def environment_digest(lines, python):
    """The digest of what is installed and for which Python series. Equal on hosts with equal
    environments."""
    series = ".".join(python.split(".")[:2])
    return "sha256:" + hashlib.sha256(("python %s\n%s\n" % (series, "\n".join(lines))).encode("utf-8")).hexdigest()


def check(repository, name, quick=False, thorough=False):
    """The receipt of a package that may be linked. quick does not examine the files. thorough reads
    the files where their metadata cannot tell, which may take long."""
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
        raise changed(name, top)
    interpreter.check(top, receipt)
    return receipt


def changed(name, top):
    message = "%s is not as it was sealed: files in %s were changed outside kis" % (name, top)
    return Refused("changed-package", message, "packages are never changed: bump the version and push that, or roll back to another package")


def differences(repository, name, limit=20):
    """The first members of a package that are not as they were sealed, by reading all files; none where
    all are. Refuses a package whose files have other times. For a child."""
    top = repository.package(name)
    receipt = check(repository, name, quick=True)
    interpreter.check(top, receipt)
    with open_regular(os.path.join(top, ".kis", "manifest")) as f:
        text = f.read()
    if hashlib.sha256(text).hexdigest() != receipt.get("manifest"):
        return [".kis/manifest"]
    members = walk(top)
    sealed, now = ({line.split(" ", 4)[4]: line for line in lines.splitlines()} for lines in (text.decode("ascii"), manifest(top, members)))
    found = [path for path in sorted(set(sealed) | set(now)) if sealed.get(path) != now.get(path)]
    if not found and fingerprint(members) != receipt.get("fingerprint"):
        raise changed(name, top)
    return [json.loads(path) for path in found[:limit]]


def matches_seal(top, receipt, thorough):
    try:
        if sha256_file(os.path.join(top, ".kis", "manifest")) != receipt.get("manifest"):
            return False
    except FileNotFoundError:
        return False
    members = walk(top)
    if fingerprint(members) != receipt.get("fingerprint"):
        return False
    if not thorough or fingerprint(members, changes=True) == receipt.get("changes"):
        return True
    # An inode has changed. For a copy the contents are still equal; for an edit that restored size
    # and modification time they are not.
    return hashlib.sha256(manifest(top).encode("ascii")).hexdigest() == receipt.get("manifest")
