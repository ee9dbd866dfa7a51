"""Prepare a package: store the uploads, unpack, build the companion environment, verify, seal.

Each function that may take long is a generator: it yields the child it waits for, and returns the
answer to the controller.
"""
import hashlib
import os
import stat
import sys

from kisagent import child as children
from kisagent import leftovers, processes, seal, settings, shared, strict, wheels
from kisagent.bundled import EDITABLE_SINCE, ISOLATED_SINCE, pip_version, unpack_pip
from kisagent.platforms import platform
from kisagent.store import DIGEST, FULL, checked, disk_usage_hint, remove_tree, sha256_file, write_durably
from kisagent.uploads import Uploads
from kisagent.wire import Refused

CONTENT = ".kis/content"  # in a package: the lines that its content digest was computed of
CONTENT_LIMIT = 4 << 20  # bytes of them that are sent


class Build:
    """One package that one run prepares."""

    def __init__(self, agent, args):
        self.agent = agent
        self.repository = agent.repository
        self.name = args["package"]
        self.top = self.repository.package(self.name)
        self.venv = os.path.join(self.top, ".venv")
        self.lock = leftovers.build_lock(self.repository, self.name)
        self.made = []  # the wheels of its environment
        self.additions = ""  # the digest of the stored file of what pip has added, see additions.py
        self.modules = []  # those that have no bytecode yet
        self.digests = {}  # of what kis has written, see files.py
        self.early = 0  # the time that it gives files from the start, see files.py
        self.frozen = None  # the members as they were when the package was made read-only
        self.modified = 0  # time of its files, in seconds

    def begin(self, args, owner):
        """Acquire the build lock, remove what an interrupted build left, and report what is
        there."""
        self.acquire_lock(owner)
        receipt = self.repository.receipt(self.name)
        if receipt is None:
            if args["content"] is None:
                seal.check(self.repository, self.name)  # raises the refusal that says why
            leftovers.check_removable(self.repository, self.name)
            task = yield self.fork(lambda: leftovers.remove_interrupted_build(self.repository, self.name, self.agent.run_directory.path))
            task.result()
            return {"sealed": False}
        if args["content"] is not None:
            self.require_same_source(receipt, args)
        if not args.get("read"):
            task = yield self.fork(lambda: seal.check(self.repository, self.name, thorough=True))
            receipt = task.result()
        return {"sealed": True, "receipt": receipt}

    def acquire_lock(self, owner):
        """Acquire the build lock. Where only orphaned processes of a dead agent hold it, name them:
        nothing else will ever end them."""
        try:
            self.lock.acquire(owner)
        except Refused as refused:
            held = processes.flock_holders(self.lock.path)
            if refused.code != "locked" or not held or refused.more["holder"].get("pid") in held:
                raise
            named = ", ".join("process %d (%s)" % one for one in sorted(held.items()))
            message = "the build of %s is still running although its run has died: %s" % (self.name, named)
            hint = "wait, or end it on the host: kill %s" % " ".join(str(pid) for pid in sorted(held))
            raise Refused("locked", message, hint, **refused.more)

    def require_same_source(self, receipt, args):
        for what in ("content", "recipe"):
            if receipt.get(what) != args[what]:
                message, hint = "%s is installed with other %s" % (self.name, what), "packages are never changed: bump the version"
                raise Refused("other-" + what, message, hint, ours=args[what], theirs=receipt.get(what))

    def require_unsealed(self):
        """Refuse to build a package that is sealed, or when another run may hold the build lock
        because the lock file was removed."""
        self.lock.check()
        if self.repository.receipt(self.name) is not None:
            raise Refused("sealed", "%s is sealed" % self.name)

    def fork(self, task, timeout=600):
        return children.fork(task, timeout, self.agent.private_fds())

    def run(self, argv, timeout, env=None, log=True, keep_fds=()):
        """Start a step's program in the package. Its output goes to the build log as well."""
        full = self.agent.environment()
        full.update(env or {})
        full = {name: value for name, value in full.items() if value is not None}
        file = open(os.path.join(self.top, ".kis", "build.log"), "ab", buffering=0) if log else None
        return children.spawn(argv, full, self.top, timeout, log=file, keep_fds=keep_fds)

    def unpack(self, args):
        """Unpack into the run's directory, compare the content digest, then rename into place."""
        self.require_unsealed()
        temporary = os.path.join(self.agent.run_directory.path, "unpacked")
        remove_tree(temporary)
        os.mkdir(temporary, 0o755)
        archive = Uploads(self.repository).path(args["sha256"])
        script = self.agent.step_argv("unpack", [archive, temporary])
        child = yield children.spawn(script, self.agent.environment(), temporary, args["timeout"], keep_fds=(self.lock.fd,))
        self.require_finished(child, "unpack")
        task = yield self.fork(lambda: place_unpacked(temporary, args["content"], self.top))
        task.result()
        return {}

    def require_finished(self, child, step, what=""):
        """Refuse unless the step's script wrote its last record: exit status 0 alone proves
        nothing. what it worked on belongs to the message."""
        failure = child.failure()
        if not failure and child.records.get("finished") != step:
            failure = "ended before its last line"
        if failure:
            message, hint = child.records.get("failed") or failure, child.records.get("hint", "")
            # pip has already removed what filled the disk: only its output still shows ENOSPC.
            if any(os.strerror(code) in line for line in child.tail for code in FULL):
                message, hint = "disk full: %s" % message, disk_usage_hint(self.repository.root)
            raise Refused("step-failed", message + (": " + what if what else ""), hint, tail=list(child.tail), output=child.bytes)

    def pip(self):
        task = yield self.fork(lambda: unpack_pip(self.repository, self.agent.run_directory.path))
        return task.result()

    def wheels(self, args):
        """Make the wheels of the requirements and of the application, and store them. One host does it
        for all of its platform. application is a stored wheel, or null: then the wheel is made of the
        archive."""
        from kisagent.downloads import Downloads

        self.require_unsealed()
        out, work = self.fresh("wheels"), self.fresh("inputs")
        pip = yield from self.pip()
        options, requirements, env = yield from self.pip_inputs(args, pip, "wheel")
        options = ["wheel", "--wheel-dir", out] + options
        given = args["application"]
        if given:
            wheels.link_stored(self.repository, [given], work)
            application = [os.path.join(work, given["name"])]
        else:
            application = [(yield from self.source(args, work))]
        application[0] += "[%s]" % ",".join(args["extras"]) if args["extras"] else ""
        downloads = Downloads(self.agent.run_directory.temporary, self.agent.run_directory.path)
        try:
            for arguments in commands(args, requirements, application):
                yield from self.run_pip(pip, "could not make wheels of the requirements", "", options + arguments, args, env, watch=downloads.look)
            task = yield self.fork(lambda: wheels.store_all(self.repository, out))
        finally:
            downloads.forget()
        made = wheels.mark_built(task.result(), os.path.join(self.top, ".kis", "build.log"))
        ours = [wheel for wheel in made if wheels.distribution(wheel["name"]) == wheels.normalized(args["name"])]
        return {"wheels": [wheel for wheel in made if wheel not in ours], "application": ours[0] if ours and not given else None}

    def fetch(self, args):
        """Get wheels from the index by their digests, and store them. All or none: pip gives up at the first
        that is not there."""
        self.require_unsealed()
        out = self.fresh("fetched")
        pip = yield from self.pip()
        options, _, env = yield from self.pip_inputs(args, pip, "download")
        wanted = os.path.join(self.agent.run_directory.path, "wanted.txt")
        write_durably(wanted, wheels.pinned(args["wheels"]))
        options = ["download", "--no-deps", "--only-binary", ":all:", "--require-hashes", "--retries", "1", "--timeout", "10", "--dest", out] + options
        yield from self.run_pip(pip, "could not get the wheels from the index", "", options + ["-r", wanted], args, env)
        task = yield self.fork(lambda: wheels.store_all(self.repository, out))
        return {"fetched": len(task.result())}

    def source(self, args, work):
        """Unpack the archive once more, because a build may write into what it builds."""
        os.mkdir(work, 0o700)
        archive = Uploads(self.repository).path(args["archive"])
        child = yield children.spawn(self.agent.step_argv("unpack", [archive, work]), self.agent.environment(), work, args["timeout"], keep_fds=(self.lock.fd,))
        self.require_finished(child, "unpack")
        return os.path.join(work, only_directory(work))

    def run_pip(self, pip, reason, hint, arguments, args, env, python=sys.executable, watch=None):
        if pip_version(pip) < ISOLATED_SINCE:
            env["PIP_USE_PEP517"] = "1"  # otherwise setup.py would import a setuptools that is not there
        argv = self.agent.step_argv("pip", [python, pip, "pip " + reason, hint] + arguments)
        # pip inherits the build lock: if this agent dies, no other run may build here until pip ends.
        child = self.run(argv, args["timeout"], env, keep_fds=(self.lock.fd,))
        child.watch = watch
        yield child
        self.require_finished(child, "pip")

    def fresh(self, name):
        """A path in the run's directory with nothing at it."""
        path = os.path.join(self.agent.run_directory.path, name)
        remove_tree(path)
        return path

    def environment(self, args):
        """Build the companion environment of stored wheels. Where the application is not among them, pip
        installs it, editable, from the package itself, or what pip has added on another host is unpacked."""
        from kisagent import bytecode, environment

        self.require_unsealed()
        self.made, self.early = args["wheels"], checked_time(args["modified"]) if args["modified"] else 0
        for wheel in self.made:
            checked(wheels.FILE, wheel["name"], "file name")
        task = yield self.fork(lambda: environment.create(self.venv), args["timeout"])
        task.result()
        if args["installer"] == "uv":
            yield from self.fill_with_uv(args["timeout"])
        else:
            task = yield self.fork(lambda: environment.fill(self.repository, self.venv, self.made, args["library"], self.early), args["timeout"])
            filled = task.result()
            self.modules, self.digests = filled["modules"], filled["digests"]
        if args["additions"]:
            yield from self.unpack_additions(args)
        elif args["editable"]:
            yield from self.install_editable(args)
        task = yield self.fork(lambda: bytecode.sources(self.top))
        self.modules += task.result()
        return {"installed": seal.installed(self.venv), "modules": len(self.modules)}

    def compile(self, args):
        """Compile the modules of the package, or take their bytecode from a stored file that another host
        has packed."""
        from kisagent import bytecode

        self.require_unsealed()
        given = Uploads(self.repository).path(args["given"]) if args["given"] else ""
        task = yield self.fork(lambda: bytecode.complete(self.top, self.modules, given, self.early), args["timeout"])
        self.digests.update(task.result()["digests"])
        return {}

    def pack(self, args):
        """Pack the bytecode of the modules for other hosts."""
        from kisagent import bytecode

        self.require_unsealed()
        path = self.fresh("bytecode")
        task = yield self.fork(lambda: bytecode.pack(self.top, self.modules, path), args["timeout"])
        packed = task.result()
        os.rename(path, os.path.join(self.agent.run_directory.path, packed["sha256"]))  # where read finds it
        return packed

    def fill_with_uv(self, timeout):
        """Fill the environment with the host's uv. Its cache and its home directory are the run's own."""
        from kisagent import uv

        directory, cache, home = self.fresh("uv-wheels"), self.fresh("uv-cache"), self.fresh("uv-home")
        variables = dict(self.agent.environment(), **uv.environ(home))
        task = yield self.fork(lambda: uv.prepare(self.repository, self.made, directory, self.agent.environment()), timeout)
        prepared = task.result()
        for file in prepared["files"]:
            argv = uv.arguments(directory, self.venv, file, cache)
            child = yield self.run(self.agent.step_argv("uv", [prepared["uv"], "uv could not fill the environment", uv.HINT] + argv), timeout, variables, keep_fds=(self.lock.fd,))
            self.require_finished(child, "uv")
            task = yield self.fork(lambda: remove_tree(cache), timeout)
            task.result()
        task = yield self.fork(lambda: uv.complete(self.venv), timeout)
        self.modules = task.result()["modules"]

    def unpack_additions(self, args):
        from kisagent import additions

        self.additions = checked(DIGEST, args["additions"], "digest")
        task = yield self.fork(lambda: additions.unpack(self.repository, self.additions, self.top, self.early), args["timeout"])
        unpacked = task.result()
        self.modules += unpacked["modules"]
        self.digests.update(unpacked["digests"])

    def install_editable(self, args):
        from kisagent import additions

        pip = yield from self.pip()
        options, _, env = yield from self.pip_inputs(args, pip, "install")
        if pip_version(pip) < EDITABLE_SINCE:
            newer = self.fresh("pip-%d.%d-newer" % EDITABLE_SINCE)  # which pip_version reads
            # From where build requirements come from, too, and like them without hashes.
            hint = "add a wheel of pip to wheels:, set install: {mode: regular}, or name a newer python:"
            reason = "is too old on this host for editable installs (PEP 660), and no newer one could be installed"
            yield from self.run_pip(pip, reason, hint, ["install", "--target", newer, "pip>=21.3"] + options, args, env)
            pip = newer
        arguments = ["install", "--no-deps", "--no-warn-script-location"] + options + ["--editable", self.top]
        task = yield self.fork(lambda: additions.state(self.top))
        before = task.result()
        yield from self.run_pip(pip, "could not install the application", "", arguments, args, env, os.path.join(self.venv, "bin", "python"))
        task = yield self.fork(lambda: additions.store(self.repository, self.top, before, self.fresh("additions")), args["timeout"])
        self.additions = task.result()

    def pip_inputs(self, args, pip, command):
        """pip's options, its arguments for the requirements, and its variables, for one of its commands.
        None contains a password of the inventory, see index.py."""
        from kisagent.index import Credentials

        place = self.agent.run_directory.path
        argv = [sys.executable, os.path.join(pip, "pip")]
        task = yield self.fork(lambda: settings.variables(argv, command, self.agent.environment(), self.agent.pip_settings()))
        env = task.result()
        env["HOME"] = settings.home(self.agent.environment()["HOME"], self.fresh("home"))
        credentials = Credentials(self.agent.environment())
        options, requirements = ["--progress-bar", "off"], []
        for option, name in (("-r", "requirements"), ("-c", "constraints")):
            if args[name]:
                path = os.path.join(place, name + ".txt")
                credentials.copy(Uploads(self.repository).path(args[name]), path)
                requirements += [option, path]
        if args["given"]:
            directory = self.fresh("given-wheels")
            wheels.link_stored(self.repository, args["given"], directory)
            options += ["--no-index", "--find-links", directory]
        else:
            if args["index_url"]:
                env["PIP_INDEX_URL"] = credentials.strip(args["index_url"])
            if args["extra_index_urls"]:
                env["PIP_EXTRA_INDEX_URL"] = " ".join(credentials.strip(url) for url in args["extra_index_urls"])
        if args["locals"]:
            env["KIS_LOCALS"] = self.fresh("locals")
            wheels.link_stored(self.repository, args["locals"], env["KIS_LOCALS"])
        if credentials.found:
            env["NETRC"] = os.path.join(place, "netrc")
            credentials.write(env["NETRC"])
            task = yield self.fork(lambda: credentials.require_netrc_support(env["NETRC"], pip))
            task.result()
        return options, requirements, env

    def verify(self, args):
        """Import the application and load its scripts, and run `pip check` before the package is sealed."""
        # Nothing in a sealed package may change, so verifying it again does not write to its log.
        sealed = self.repository.receipt(self.name) is not None
        # What pip has accepted on one host is right on all with the same wheels.
        pip = (yield from self.pip()) if args["complete"] and not sealed else ""
        argv = self.agent.step_argv("verify", [self.top, pip, seal.spelled(self.venv, args["name"]), self.agent.steps["imports"]])
        child = yield self.run(argv, args["timeout"], log=not sealed)
        records, output = child.records, {"tail": list(child.tail), "output": child.bytes}
        if records.get("unusable"):
            raise Refused("step-failed", "the application cannot be imported: " + records["unusable"], "set install: {mode: regular} in the inventory", **output)
        if records.get("denied"):
            raise Refused("writes-inside", "%s writes %s in the package when it is imported" % (records.get("loading") or "the application", records["denied"]), seal.WRITES_HINT, **output)
        self.require_finished(child, "verify", records.get("loading", ""))
        if "imported" not in records:
            message = "the interpreter ended while the application was imported, without an error: " + records.get("loading", "")
            raise Refused("step-failed", message, "does a module call exit when it is imported?", **output)
        return {"imported": records["imported"].split(), "nothing": records.get("nothing", "")}

    def share(self, args):
        """Link what packages have in common into the package. Missing directories are created; files
        contain settings, which only the user can provide."""
        self.require_unsealed()
        shared.link_all(self.repository, self.top, args["dirs"], args["files"])
        return {}

    def commands(self, args):
        """Run commands of the inventory in the package, in order; what they leave running is ended."""
        sealed = self.repository.receipt(self.name) is not None or self.frozen is not None
        for command in args["commands"]:
            child = yield self.run(self.agent.step_argv("command", [self.top, command]), args["timeout"], args["env"], log=not sealed)
            if child.failure():
                raise Refused("command-failed", "%s: %s" % (command, child.failure()), tail=list(child.tail), command=command)
        return {}

    def freeze(self, args):
        """Make the package read-only. From here on nothing in it may change: it is verified as it
        will be run."""
        self.require_unsealed()
        self.modified = checked_time(args["modified"])
        task = yield self.fork(lambda: seal.freeze(self.top, self.modified))
        self.frozen = task.result()
        return {}

    def seal(self, args):
        self.require_unsealed()
        if self.frozen is None:
            raise Refused("bad-request", "%s is not frozen" % self.name)
        facts = dict(args["facts"], python="%d.%d.%d" % sys.version_info[:3], platform=platform(), modified=self.modified, additions=self.additions)
        if self.additions:
            facts["uploads"] = (facts.get("uploads") or []) + [self.additions]  # which are kept
        task = yield self.fork(lambda: seal.seal(self.repository, self.name, facts, self.made, self.lock, self.frozen, self.digests))
        return task.result()


def commands(args, requirements, application):
    """What pip makes wheels of, for each of its runs. A requirements file with hashes is complete: pip may add
    nothing unpinned. "pip check" reports what is missing."""
    if not args["hashed"]:
        return [requirements + application]
    return [["--require-hashes"] + requirements] + ([] if args["application"] else [["--no-deps"] + application])


def checked_time(value):
    if not strict.is_integer(value) or not 0 < value < 1 << 33:
        raise Refused("bad-request", "not a time: %.100r" % (value,))
    return value


def content_lines(top):
    """What the content digest of an unpacked source distribution is computed of. internal/sdist makes the
    same lines of the archive's members."""
    from urllib.parse import quote

    members = seal.walk(top)
    parents = {os.path.dirname(path) for path, _, _ in members}
    lines = []
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
        lines.append("%s %04o %d %s %s\n" % (kind, mode, size, what, quote(os.fsencode(path))))
    return "".join(lines)


def content_digest(lines):
    return "sha256:" + hashlib.sha256(lines.encode("ascii")).hexdigest()


def set_modes(top):
    """Set modes 0755 and 0644, as the content digest assumes. A web server reads the package as
    another user, and an archive made under a strict umask would deny it access. A directory is
    opened first: the archive may have made it unreadable."""
    stack = [top]
    while stack:
        directory = stack.pop()
        os.chmod(directory, 0o755)
        with os.scandir(directory) as entries:
            for entry in entries:
                info = entry.stat(follow_symlinks=False)
                if stat.S_ISDIR(info.st_mode):
                    stack.append(entry.path)
                elif stat.S_ISREG(info.st_mode):
                    if info.st_nlink != 1:  # its other name may be outside of the package
                        raise Refused("bad-archive", "%s is a hard link" % os.path.relpath(entry.path, top))
                    os.chmod(entry.path, 0o755 if info.st_mode & 0o100 else 0o644)


def only_directory(unpacked):
    """The name of the archive's top directory."""
    names = os.listdir(unpacked)
    if len(names) != 1:
        raise Refused("bad-archive", "the archive has %d top directories" % len(names))
    if not stat.S_ISDIR(os.lstat(os.path.join(unpacked, names[0])).st_mode):
        raise Refused("bad-archive", "the archive has no top directory")
    return names[0]


def place_unpacked(temporary, content, top):
    """Move the only directory in temporary to top, if its content is what the controller read."""
    source = os.path.join(temporary, only_directory(temporary))
    set_modes(source)
    lines = content_lines(source)
    found = content_digest(lines)
    if found != content:
        raise Refused("content-mismatch", "what was unpacked is %s, not %s" % (found, content), "is the host's tar unusual?")
    leftovers.write_marker(source, os.path.basename(top))
    with open(os.path.join(source, CONTENT), "w", encoding="ascii") as f:  # sealing flushes it
        f.write(lines)
    # Created since the check, and rename(2) would replace an empty directory
    if os.path.lexists(top):
        raise leftovers.foreign_package(top)
    os.rename(source, top)
