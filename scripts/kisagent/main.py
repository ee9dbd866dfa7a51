"""The agent's loop: one command at a time, child processes, deadlines, and a clean end in every
case."""
import os
import selectors
import signal
import sys
import time
import types

from kisagent import check, leftovers, link, locks, strict, environ
from kisagent.child import ForkedTask, fork, spawn
from kisagent.journal import ENDED, Journal
from kisagent.locks import Lock, RunDirectory
from kisagent.processes import MARK
from kisagent.store import PACKAGE, RUN, STAGE, Repository, checked, error_hint, seconds, error_text
from kisagent.uploads import IncomingFile, Uploads
from kisagent.wire import PROTOCOL, Disconnected, Refused, Wire

TICK = 1.0  # seconds between two checks of the deadlines, at most
# Allowed during another command: none of them waits
CONCURRENT = ("ping", "cancel", "bye", "put", "fence", "read")
PYTHON_CHECK_TIMEOUT = 10.0  # seconds for evaluating Requires-Python with pip's library
SMALL = 1 << 20  # bytes of an uploaded file that is stored sooner than a process for it is started
IDENTITY_LIMIT = 100  # characters of "who" and "what", so that a lock file fits into one read
# What handlers raise for an invalid command. Any other exception is a bug in this program; it ends
# the agent, because whether a link was changed is then not known.
INVALID_COMMAND = (ArithmeticError, AttributeError, LookupError, RecursionError, TypeError, ValueError)
# Seconds for cleaning up after others; the controller is waiting for its lock, see internal/timeouts
SWEEP_TIMEOUT = 15.0


class Agent:
    """One session. Handlers are the methods named do_<op>; a generator yields the children it waits
    for."""

    def __init__(self, order, wire):
        self.wire = wire
        self.steps = order["steps"]
        # Seconds; internal/timeouts has the values
        self.lease = order["timeouts"]["lease"]  # without a byte from the controller, after which it is taken for dead
        self.term_grace = order["timeouts"]["term_grace"]
        self.repository = None
        self.stage_lock = None
        self.run = ""
        self.mark = os.urandom(16).hex()
        self.run_directory = None
        self.owner = {}
        self.build = None
        self.package_lock = None  # of the package that is linked, where no build of it is open
        self.transaction = None
        self.task = None  # the generator in progress, its command id and its child
        self.task_id = 0
        self.child = None
        self.receiving = None  # an upload in progress, see uploads.IncomingFile
        self.last_input = time.monotonic()
        self.ended = False
        self.terminated = False
        self.complete_output = False  # of programs that a user runs: then a program waits while the controller lags behind

    # Used by handlers.

    def environment(self):
        directory = self.run_directory.temporary if self.run_directory else "/tmp"
        return environ.step_variables(self.run, self.mark, directory, self.pip_settings())

    def pip_settings(self):
        return self.steps["pipsettings"].split()

    def step_argv(self, step, arguments):
        """A step as one argument of sh, so that no program it starts can read its text as input."""
        return ["/bin/sh", "-c", self.steps[step], "kis-" + step] + arguments

    def private_fds(self):
        fds = [self.wire.fd_in, self.wire.fd_out]
        fds += [lock.fd for lock in (self.stage_lock, self.package_lock, self.run_directory) if lock and lock.fd >= 0]
        return fds

    def run_forked(self, function, timeout=600):
        """Run function in a child; a generator, for `yield from`."""
        child = yield fork(function, timeout, self.private_fds())
        return child.result()

    # Handlers.

    def do_ping(self, args):
        return {"wall": time.time()}

    def do_open(self, args):
        self.repository = Repository(args["root"])
        return {"root": self.repository.root, "host_id": self.repository.host_id()}

    def do_check(self, args):
        facts = check.check(self.repository, args)
        if check.needs_python_check(facts, args):
            facts["problems"] += yield from self.run_forked(lambda: check.python_problems(args), PYTHON_CHECK_TIMEOUT)
        if args.get("installer") == "uv" and facts.get("package", {}).get("state") != "sealed":
            from kisagent import uv

            try:
                yield from self.run_forked(lambda: uv.require(self.environment()), 2 * uv.TIMEOUT)
            except Refused as refused:
                facts["problems"].append(check.problem(refused.code, refused.message, refused.hint))
        if args.get("services"):
            from kisagent import services

            units = services.units_of(args["services"])
            facts["services"] = yield from self.run_forked(lambda: services.obstacles(units, self.repository.root, args["stage"]), services.TOOL_TIMEOUT)
        return facts

    def do_state(self, args):
        state = check.state(self.repository, args)
        if args.get("services"):
            from kisagent import services

            units = services.units_of(args["services"])
            state["services"] = yield from self.run_forked(lambda: services.activity(units), services.TOOL_TIMEOUT)
        return state

    def do_lock(self, args):
        """Acquire the stage's lock on this host; from here on this run may write. A run that held
        the lock before sends the number of the journal's newest line at that time."""
        stage, run = checked(STAGE, args["stage"], "stage"), checked(RUN, args["run"], "run")
        since = args.get("since", 0)
        if not strict.is_integer(since):
            raise Refused("bad-request", "not a line of the journal")
        if self.run_directory is not None:
            raise Refused("busy", "this agent already holds a lock")
        self.become_run(run, args["owner"])
        lock = Lock(self.repository.path("locks", stage), stage)
        lock.acquire(self.owner)
        try:
            journal = Journal(self.repository, stage)
            if "since" in args:
                journal.require_not_taken(self.run, since)
            linked = self.repository.linked(stage)
            fenced = link.recover(self.repository, stage)
            directory = RunDirectory(self.repository, self.run)
            directory.create(self.owner)
            self.run_directory, self.stage_lock = directory, lock
            if self.has_leftovers():
                yield fork(self.sweep, SWEEP_TIMEOUT, self.private_fds())  # its result does not matter
        except BaseException:
            self.stage_lock = None
            lock.release()  # a refused step has changed nothing
            raise
        return {
            "directory": self.run_directory.path,
            "host_id": self.repository.host_id(),
            "fenced": fenced,
            "linked": linked,
            "journal": journal.seq(),
        }

    def become_run(self, run, owner):
        """From here on this agent works for a run that changes the repository."""
        if not isinstance(owner, dict):
            raise Refused("bad-request", "not an owner")
        who, what = identity(owner.get("who", "")), identity(owner.get("what", ""))
        problems = check.root_problems(self.repository)
        if problems:
            raise Refused(**problems[0])
        self.repository.create_directories()
        self.run = run
        self.owner = dict(who=who, what=what, run=run, pid=os.getpid(), since=time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()))

    def has_leftovers(self):
        """Whether sweep may find something: most runs need no process for it."""
        try:
            return any(Uploads(self.repository).unused()) or bool(leftovers.abandoned_builds(self.repository))
        except OSError:
            return True

    def sweep(self):
        """Remove expired uploads and abandoned builds. The lock is held, and failures are left to
        the next run."""
        Uploads(self.repository).sweep()
        leftovers.remove_abandoned_builds(self.repository, self.owner, self.run_directory.path)

    def do_unlock(self, args):
        """Release the stage's lock, to acquire it again later: a run that waits for one host must
        not block the others."""
        if self.task is not None or self.build is not None or self.transaction is not None:
            raise Refused("busy", "this run is working")
        if self.run_directory:
            self.run_directory.remove()
        if self.stage_lock:
            self.stage_lock.release()
        self.run_directory = self.stage_lock = None
        return {}

    def do_break(self, args):
        """Terminate the agent that holds the stage's lock; only the named run's, if one is named.
        It ends as when its connection ends."""
        stage, run = checked(STAGE, args["stage"], "stage"), checked(RUN, args["run"], "run") if args.get("run") else None
        by = identity(args["by"])
        return (yield from self.run_forked(lambda: self.terminate_run(stage, run, by)))

    def terminate_run(self, stage, run, by):
        """Terminate the run, and record that in the journal: its controller may be alive and would
        acquire the lock again. No lock is needed for one short append, which write(2) does not
        split. Where the journal cannot be written, that run cannot link either."""
        path = self.repository.path("locks", stage)
        ended = locks.terminate_holder(path, self.term_grace, run)
        owner = ended["holder"]
        # It may have acquired the lock just now
        other = locks.holder(path) if owner is None else None
        if other is not None:
            raise Refused("locked", "another run than the one shown now holds the lock of %s" % stage, holder=other)
        if owner is not None and owner.get("run"):
            link.best_effort(Journal(self.repository, stage).append, {"run": owner["run"], "ev": ENDED, "by": by})
        return ended

    def do_have(self, args):
        uploads, digests = Uploads(self.repository), args["digests"]
        if not uploads.has_any(digests):
            return {"have": []}
        return {"have": (yield from self.run_forked(lambda: uploads.have(digests)))}

    def do_receive(self, args):
        part, size = os.path.join(self.run_directory.path, checked(RUN, args["part"], "part")), args["size"]
        if strict.is_integer(size) and size < SMALL:
            return Uploads(self.repository).receive(part, args["sha256"], size)
        return (yield from self.run_forked(lambda: Uploads(self.repository).receive(part, args["sha256"], size)))

    def do_read(self, args):
        """A piece of a stored file, or of one that this run has made, for other hosts. A short one, so that it
        may be asked for during another command."""
        from kisagent import wheels

        made = self.run_directory.path if self.run_directory else None
        return wheels.read_piece(self.repository, made, args["sha256"], args["offset"])

    def do_begin(self, args):
        from kisagent import build

        if self.transaction is not None and self.transaction.state == link.ARMED:
            raise Refused("switch-open", "this run is about to link a package")
        for lock in (self.build and self.build.lock, self.package_lock):
            if lock:
                lock.release()  # or this agent would refuse itself
        self.build = build.Build(self, args)
        return (yield from self.build.begin(args, self.owner))

    def do_content(self, args):
        """The lines of a package's content, for a comparison; none where an older kis did not write them,
        or there are very many."""
        from kisagent import build

        try:
            with open(os.path.join(self.repository.package(args["package"]), build.CONTENT), encoding="ascii") as f:
                text = f.read(build.CONTENT_LIMIT + 1)
        except FileNotFoundError:
            text = ""
        return {"lines": text.splitlines() if len(text) <= build.CONTENT_LIMIT else []}

    def do_unpack(self, args):
        return self.build.unpack(args)

    def do_fetch(self, args):
        return self.build.fetch(args)

    def do_wheels(self, args):
        return self.build.wheels(args)

    def do_environment(self, args):
        return self.build.environment(args)

    def do_compile(self, args):
        return self.build.compile(args)

    def do_pack(self, args):
        return self.build.pack(args)

    def do_verify(self, args):
        return self.build.verify(args)

    def do_share(self, args):
        return self.build.share(args)

    def do_run(self, args):
        return self.build.commands(args)

    def do_freeze(self, args):
        return self.build.freeze(args)

    def do_seal(self, args):
        return self.build.seal(args)

    def do_rehash(self, args):
        """Read all files of a sealed package, and name those that are not as they were sealed."""
        from kisagent import seal

        package = checked(PACKAGE, args["package"], "package")
        found = yield from self.run_forked(lambda: seal.differences(self.repository, package), seconds(args["timeout"]))
        return {"differences": found}

    def do_remove(self, args):
        """Remove one package. It needs no stage's lock, see cleanup.py."""
        package = checked(PACKAGE, args["package"], "package")
        if self.run_directory is None:
            self.become_run(checked(RUN, args["run"], "run"), args["owner"])
            directory = RunDirectory(self.repository, self.run)
            directory.create(self.owner)
            self.run_directory = directory
        from kisagent import cleanup

        removed = yield from self.run_forked(lambda: cleanup.remove(self.repository, package, self.owner, self.run_directory.path))
        archives = yield fork(lambda: cleanup.remove_unnamed_uploads(self.repository, self.owner, self.run), SWEEP_TIMEOUT, self.private_fds())
        return dict(removed, bytes=removed["bytes"] + (link.best_effort(archives.result) or 0))

    def do_arm(self, args):
        self.require_link_allowed(args)
        self.hold_package(checked(PACKAGE, args["to"], "package"))
        within = seconds(args["seconds"])
        self.transaction = link.Transaction(self.repository, args["stage"], self.stage_lock, args)
        self.transaction.arm(within)
        return {}

    def do_resume(self, args):
        self.require_link_allowed(args)
        self.transaction = link.Transaction(self.repository, args["stage"], self.stage_lock, args)
        return self.transaction.resume()

    def hold_package(self, name):
        """Hold the build lock of the package that is to be linked until this agent ends: while it is
        held, no other run removes the package."""
        if self.build is not None and self.build.name == name and self.build.lock.fd >= 0:
            self.build.lock.check()
            return
        if self.package_lock is not None:
            self.package_lock.release()
        self.package_lock = leftovers.build_lock(self.repository, name)
        self.package_lock.acquire(self.owner)

    def require_link_allowed(self, args):
        """Only the owner of the stage may change its link, one change at a time: a transaction that
        was replaced could not be abandoned any more."""
        self.require_lock(args)
        if self.transaction is not None and self.transaction.state in (link.ARMED, link.LINKED):
            raise Refused("switch-open", "%s has a change that is neither confirmed nor rolled back" % args["stage"])

    def require_lock(self, args):
        if self.stage_lock is None or self.stage_lock.what != args["stage"] or self.run != args["run"]:
            raise Refused("not-locked", "run %.100s does not hold the lock of %.100s" % (args["run"], args["stage"]))
        self.stage_lock.check()

    def do_evict(self, args):
        """Terminate another agent of the same run whose connection was lost: it would hold the lock
        until its lease ends."""
        path, run = self.repository.path("locks", checked(STAGE, args["stage"], "stage")), checked(RUN, args["run"], "run")
        return (yield from self.run_forked(lambda: locks.terminate_holder(path, self.term_grace, run)))

    def do_commit(self, args):
        return self.transaction_of(args).commit()

    def do_revert(self, args):
        return self.transaction_of(args).revert()

    def do_confirm(self, args):
        self.transaction_of(args).confirm(args["note"])
        return {}

    def do_abort(self, args):
        if self.transaction:
            self.transaction.abort("aborted")
        return {}

    def do_restarted(self, args):
        self.require_lock(args)
        link.restarted(self.repository, args["stage"], args["run"], args["succeeded"])
        return {}

    def transaction_of(self, args):
        """The transaction that this command is about. A command of another run must not change
        it."""
        if self.transaction is None or self.transaction.run != args["run"]:
            raise Refused("other-run", "no transaction of run %.100r is here" % (args["run"],))
        return self.transaction

    def do_fence(self, args):
        stage, run = checked(STAGE, args["stage"], "stage"), checked(RUN, args["run"], "run")
        # The holder of the lock is the only agent of its run that can be waiting for the commit.
        owner = self.stage_lock is not None and (self.stage_lock.what, self.run) == (stage, run)
        armed = self.transaction is not None and self.transaction.state == link.ARMED
        return link.fence(self.repository, stage, run, owner and not armed)

    def do_command(self, args):
        """Run commands in the package, in order, until one fails. With daemons, what they start in the
        background may go on. They act on what the stage is linked to, so only the owner of the stage may
        run them."""
        self.require_lock(args)
        top, daemons = self.repository.package(args["package"]), bool(args["daemons"])
        for text in args["commands"]:
            argv = self.step_argv("command", [top, text])
            env = dict(self.environment(), **args["env"])
            if daemons:
                del env[MARK]  # with it a later step would kill them
            child = yield spawn(argv, env, top, args["timeout"], keep_daemons=daemons)
            if child.failure():
                raise Refused("command-failed", "%s: %s" % (text, child.failure()), tail=list(child.tail), command=text)
        return {}

    def do_units(self, args):
        from kisagent import services

        return (yield from self.run_forked(services.list_units, 4 * services.TOOL_TIMEOUT))

    def do_exec(self, args):
        from kisagent import programs

        self.complete_output = True
        return programs.run(self, args)

    def do_logs(self, args):
        from kisagent import programs

        self.complete_output = True
        return programs.logs(self, args)

    def do_terminal(self, args):
        from kisagent import programs

        self.become_run(checked(RUN, args["run"], "run"), args["owner"])
        directory = RunDirectory(self.repository, self.run)
        directory.create(self.owner)
        self.run_directory = directory
        return programs.terminal(self, args)

    def do_services(self, args):
        """Restart the units of a stage, in their order, and wait for them. They run what the stage is
        linked to, so that only the owner of the stage may restart them."""
        self.require_lock(args)
        from kisagent import services

        units = services.units_of(args["units"])
        timeout = seconds(args["timeout"])
        return (yield from self.run_forked(lambda: services.restart(units, timeout), timeout + services.TOOL_TIMEOUT))

    def do_health(self, args):
        self.require_lock(args)
        from kisagent import health

        wanted = health.Check(args["check"])
        return (yield from self.run_forked(wanted.wait, wanted.within + health.ATTEMPT))

    def do_put(self, args):
        """The next bytes are a file: for hosts without SFTP, and where another user owns the
        repository."""
        size = args.get("size")
        if not strict.is_integer(size) or size < 0:
            raise Disconnected("unreadable command")  # where the next command begins is unknown
        self.receiving = IncomingFile(number_of(args), size)
        self.receive(lambda: self.receiving.open(self.part(args)))
        self.receive_raw()

    def part(self, args):
        if self.task is not None:
            raise Refused("busy", "another command is in progress")
        return os.path.join(self.run_directory.path, checked(RUN, args["part"], "part"))

    def do_cancel(self, args):
        if self.child is not None:
            self.child.canceled = True
            self.child.destroy()
        return {}

    def do_bye(self, args):
        self.ended = True
        return {}

    # The loop.

    def answer(self, number, kind, record):
        self.wire.send(dict(record or {}, id=number, ev=kind))

    def handle(self, command):
        number, op = number_of(command), command.get("op")
        handler = getattr(self, "do_" + op, None) if strict.is_text(op) else None
        if handler is None:
            self.answer(number, "refused", {"code": "bad-request", "message": "unknown command %.100s" % (op,)})
            return
        if self.task is not None and op not in CONCURRENT:
            self.answer(number, "refused", {"code": "busy", "message": "another command is in progress"})
            return
        kind, record = self.attempt(lambda: handler(command))
        if kind == "done" and isinstance(record, types.GeneratorType):
            self.task, self.task_id = record, number
            self.advance(None)
        elif kind != "done" or op != "put":
            self.answer(number, kind, record)

    def attempt(self, function):
        """Call function, and convert its result or exception into an answer."""
        try:
            return "done", function()
        except Refused as refused:
            return "refused", refused.record()
        except OSError as err:
            place = self.repository.root if self.repository else ""
            return "refused", {"code": "io", "message": error_text(err, place), "hint": error_hint(err, place)}
        except INVALID_COMMAND as err:
            return "refused", {"code": "bad-request", "message": "%s: %.200s" % (type(err).__name__, err)}

    def advance(self, ended):
        """Pass the task the child it waited for, and start to wait for the next one."""

        def resume():
            try:
                self.child = self.task.send(ended)
                return None, False
            except StopIteration as stop:
                return stop.value, True

        kind, record = self.attempt(resume)
        if kind == "done":
            record, finished = record
            if not finished:
                return
        number, self.task, self.child = self.task_id, None, None
        self.answer(number, kind, record)

    def on_child(self):
        """Forward the child's output; when it has ended, continue the task."""
        child = self.child
        if self.reads_output():
            self.forward(child, child.lines())
        if child.overdue():
            child.timed_out = True
            child.destroy()
        if child.unkillable or child.status is not None or child.reap():
            self.forward(child, child.drain() if child.fd >= 0 else [])
            child.close()
            self.advance(child)

    def forward(self, child, lines):
        for line in lines:
            if self.complete_output and not isinstance(child, ForkedTask):
                self.wire.send({"id": self.task_id, "ev": "output", "text": line})
                continue
            if isinstance(child, ForkedTask) or child.output_limit_reached():
                continue
            if self.wire.send_output({"id": self.task_id, "ev": "output", "text": line}):
                child.forwarded += len(line) + 50  # approximate size of its frame
        for wheel in child.watch() if lines and child.watch else ():
            self.wire.send({"id": self.task_id, "ev": "wheel", "wheel": wheel})

    def receive(self, function):
        """One step of an upload. After a failure the remaining bytes are still read: they are not
        commands."""
        kind, record = self.attempt(function)
        if kind == "refused" and self.receiving.refusal is None:
            self.receiving.refusal = record

    def receive_raw(self):
        upload = self.receiving
        while upload.remaining > 0:
            data = self.wire.take_raw(upload.remaining)
            if not data:
                return
            upload.remaining -= len(data)
            if upload.refusal is None:
                self.receive(lambda: upload.write(data))
        self.receive(upload.close)
        self.receiving = None
        self.answer(upload.number, "done" if upload.refusal is None else "refused", upload.refusal)

    def on_input(self):
        if self.receiving is not None:
            self.receive_raw()
        else:
            self.wire.fill()
        self.last_input = time.monotonic()
        while self.receiving is None:
            command = self.wire.next()
            if command is None:
                break
            self.handle(command)
            self.last_input = time.monotonic()  # what took long, such as a slow disk, was not the silence of the controller

    def check_deadlines(self):
        now = time.monotonic()
        if self.transaction is not None and self.transaction.state == link.ARMED and now >= self.transaction.deadline:
            self.transaction.abort("deadline")
        if now - self.last_input > self.lease:
            raise Disconnected("no message for %g seconds" % self.lease)

    def loop(self, wake):
        selector = selectors.DefaultSelector()
        selector.register(wake, selectors.EVENT_READ)
        selector.register(self.wire.fd_in, selectors.EVENT_READ)
        writing, watched = False, -1
        while not self.ended or self.wire.wants_write():
            if self.wire.wants_write() != writing:
                writing = not writing
                if writing:
                    selector.register(self.wire.fd_out, selectors.EVENT_WRITE)
                else:
                    selector.unregister(self.wire.fd_out)
            fd = self.child.fd if self.child is not None and not self.child.ended and self.reads_output() else -1
            if fd != watched:
                if watched >= 0:
                    selector.unregister(watched)
                if fd >= 0:
                    selector.register(fd, selectors.EVENT_READ)
                watched = fd
            ready = {key.fd for key, _ in selector.select(min(TICK, self.lease / 2))}
            if wake in ready:
                os.read(wake, 4096)
            if self.terminated:
                raise Disconnected("terminated by a signal: by kis unlock --force, by a user, or by a shutdown")
            if self.wire.fd_out in ready:
                self.wire.flush()
            if self.wire.fd_in in ready:
                self.on_input()
            child = self.child
            if child is not None:
                # A closed pipe stays readable: stop watching it before it is closed or the child
                # reaped.
                self.on_child()
                if self.child is not child and watched >= 0:
                    selector.unregister(watched)
                    watched = -1
            self.check_deadlines()

    def reads_output(self):
        return not self.complete_output or self.wire.keeps_up()

    def terminate(self, *_):
        """SIGTERM: the loop ends the agent. An exception raised here could separate a rename from
        the record that it has happened."""
        self.terminated = True

    def end(self):
        """Leave nothing of this run behind. The link comes first: a child may take seconds to
        die."""
        if self.transaction is not None:
            self.transaction.controller_lost()
        if self.child is not None:
            self.child.destroy()
        if self.run_directory is not None:
            self.run_directory.remove()


def number_of(command):
    """The number that the answer to a command carries."""
    number = command.get("id")
    return number if strict.is_integer(number) else 0


def identity(text):
    """Bound what a controller says of itself."""
    if not strict.is_text(text):
        raise Refused("bad-request", "not a name or an activity: %.100r" % (text,))
    return text[:IDENTITY_LIMIT]


def main(order):
    out = os.dup(1)
    os.set_inheritable(out, False)
    os.dup2(2, 1)  # whatever is printed from here on is not an answer
    os.umask(0o022)
    os.chdir("/")
    wake, alarm = os.pipe()
    for fd in (wake, alarm):
        os.set_blocking(fd, False)
    signal.set_wakeup_fd(alarm, warn_on_full_buffer=False)
    signal.signal(signal.SIGCHLD, lambda *_: None)
    signal.signal(signal.SIGHUP, signal.SIG_IGN)
    signal.signal(signal.SIGPIPE, signal.SIG_IGN)
    agent = Agent(order, Wire(order["nonce"], 0, out))
    signal.signal(signal.SIGTERM, agent.terminate)
    agent.wire.send({"ev": "hello", "protocol": PROTOCOL, "host": check.host_facts(), "wall": time.time()})
    try:
        agent.loop(wake)
    except Disconnected as gone:
        sys.stderr.write("kis: agent: %s\n" % gone)
    finally:
        agent.end()
    return agent.run != ""  # it has worked for a run that changes the repository
