"""Read-only inspection of the host and of its package repository."""
import errno
import fcntl
import importlib
import json
import os
import re
import stat
import struct
import sys

from kisagent import leftovers, link, locks, processes, seal, shared, strict
from kisagent.journal import READ_LIMIT, Journal, boot_id, sound
from kisagent.platforms import platform
from kisagent.store import PACKAGE, STAGE, private_directory_problem, free_space, user_name, user_word, error_text
from kisagent.wire import Refused


GET_FLAGS = 0x80006601 | struct.calcsize("l") << 16  # FS_IOC_GETFLAGS, see ioctl_iflags(2)
# FS_IMMUTABLE_FL, FS_APPEND_FL
BLOCKING_FLAGS = ((0x10, "i", "immutable"), (0x20, "a", "append-only"))
# The inventory bounds the root as written (maxRoot, pathPattern); these bound the resolved path.
# bytes; with package and .venv/bin/python it must fit into the 127 of a #! line on older kernels
ROOT_LIMIT = 100
ROOT = re.compile(r"[A-Za-z0-9._/+-]+\Z")
LINES = 200  # lines of a journal that are sent by default, and as many damaged ones
ENOUGH = 15  # lines that suffice for a deployment, if the oldest has a checkpoint: some five runs
MAX_LINES = 10000  # as many as the controller reads, see maxLines in remote/journal.go
LINES_BYTES = 8 << 20  # of all journals together, less than MAX_ANSWER


def host_facts():
    system = os.uname()
    return {
        "hostname": system.nodename,
        "python": "%d.%d.%d" % sys.version_info[:3],
        "executable": sys.executable,
        "system": "%s %s" % (system.sysname, system.machine),
        "user": user_name(os.geteuid()),
        "boot": boot_id(),
    }


def problem(code, message, hint=""):
    return {"code": code, "message": message, "hint": hint}


def root_problems(repository):
    """What prevents this directory from being a package repository of this user."""
    root, user = repository.root, user_name(os.geteuid())
    try:
        info = os.stat(root)
    except FileNotFoundError:
        make = "sudo install -d -m 755 -o %s %s" % (user_word(os.geteuid()), root)
        return [problem("no-root", "directory %s does not exist" % root, "make it, owned by %s: %s" % (user, make))]
    except OSError as err:
        return [problem("unreadable-root", "%s: %s" % (root, err.strerror.lower()))]
    if not stat.S_ISDIR(info.st_mode):
        return [problem("no-root", "%s is not a directory" % root, "set root: in the inventory to a directory")]
    found = []
    if info.st_uid != os.geteuid():
        message = "%s belongs to %s, not to %s" % (root, user_name(info.st_uid), user)
        found.append(problem("foreign-root", message, "give it to the deploying user: sudo chown %s %s" % (user_word(os.geteuid()), root)))
    if info.st_mode & 0o022:
        message = "%s is writable by other users (mode %04o): they could switch a stage" % (root, info.st_mode & 0o7777)
        found.append(problem("open-root", message, "close it: chmod go-w %s" % root))
    for letter, word in blocking_flags(root):
        message = "%s is %s (chattr +%s), so that nothing in it can be renamed" % (root, word, letter)
        found.append(problem("read-only-root", message, "let it change: sudo chattr -%s %s" % (letter, root)))
    flags = os.statvfs(root).f_flag
    if flags & os.ST_RDONLY:
        found.append(problem("read-only-root", "%s is on a file system that is mounted read-only" % root, "see: findmnt -T %s" % root))
    elif not found and not os.access(root, os.W_OK | os.X_OK):
        found.append(problem("read-only-root", "%s is not writable for %s" % (root, user), "inspect it: ls -ld %s" % root))
    if flags & getattr(os, "ST_NOEXEC", 0):
        message = "%s is mounted noexec, so that no environment in it can run" % root
        found.append(problem("noexec-root", message, "see: findmnt -T %s" % root))
    return found + state_directory_problems(repository)


def blocking_flags(root):
    """Inode flags that prevent renames in a directory whatever its mode: letters of chattr(1), and
    names. None where the file system has no flags."""
    try:
        fd = os.open(root, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    except OSError:
        return []
    try:
        flags = struct.unpack_from("i", fcntl.ioctl(fd, GET_FLAGS, bytes(struct.calcsize("l"))))[0]
    except OSError:
        return []
    finally:
        os.close(fd)
    return [(letter, word) for flag, letter, word in BLOCKING_FLAGS if flags & flag]


def path_problems(root):
    """What prevents environments from running at this path, although files can be created there."""
    if len(os.fsencode(root)) >= ROOT_LIMIT:
        message = "%s is %d bytes long, too long for the #! lines of the environments" % (root, len(os.fsencode(root)))
        return [problem("unusable-root", message, "set root: in the inventory to a directory whose resolved path has less than %d bytes" % ROOT_LIMIT)]
    if not ROOT.match(root):
        message = "%s has characters that neither #! lines nor PATH can hold" % root
        return [problem("unusable-root", message, "set root: in the inventory to a directory whose resolved path has only A-Z a-z 0-9 . _ / + -")]
    return []


def state_directory_problems(repository):
    found = []
    for name in ("", "armed", "incoming", "journal", "locks", "run"):
        path = repository.path(name) if name else repository.kis
        if os.path.lexists(path):
            message = private_directory_problem(path, repository.root)
            if message:
                found.append(problem("foreign-directory", message, "inspect it, and remove it if it is not yours: ls -la %s" % path))
    unusable = repository.host_id_problem()
    if unusable:
        found.append(problem("unusable-host-id", *unusable))
    return found


def missing_modules(index):
    """The modules of Python's library that are missing where it was built without their libraries."""
    needed = [("zlib", "zlib", "zlib1g-dev", "no wheel can be unpacked")]
    if index:
        needed.append(("ssl", "_ssl", "libssl-dev", "no package index can be reached by https"))
    found = []
    for name, compiled, package, consequence in needed:
        try:
            importlib.import_module(compiled)  # the rest of ssl takes four times as long
        except ImportError:
            hint = "name another interpreter in the inventory, python: /path/to/python3, or build this one again after: apt install %s" % package
            found.append(problem("no-module", "python (%s) was built without %s, so that %s" % (sys.executable, name, consequence), hint))
    return found


def tool_problems(index):
    """What is missing on the host for building an environment. index: a package index is asked by https."""
    import shutil

    from kisagent.bundled import library_directory, pip_wheel

    found = missing_modules(index)
    for tool in ("tar", "gzip"):
        if shutil.which(tool) is None:
            found.append(problem("no-tool", "%s is missing" % tool, "install it: apt install %s" % tool))
    if library_directory("venv", "") is None:
        found.append(problem("no-venv", "this python3 has no venv module", "install it: apt install python3-venv"))
    elif pip_wheel() is None:
        message = "this python3 has no ensurepip, so that no environment can be built"
        found.append(problem("no-venv", message, "install it: apt install python3-venv"))
    return found


def old_pip():
    """The version of this Python's pip, if it is too old for editable installs (PEP 660), else ""."""
    from kisagent.bundled import EDITABLE_SINCE, pip_version, pip_wheel

    wheel = pip_wheel()
    return ".".join(map(str, pip_version(wheel))) if wheel and pip_version(wheel) < EDITABLE_SINCE else ""


def check(repository, args):
    """What a push needs to know beforehand, with all problems at once."""
    found = root_problems(repository)
    facts = {"problems": found, "host": host_facts(), "platform": platform(), "root": repository.root}
    usable = os.path.isdir(repository.root)
    if usable:
        info = os.stat(repository.root)
        facts["identity"] = "%s %d %d" % (boot_id(), info.st_dev, info.st_ino)
        facts["host_id"] = repository.host_id()
        facts["space"] = free_space(repository.root)
    if args.get("build"):
        found += tool_problems(args.get("index")) + path_problems(repository.root)
        facts["old_pip"] = old_pip()
        if usable:
            found += space_problems(repository, facts["space"], args)
    if args.get("stage") and usable:
        try:
            facts["stage"] = stage_state(repository, args["stage"], enough=ENOUGH)
            unread = facts["stage"]["unread"]
            if unread and unread not in found:
                found.append(unread)
        except Refused as refused:
            found.append(problem(refused.code, refused.message, refused.hint))
    if args.get("package") and usable:
        facts["package"] = package_facts(repository, args["package"])
        if args.get("build") and facts["package"]["receipt"] is None:
            found += build_obstacles(repository, args["package"])
    if args.get("packages") and usable:
        facts["packages"] = packages(repository)
    if args.get("shared"):
        found += shared.problems(repository, args["shared"]["dirs"])
        facts["missing"] = shared.missing(repository, args["shared"]["files"])
    return facts


def needs_python_check(facts, args):
    """Whether the package must be built here and has a Requires-Python."""
    return bool(args.get("build") and (args.get("requires_python") or args.get("environments"))) and facts.get("package", {}).get("state") != "sealed"


def python_problems(args):
    """Refuse an unsuitable interpreter before anything is uploaded. For a child."""
    from kisagent.bundled import one_is_true, satisfied

    host = host_facts()
    if args.get("environments") and one_is_true(args["environments"]) is False:
        message = "the lock file was made for other hosts than this one: %s" % "; ".join(args["environments"])
        return [problem("wrong-python", message, "lock the requirements for the hosts' Python and system as well")]
    if not args["requires_python"] or satisfied(args["requires_python"], host["python"]) is not False:
        return []
    message = "python is %s (%s), and %s requires %s" % (host["python"], host["executable"], args["package"], args["requires_python"])
    return [problem("wrong-python", message, "name another interpreter in the inventory, for the host or for all: python: /path/to/python3")]


def packages(repository):
    """Every directory with a package's name, without the distributions in its environment."""
    found = []
    for name in sorted(os.listdir(repository.root)):
        path = os.path.join(repository.root, name)
        if PACKAGE.match(name) and os.path.isdir(path) and not os.path.islink(path):
            facts = package_facts(repository, name)
            if facts["receipt"]:
                facts["receipt"].pop("installed", None)
            found.append(facts)
    return found


def space_problems(repository, free, args):
    """Compare the predicted bytes and inodes with what is free: those of the archive, and for the
    environment those of the newest package of the project, or the default where that is more."""
    root, found = repository.root, []
    if args.get("package") and repository.receipt(args["package"]):
        return found  # no build is needed
    receipts = [one["receipt"] for one in packages(repository) if one["receipt"]]
    project = (args.get("package") or "").partition("-")[0]  # "" where the package is not known yet
    ours = [one for one in receipts if project in ("", one["package"].partition("-")[0])]
    built = max(ours, key=lambda one: one.get("created") or "", default={})
    need = {
        "bytes": args["need_bytes"] + max(args["spare_bytes"], built.get("size") or 0),
        "inodes": args["need_inodes"] + max(args["spare_inodes"], built.get("files") or 0),
    }
    if free["bytes"] < need["bytes"] or 0 <= free["inodes"] < need["inodes"]:
        # Only now, because it walks directories: what the next run will remove before it builds.
        ours = leftovers.reclaimable_space(repository)
        free = {"bytes": free["bytes"] + ours["bytes"], "inodes": free["inodes"] + ours["inodes"] if free["inodes"] >= 0 else -1}
    if free["bytes"] < need["bytes"]:
        message = "disk nearly full: %d MiB free at %s, %d MiB needed" % (free["bytes"] >> 20, root, (need["bytes"] >> 20) + 1)
        found.append(problem("no-space", message, prune_hint(repository, args, "bytes") + "see: df -h %s; du -sh %s/*" % (root, root)))
    if 0 <= free["inodes"] < need["inodes"]:
        message = "%d inodes free at %s, %d needed" % (free["inodes"], root, need["inodes"])
        found.append(problem("no-space", message, prune_hint(repository, args, "files") + "see: df -i %s" % root))
    return found


def prune_hint(repository, args, what):
    """The command that frees some of it, if there is one."""
    from kisagent import cleanup

    freed = cleanup.reclaimable(repository, packages(repository), args["keep"]) if args["keep"] else {what: 0}
    if not freed[what]:
        return ""
    much = "%d MiB" % ((freed["bytes"] >> 20) + 1) if what == "bytes" else "%d inodes" % freed["files"]
    return "free %s by removing old packages (%d here): kis prune %s\n" % (much, freed["packages"], args["stage"])


def package_facts(repository, name):
    receipt = repository.receipt(name)
    return {"name": name, "state": "sealed" if receipt else leftovers.unsealed_state(repository, name), "receipt": receipt}


def build_obstacles(repository, name):
    """What prevents a package from being built: anything at its path that no interrupted build
    left."""
    try:
        leftovers.check_removable(repository, name)
    except Refused as refused:
        return [problem(refused.code, refused.message, refused.hint)]
    return []


def stage_state(repository, stage, lines=LINES, limit=LINES_BYTES, enough=LINES):
    """One stage: its link, whether kis manages it, the journal, see newest_lines, the holder of the
    lock, and the prepared links of runs that are alive or dead."""
    linked = repository.linked(stage)
    state = {"stage": stage, "linked": linked, "managed": True, "sealed": False}
    if linked is not None:
        state["managed"] = bool(PACKAGE.match(linked))
        receipt = repository.receipt(linked) if state["managed"] else None
        state["sealed"] = receipt is not None
        state["dangling"] = not os.path.exists(repository.stage(stage))
        if state["sealed"]:
            state["changed"] = changed(repository, linked)
        if not state["managed"]:
            what = "which is not a package of this repository"
            if os.path.dirname(os.path.realpath(repository.stage(stage))) == os.path.realpath(repository.root):
                what = "which kis has not made: its links name a package without a directory"
            message = "%s is linked to %s, %s" % (repository.stage(stage), linked, what)
            raise Refused("stage-not-managed", message, "move it away, and remove it when the stage is linked again: mv %s %s.before-kis" % ((repository.stage(stage),) * 2))
    state.update(journal_lines(repository, stage, lines, limit, enough))
    state["holder"] = locks.holder(repository.path("locks", stage))
    state["armed"] = link.prepared_runs(repository, stage)
    return state


def changed(repository, package):
    """How a sealed package was changed, or None."""
    try:
        seal.check(repository, package)
    except Refused as refused:
        return refused.record()
    return None


def journal_lines(repository, stage, lines, limit, enough):
    """The newest lines, whether there are older ones, and why the journal cannot be read, or None.
    That does not fail an inspection, and must not look like an empty journal."""
    journal = Journal(repository, stage)
    try:
        kept, older = newest_lines(journal.lines(), lines, limit, enough)
        return {"journal": kept, "older": older, "unread": None}
    except OSError as err:
        found = [] if os.path.lexists(journal.path) else state_directory_problems(repository)
        return {"journal": [], "older": False, "unread": (found or [unreadable_journal(journal.path, err)])[0]}


def newest_lines(lines, count, limit, enough):
    """Of lines, newest first, the newest count, at most limit bytes, oldest first, and whether there
    are others. They end earlier where enough of them go back to a checkpoint. Damaged ones are sent
    too, to be counted, and do not take the place of others."""
    kept, left, unread = [], {True: count, False: LINES}, min(limit, max(READ_LIMIT, count << 10))
    complete = others = False
    for line in lines:
        if complete or unread <= 0:
            return kept[::-1], True
        unread -= len(line) + 1
        record = sound(line)
        good = record is not None
        left[good] -= 1
        if left[good] < 0 and not good:
            others = True
            continue
        limit -= len(json.dumps(line))
        if left[good] < 0 or limit < 0:
            return kept[::-1], True
        kept.append(line)
        complete = good and len(kept) >= enough and record.get("before") is not None
    return kept[::-1], others


def unreadable_journal(path, err):
    """Why a journal cannot be read, and the remedy."""
    hint = "inspect it: ls -la %s" % path
    try:
        info = os.lstat(path)
    except OSError:
        info = None
    if info and not stat.S_ISREG(info.st_mode):
        hint = "move it away: mv %s %s.before-kis" % (path, path)
    elif info and info.st_uid != os.geteuid():
        hint = "give it to the deploying user: sudo chown %s %s && sudo chmod 600 %s" % (user_word(os.geteuid()), path, path)
    elif info and err.errno == errno.EACCES:
        hint = "make it readable: chmod 600 %s" % path
    return problem("unreadable-journal", "the journal cannot be read: %s" % error_text(err, path), hint)


def state(repository, args):
    """The whole repository, or one stage of it: for status, list and log."""
    lines = args.get("lines") or LINES
    if not strict.is_integer(lines) or not 0 < lines <= MAX_LINES:
        raise Refused("bad-request", "not a number of lines: %.100r" % (lines,))
    keep = args.get("keep")
    if keep is not None and (not strict.is_integer(keep) or keep < 1):
        raise Refused("bad-request", "not a number of packages: %.100r" % (keep,))
    found = root_problems(repository)
    out = {"problems": found, "host": host_facts(), "root": repository.root, "stages": [], "packages": []}
    try:
        links = [name for name in os.listdir(repository.root) if os.path.islink(os.path.join(repository.root, name))]
    except OSError:
        return out
    out["host_id"] = repository.host_id()
    if not args.get("packages_only"):
        out["stages"] = stages(repository, args.get("stage"), lines, links)
    out["packages"] = packages(repository)
    if keep is not None:
        from kisagent import cleanup

        cleanup.describe(repository, out["packages"], keep)
    return out


def stages(repository, only, lines, links):
    """One stage, or all with None: each with the processes of what it is not linked to any more."""
    found = []
    # The journal names a stage that has lost its link.
    names = [name for name in sorted(set(links) | set(journaled(repository))) if STAGE.match(name)]
    names = [name for name in names if only in (None, name)]
    limit = LINES_BYTES // max(1, len(names))
    for name in names:
        try:
            found.append(stage_state(repository, name, lines, limit, lines))
        except Refused as refused:
            path = repository.stage(name)
            linked = os.readlink(path) if os.path.islink(path) else None
            broken = {"stage": name, "linked": linked, "managed": False, "problem": refused.record()}
            broken.update(journal_lines(repository, name, lines, limit, lines))
            found.append(broken)
    from kisagent import cleanup

    outdated = processes.outdated(repository.root, {state["stage"]: state for state in found}, set(cleanup.links(repository).values()))
    for state in found:
        state["processes"] = outdated[state["stage"]]
    return found

def journaled(repository):
    try:
        return os.listdir(repository.path("journal"))
    except OSError:
        return []
