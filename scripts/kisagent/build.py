"""Prepare a package: take in what was uploaded, unpack it, build the companion environment, verify, seal.

Each function that takes long is a generator: it yields the child it waits for and returns what the controller is told.
"""
import hashlib
import os
import stat
import sys
from urllib.parse import quote

from kisagent import child as children
from kisagent import leftovers, processes, seal
from kisagent.bundled import unpack_pip
from kisagent.index import Logins
from kisagent.store import FULL, look_for_space, remove_tree, sha256_file, write_durably
from kisagent.uploads import Uploads
from kisagent.wire import Refused


class Build:
    """One package being prepared by one run."""

    def __init__(self, agent, args):
        self.agent = agent
        self.repository = agent.repository
        self.name = args["package"]
        self.top = self.repository.package(self.name)
        self.venv = os.path.join(self.top, ".venv")
        self.lock = leftovers.build_lock(self.repository, self.name)

    def begin(self, args, owner):
        """Take the build lock, then say what is there. What an interrupted build left is removed."""
        self.take_lock(owner)
        receipt = self.repository.receipt(self.name)
        if receipt is None:
            if args["content"] is None:
                seal.check(self.repository, self.name)  # says what is wrong with it
            leftovers.check_removable(self.repository, self.name)
            work = yield self.fork(lambda: leftovers.clear(self.repository, self.name, self.agent.run_folder.path))
            work.result()
            return {"sealed": False}
        if args["content"] is not None:
            self.compare(receipt, args)
        work = yield self.fork(lambda: seal.check(self.repository, self.name, thorough=True))
        return {"sealed": True, "receipt": work.result()}

    def take_lock(self, owner):
        """Take the build lock. Where only processes hold it whose agent has died, say who they are: no other end of them is in sight."""
        try:
            self.lock.take(owner)
        except Refused as refused:
            held = processes.holding(self.lock.path)
            if refused.code != "locked" or not held or refused.more["holder"].get("pid") in held:
                raise
            named = ", ".join("process %d (%s)" % one for one in sorted(held.items()))
            message = "the build of %s is still running although its run has died: %s" % (self.name, named)
            hint = "wait, or end it on the host: kill %s" % " ".join(str(pid) for pid in sorted(held))
            raise Refused("locked", message, hint, **refused.more)

    def compare(self, receipt, args):
        for what in ("content", "recipe"):
            if receipt.get(what) != args[what]:
                message, hint = "%s is installed with other %s" % (self.name, what), "packages are never changed: bump the version"
                raise Refused("other-" + what, message, hint, ours=args[what], theirs=receipt.get(what))

    def must_be_open(self):
        """A sealed package is not built again: it is never changed. And there is one builder: who removes the lock file lets another in."""
        self.lock.check()
        if self.repository.receipt(self.name) is not None:
            raise Refused("sealed", "%s is sealed" % self.name)

    def fork(self, work, timeout=600):
        return children.fork(work, timeout, self.agent.private_fds())

    def run(self, argv, timeout, env=None, log=True, keep_fds=()):
        """Start a step's program in the package, its output in the build log as well."""
        full = self.agent.environment()
        full.update(env or {})
        full = {name: value for name, value in full.items() if value is not None}
        file = open(os.path.join(self.top, ".kis", "build.log"), "ab", buffering=0) if log else None
        return children.spawn(argv, full, self.top, timeout, log=file, keep_fds=keep_fds)

    def unpack(self, args):
        """Unpack beside, compare with what the controller read in the archive, then rename into place in one step."""
        self.must_be_open()
        beside = os.path.join(self.agent.run_folder.path, "unpacked")
        remove_tree(beside)
        os.mkdir(beside, 0o755)
        archive = Uploads(self.repository).path(args["sha256"])
        script = self.agent.step_argv("unpack", [archive, beside])
        child = yield children.spawn(script, self.agent.environment(), beside, args["timeout"], keep_fds=(self.lock.fd,))
        self.expect(child, "unpack")
        work = yield self.fork(lambda: place_unpacked(beside, args["content"], self.top))
        work.result()
        return {}

    def expect(self, child, step):
        """The step's last word must be its own: exit status 0 alone proves nothing."""
        trouble = child.outcome()
        if not trouble and child.records.get("finished") != step:
            trouble = "ended before its last line"
        if trouble:
            message, hint = child.records.get("failed") or trouble, child.records.get("hint", "")
            # By now pip has removed what filled the disk, so only its words tell.
            if any(os.strerror(code) in line for line in child.tail for code in FULL):
                message, hint = "disk full: %s" % message, look_for_space(self.repository.root)
            raise Refused("step-failed", message, hint, tail=list(child.tail), output=child.bytes)

    def pip(self):
        work = yield self.fork(lambda: unpack_pip(self.repository, self.agent.run_folder.path))
        return work.result()

    def environment(self, args):
        """Build the companion environment at its final path, because a virtual environment cannot be moved."""
        self.must_be_open()
        folder = os.path.join(self.agent.run_folder.path, "wheels")
        remove_tree(folder)
        os.mkdir(folder, 0o700)
        for wheel in args["wheels"]:
            os.symlink(Uploads(self.repository).path(wheel["sha256"]), os.path.join(folder, os.path.basename(wheel["name"])))
        pip = yield from self.pip()
        requirements, env = yield from self.sources(args, pip)
        argv = [self.top, sys.executable, pip, args["mode"], requirements, "hashed" if args["hashed"] else "", folder if args["wheels"] else ""]
        # Whatever becomes of this agent, nobody shall build here while pip goes on: it has the build lock too.
        child = yield self.run(self.agent.step_argv("environment", argv), args["timeout"], env, keep_fds=(self.lock.fd,))
        self.expect(child, "environment")
        return {"installed": seal.installed(self.venv)}

    def sources(self, args, pip):
        """The requirements file, "" for none, and the variables that tell pip where to look. No password is in either, see index.py."""
        place, env = self.agent.run_folder.path, {}
        logins = Logins(self.agent.environment())
        requirements = os.path.join(place, "requirements.txt")
        if args["requirements"]:
            logins.copy(Uploads(self.repository).path(args["requirements"]), requirements)
        if args["index_url"] and not args["wheels"]:
            config = os.path.join(place, "pip.conf")
            write_durably(config, "[global]\nindex-url = %s\n" % logins.take(args["index_url"]))
            env["PIP_CONFIG_FILE"] = config
            env["PIP_INDEX_URL"] = None  # it would win over the file
        if logins.found:
            env["NETRC"] = os.path.join(place, "netrc")
            logins.write(env["NETRC"])
            work = yield self.fork(lambda: logins.prove(env["NETRC"], pip))
            work.result()
        return requirements if args["requirements"] else "", env

    def verify(self, args):
        """The application imports and `pip check` is content; then the commands of the inventory, in order."""
        # A sealed package is verified again without a word in its log: nothing in it changes any more.
        sealed = self.repository.receipt(self.name) is not None
        # Its files are as they were when "pip check" was content, so only what is outside of it can have changed: the interpreter.
        pip = "" if sealed else (yield from self.pip())
        argv = self.agent.step_argv("verify", [self.top, pip, args["name"], self.agent.steps["imports"]])
        child = yield self.run(argv, args["timeout"], log=not sealed)
        self.expect(child, "verify")
        if "imported" not in child.records:
            message = "the interpreter ended while the application was imported, without an error"
            raise Refused("step-failed", message, "does a module call exit when it is imported?", tail=list(child.tail), output=child.bytes)
        imported = child.records["imported"].split()
        for command in args["commands"]:
            child = yield self.run(self.agent.step_argv("command", [self.top, command]), args["timeout"], args["env"], log=not sealed)
            if child.outcome():
                raise Refused("verify-failed", "%s: %s" % (command, child.outcome()), tail=list(child.tail), command=command)
        return {"imported": imported}

    def seal(self, args):
        self.must_be_open()
        facts = dict(args["facts"], python="%d.%d.%d" % sys.version_info[:3])
        work = yield self.fork(lambda: seal.seal(self.repository, self.name, facts, self.lock))
        return work.result()


def content_digest(top):
    """The content digest of an unpacked source distribution; internal/sdist computes the same from the archive's members."""
    members = seal.walk(top)
    parents = {os.path.dirname(path) for path, _, _ in members}
    digest = hashlib.sha256()
    for path, info, kind in members:
        if kind == "f":
            mode = 0o755 if info.st_mode & 0o100 else 0o644
            size, what = info.st_size, sha256_file(os.path.join(top, path))
        elif kind == "l":
            mode, size, what = 0o777, 0, quote(os.fsencode(os.readlink(os.path.join(top, path))))
        elif path not in parents:
            mode, size, what = 0o755, 0, "-"
        else:
            continue
        digest.update(("%s %04o %d %s %s\n" % (kind, mode, size, what, quote(os.fsencode(path)))).encode("ascii"))
    return "sha256:" + digest.hexdigest()


def set_modes(top):
    """0755 and 0644, as the content digest has it: a web server reads the package as another user, and an archive made under a strict
    umask would lock it out. A folder is opened before it is read, as the archive may have closed it."""
    stack = [top]
    while stack:
        folder = stack.pop()
        os.chmod(folder, 0o755)
        with os.scandir(folder) as entries:
            for entry in entries:
                info = entry.stat(follow_symlinks=False)
                if stat.S_ISDIR(info.st_mode):
                    stack.append(entry.path)
                elif stat.S_ISREG(info.st_mode):
                    if info.st_nlink != 1:  # its other name may be anywhere on this file system
                        raise Refused("odd-archive", "%s is a hard link" % os.path.relpath(entry.path, top))
                    os.chmod(entry.path, 0o755 if info.st_mode & 0o100 else 0o644)


def place_unpacked(beside, content, top):
    """The one folder in beside becomes top, if it is what the controller read in the archive."""
    names = os.listdir(beside)
    if len(names) != 1:
        raise Refused("odd-archive", "the archive has %d top folders" % len(names))
    source = os.path.join(beside, names[0])
    if not stat.S_ISDIR(os.lstat(source).st_mode):
        raise Refused("odd-archive", "the archive has no top folder")
    set_modes(source)
    found = content_digest(source)
    if found != content:
        raise Refused("content-mismatch", "what was unpacked is %s, not %s" % (found, content), "is the host's tar unusual?")
    leftovers.mark(source, os.path.basename(top))
    if os.path.lexists(top):  # it appeared meanwhile, and rename(2) would replace an empty directory
        raise leftovers.foreign(top)
    os.rename(source, top)
