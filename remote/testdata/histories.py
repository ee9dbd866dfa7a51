"""Random histories of a package repository against a model of what cleanup.py promises.

    histories.py DIRECTORY SEED COUNT

Each history is a series of pushes, rollbacks, prunes and removals by the agent's own functions; runs
die and removals are killed at any of their system calls. After each step the model says what must be
there. The journals are printed at the end, for the controller to find the same previous package.
"""
import functools
import itertools
import json
import os
import random
import shutil
import sys

sys.dont_write_bytecode = True
sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "../../scripts"))

from kisagent import cleanup, journal, leftovers, link, locks, processes, seal, shortname, store  # noqa: E402
from kisagent.journal import Journal  # noqa: E402
from kisagent.store import PACKAGE, Repository  # noqa: E402
from kisagent.wire import Refused  # noqa: E402

STAGES = ("staging", "production")
CALLS = ("rename", "unlink", "rmdir", "chmod", "mkdir", "symlink")
OWNER = {"who": "ann@laptop", "what": "test", "pid": 1}


class Killed(BaseException):
    pass


class Killer:
    """Raises Killed instead of the nth call of the agent that changes the file system."""

    def __init__(self):
        self.left = None
        for name in CALLS:
            setattr(os, name, self.wrapped(getattr(os, name)))
        os.fsync = lambda fd: None  # there is no power loss here, and ten thousands of them

    def wrapped(self, call):
        def counted(*args, **more):
            if self.left is not None:
                self.left -= 1
                if self.left < 0:
                    raise Killed()
            return call(*args, **more)

        return counted


class Model:
    """What has happened, and what follows from it."""

    def __init__(self):
        self.age = {}  # of what is installed: the number of its build
        self.linked = dict.fromkeys(STAGES)
        self.stack = {stage: [] for stage in STAGES}  # confirmed and not rolled back from
        self.order = {stage: [] for stage in STAGES}  # confirmed, linked last at the end
        self.pending = {stage: set() for stage in STAGES}  # what an incomplete run names
        self.tried = {stage: {} for stage in STAGES}  # how the last run ended that linked it
        self.held = set()  # by a run
        self.used = set()  # by a process

    def previous(self, stage):
        stack = self.stack[stage]
        if self.linked[stage] in stack:
            stack = stack[: len(stack) - 1 - stack[::-1].index(self.linked[stage])]
        return next((package for package in reversed(stack) if package != self.linked[stage]), None)

    def confirm(self, stage, to, op):
        self.linked[stage], self.pending[stage] = to, set()
        stack = self.stack[stage]
        if op == "rollback" and to in stack:
            while stack[-1] != to:
                stack.pop()
        elif op == "rollback":
            stack[-1:] = [to]
        elif stack[-1:] != [to]:
            stack.append(to)
        self.order[stage] = [package for package in self.order[stage] if package != to] + [to]

    def protected(self):
        found = set(self.held) | self.used
        for stage in STAGES:
            found |= {self.linked[stage], self.previous(stage)} | self.pending[stage]
        return found & set(self.age)

    def state(self, package):
        tried = [self.tried[stage].get(package) for stage in STAGES]
        if any(package in self.order[stage] for stage in STAGES):
            return "confirmed"
        return "unconfirmed" if "unconfirmed" in tried else "reverted" if "reverted" in tried else "never linked"

    def unneeded(self, keep):
        kept = self.protected()
        for stage in STAGES:
            recent = [package for package in self.order[stage] if package != self.linked[stage]] + [self.linked[stage]] * bool(self.linked[stage])
            kept |= set(recent[-keep:])
        newest = sorted(self.age, key=self.age.get)[-keep:]
        return {package for package in self.age if package not in kept and (self.state(package) == "confirmed" or package not in newest)}


class History:
    def __init__(self, root, draw, killer):
        os.mkdir(root)
        self.repository = Repository(root)
        self.repository.create_directories()
        self.draw, self.killer, self.model = draw, killer, Model()
        self.clock, self.runs, self.did = itertools.count(), itertools.count(), []
        self.locks = {}

    def run_name(self):
        return "run%08d" % next(self.runs)

    # Steps. Each changes the repository and the model.

    def build(self):
        name, at = "app-%d" % self.draw.randrange(9), next(self.clock)
        top = os.path.join(self.repository.root, name)
        if os.path.exists(top):
            return
        os.mkdir(top)
        for path in (".kis", "src"):
            os.mkdir(os.path.join(top, path))
        with open(os.path.join(top, "src", "app.py"), "w") as f:
            f.write(name)
        os.symlink("/etc", os.path.join(top, "src", "etc"))
        seal.make_read_only(top, seal.walk(top))
        os.chmod(os.path.join(top, ".kis"), 0o755)
        text = seal.manifest(top)
        with open(os.path.join(top, ".kis", "manifest"), "w") as f:
            f.write(text)
        receipt = {"v": 1, "package": name, "content": "sha256:0", "created": "2026-11-01T12:%02d:%02dZ" % divmod(at, 60), "size": 1, "files": 1}
        receipt.update(fingerprint=seal.fingerprint(seal.walk(top)), manifest=seal.hashlib.sha256(text.encode("ascii")).hexdigest())
        with open(os.path.join(top, ".kis", "receipt.json"), "w") as f:
            json.dump(receipt, f)
        os.chmod(os.path.join(top, ".kis"), 0o555)
        self.model.age[name] = at

    def switch(self, op="push"):
        """A run links a package; it may fail, roll back or die on its way."""
        model, stage = self.model, self.draw.choice(STAGES + STAGES[:1])
        choices = sorted(model.age) if op == "push" else [model.previous(stage)]
        to = self.draw.choice(choices) if choices else None
        link.recover(self.repository, stage)
        if not (model.linked[stage] in model.pending[stage] and self.open_event(stage) in ("linked", "unconfirmed")):
            model.pending[stage] = set()  # recover has completed the journal
        old = model.linked[stage]
        if to in (None, old) or to in model.held or to not in model.age:  # a rollback may go to what was pruned
            return
        run, end = self.run_name(), self.draw.choice(["confirmed"] * 8 + ["armed", "aborted", "linked", "unconfirmed", "reverted"])
        os.mkdir(self.repository.path("run", run))
        before = {"to": old or "", "packages": list(model.stack[stage])}
        transaction = link.Transaction(self.repository, stage, Unlocked, {"run": run, "operation": op, "expected": old, "to": to, "note": {"before": before}})
        transaction.arm(60)
        model.pending[stage] = {old, to} - {None}
        if end == "aborted":
            transaction.abort("test")
            model.pending[stage] = set()
        elif end != "armed":
            transaction.commit()
            self.finish(transaction, stage, old, to, op, end)
        os.rmdir(self.repository.path("run", run))
        self.did[-1] += " %s %s -> %s: %s" % (stage, old, to, end)

    def finish(self, transaction, stage, old, to, op, end):
        model = self.model
        model.linked[stage] = to
        model.tried[stage][to] = "reverted" if end == "reverted" else "unconfirmed"
        if end == "confirmed":
            transaction.confirm({})
            model.confirm(stage, to, op)
        elif end == "unconfirmed":
            transaction.controller_lost()
        elif end == "reverted":
            transaction.revert()
            model.linked[stage], model.pending[stage] = old, set()

    def open_event(self, stage):
        return (Journal(self.repository, stage).link() or {}).get("ev")

    def rollback(self):
        self.switch("rollback")

    def hold(self):
        """A run begins with a package, or one of them ends."""
        if self.locks and self.draw.random() < 0.6:
            name = self.draw.choice(sorted(self.locks))
            self.locks.pop(name).release()
            self.model.held.discard(name)
        elif self.model.age:
            name = self.draw.choice(sorted(self.model.age))
            if name not in self.locks:
                self.locks[name] = cleanup.build_lock(self.repository, name)
                self.locks[name].acquire(OWNER)
                self.model.held.add(name)

    def use(self):
        """A process starts in a package, or ends."""
        if self.model.age:
            self.model.used ^= {self.draw.choice(sorted(self.model.age))}

    def remove(self):
        name = "app-%d" % self.draw.randrange(9)
        self.did[-1] += " " + name
        self.remove_one(name)

    def prune(self):
        keep = self.draw.randrange(1, 4)
        facts = [{"name": name, "receipt": self.repository.receipt(name)} for name in sorted(self.model.age)]
        cleanup.describe(self.repository, facts, keep)
        unneeded = {one["name"] for one in facts if one["unneeded"]}
        self.did[-1] += " keep %d: %s" % (keep, sorted(unneeded))
        assert unneeded == self.model.unneeded(keep), "the model says %s" % sorted(self.model.unneeded(keep))
        for one in facts:
            assert one["history"] == self.model.state(one["name"]), (one["name"], one["history"], self.model.state(one["name"]))
            assert bool(one["needed"]) == (one["name"] in self.model.protected()), (one["name"], one["needed"])
        for name in sorted(unneeded):
            self.remove_one(name)

    def remove_one(self, name):
        """Remove a package; the agent may be killed while it does."""
        allowed = name in self.model.age and name not in self.model.protected()
        directory = locks.RunDirectory(self.repository, self.run_name())
        directory.create(OWNER)  # and sweep
        runs = os.listdir(self.repository.path("run"))
        assert runs == [os.path.basename(directory.path)], runs
        self.killer.left = self.draw.randrange(25) if self.draw.random() < 0.3 else None
        try:
            cleanup.remove(self.repository, name, OWNER, directory.path)
            assert allowed, "%s was removed" % name
            gone = True
        except Refused as refused:
            assert not allowed, "%s was not removed: %s" % (name, refused.message)
            gone = False
        except Killed:
            gone = name in self.model.age and not os.path.exists(os.path.join(self.repository.root, name))
            assert allowed or not gone, "%s was removed" % name
            self.did[-1] += " killed"
        killed, self.killer.left = self.killer.left is not None and self.killer.left < 0, None
        if not killed:
            directory.remove()
        else:
            self.close_locks()
        if gone:
            self.model.age.pop(name)

    def close_locks(self):
        """Close what the killed agent held, as the kernel does."""
        ours = {lock.fd for lock in self.locks.values()}
        for fd in map(int, os.listdir("/proc/self/fd")):
            try:
                if fd not in ours and os.readlink("/proc/self/fd/%d" % fd).startswith(self.repository.kis):
                    os.close(fd)
            except OSError:
                continue

    # What must hold after each step that may remove something.

    def check(self):
        root, there = self.repository.root, set()
        for name in os.listdir(root):
            if PACKAGE.match(name):
                there.add(name)
                seal.check(self.repository, name)  # complete and unchanged
        assert there == set(self.model.age), "%s is there, not %s" % (sorted(there), sorted(self.model.age))
        for stage in STAGES:
            linked = self.repository.linked(stage)
            assert linked == self.model.linked[stage], (stage, linked, self.model.linked[stage])
            assert linked is None or linked in there, "%s leads nowhere" % stage

    def play(self, steps):
        ways = [self.build] * 3 + [self.switch] * 5 + [self.rollback] * 3 + [self.prune] * 2 + [self.remove] * 2 + [self.hold, self.use]
        for way in [self.build] * 4 + [self.switch] * 3 + self.draw.choices(ways, k=steps):
            self.did.append(way.__name__)
            processes.users_of = lambda root: {name: [(1, "test")] for name in self.model.used}
            way()
            if way in (self.prune, self.remove):
                self.check()
        self.check()
        for lock in self.locks.values():
            lock.release()
        return [
            {"lines": list(Journal(self.repository, stage).lines())[::-1], "linked": self.model.linked[stage] or "", "previous": self.model.previous(stage) or ""}
            for stage in STAGES
        ]


class Unlocked:
    """The stage's lock: these runs are one after another."""

    check = staticmethod(lambda: None)


def main(directory, seed, count):
    killer = Killer()
    shortname.PLACES = ()  # no program runs here, and many a run is never followed by another one
    locks.Lock.acquire.__defaults__ = (0,)  # who holds a lock here does not release it meanwhile
    # What always has the same result here, and takes half of the time
    journal.sound, journal.boot_id = functools.lru_cache(1000)(journal.sound), lambda: "boot"
    store.readable_receipt = functools.lru_cache(1000)(store.readable_receipt)
    cleanup.mounts = leftovers.mounts = store.mounts = lambda path: []
    for number in range(int(seed), int(seed) + int(count)):
        history = History(os.path.join(directory, str(number)), random.Random(number), killer)
        try:
            print(json.dumps(history.play(10)))
        except Exception:
            sys.stderr.write("history %d: %s\n" % (number, "; ".join(history.did)))
            raise
        killer.left = None
        for top, names, _ in os.walk(history.repository.root):
            for name in names:
                if not os.path.islink(os.path.join(top, name)):
                    os.chmod(os.path.join(top, name), 0o700)
        shutil.rmtree(history.repository.root)


main(*sys.argv[1:])
