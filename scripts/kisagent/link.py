"""Re-linking one stage: armed, committed, reverted.

The next link lies prepared in .kis/armed; the commit is one rename(2) of it over the stage. Whoever unlinks the prepared link first (the
fence) has made the commit impossible: the kernel decides, no clock does. After the rename has happened the only answers are `linked` and
`linked-not-durable`, whatever goes wrong then.
"""
import errno
import os
import time

from kisagent import seal
from kisagent.journal import Journal
from kisagent.store import RUN, STAGE, checked, fsync_folder, remove_file, why
from kisagent.wire import Refused

IDLE, ARMED, LINKED, ENDED = "idle", "armed", "linked", "ended"


def place(repository, stage, package, run):
    """Put a new prepared link of this run down, durably."""
    path = repository.path("armed", "%s.%s" % (stage, run))
    remove_file(path)
    os.symlink(package, path)
    fsync_folder(repository.path("armed"))
    return path


def leftovers(repository, stage):
    """Names of runs that have a prepared link for this stage."""
    prefix = stage + "."
    try:
        names = os.listdir(repository.path("armed"))
    except OSError:
        return []
    return sorted(name[len(prefix) :] for name in names if name.startswith(prefix))


def recover(repository, stage):
    """Fence what dead runs left and settle the journal. Only while holding the stage's lock: then no run but ours is alive."""
    fenced = leftovers(repository, stage)
    for run in fenced:
        remove_file(repository.path("armed", "%s.%s" % (stage, run)))
    if fenced:
        fsync_folder(repository.path("armed"))
    journal = Journal(repository, stage)
    last = journal.last()
    if last and last.get("ev") == "armed":
        # Killed between arming and the next line: the link tells which of both happened.
        happened = repository.linked(stage) == last.get("to") and last.get("run") not in fenced
        journal.append(dict(_echo(last), ev="linked" if happened else "aborted", note="found at the next contact"))
    return fenced


def _echo(record):
    return {key: record[key] for key in ("run", "op", "from", "to", "by", "scope") if key in record}


class Transaction:
    """One re-link of one stage by one run."""

    def __init__(self, repository, stage, lock, args):
        self.repository = repository
        self.stage = checked(STAGE, stage, "stage")
        self.lock = lock
        self.run = checked(RUN, args["run"], "run")
        self.state = IDLE
        self.new = args["to"]
        self.old = args["expected"]
        self.deadline = 0.0
        self.note = {"run": self.run, "op": args["operation"], "from": self.old, "to": self.new}
        self.note.update(args.get("note") or {})
        self.journal = Journal(repository, self.stage)

    def arm(self, seconds):
        """Everything that can fail, except the rename: compare, check the package, lay the link down, try a rename beside it."""
        repository = self.repository
        self.compare(self.old)
        if self.new == self.old:
            raise Refused("already-linked", "%s is linked to %s already" % (self.stage, self.new))
        receipt = seal.check(repository, self.new)
        self.lock.check()
        try:
            self.probe()
            place(repository, self.stage, self.new, self.run)
            self.journal.append(dict(self.note, ev="armed", content=receipt["content"]))
        except OSError as err:
            self.fence()
            raise Refused("cannot-arm", why(err, repository.root))
        self.deadline = time.monotonic() + seconds
        self.state = ARMED

    def resume(self):
        """Take up again what another agent of this run, or a dead run, has linked: to confirm it, or to go back."""
        self.compare(self.new)
        self.lock.check()
        self.state = LINKED

    def probe(self):
        """Rename a link in the root folder, so that a read-only or immutable one is found before anything depends on it."""
        source = self.repository.path("armed", "probe." + self.run)
        target = os.path.join(self.repository.root, ".kis-probe." + self.run)
        os.symlink("nowhere", source)
        try:
            os.rename(source, target)
        finally:
            remove_file(source)
            remove_file(target)

    def compare(self, expected):
        current = self.repository.linked(self.stage)
        if current != expected:
            raise Refused(
                "changed-meanwhile",
                "%s is linked to %s, not to %s as when this run began" % (self.stage, current or "nothing", expected or "nothing"),
            )

    def fence(self):
        """Take the prepared link away; after that the commit cannot happen. True when it was still there."""
        try:
            os.unlink(self.repository.path("armed", "%s.%s" % (self.stage, self.run)))
        except FileNotFoundError:
            return False
        fsync_folder(self.repository.path("armed"))
        return True

    def abort(self, reason):
        """Give up an armed link. Nothing visible has changed."""
        if self.state != ARMED:
            return
        self.state = ENDED
        self.fence()
        self.remember("aborted", reason=reason)

    def commit(self):
        """Switch. Raises Refused while nothing has changed; returns a record once the rename has happened."""
        if self.state != ARMED:
            raise Refused("not-armed", "no link is armed for %s" % self.stage)
        if time.monotonic() >= self.deadline:
            self.abort("deadline")
            raise Refused("deadline", "the word to link came after the arming had run out")
        try:
            self.lock.check()
            self.compare(self.old)
            seal.check(self.repository, self.new, quick=True)
            record = self.replace(self.new)
        except (Refused, OSError) as err:
            self.abort("refused")
            if isinstance(err, Refused):
                raise
            raise Refused("cannot-rename", why(err, self.repository.root), errno=errno.errorcode.get(err.errno, ""))
        self.state = LINKED
        self.remember("linked", durable=record["durable"])
        return record

    def replace(self, package):
        """The rename, and its durability. Raises OSError only while nothing has changed."""
        root = self.repository.root
        os.rename(self.repository.path("armed", "%s.%s" % (self.stage, self.run)), os.path.join(root, self.stage))
        at = time.time()
        durable = True
        try:
            fsync_folder(root)
        except OSError:
            durable = False
        return {"linked": package, "at": at, "durable": durable}

    def revert(self):
        """Back to the package before, or to no link when there was none."""
        if self.state != LINKED:
            raise Refused("not-linked", "this run has not linked %s" % self.stage)
        self.lock.check()
        self.compare(self.new)
        try:
            if self.old is None:
                os.unlink(os.path.join(self.repository.root, self.stage))
                record = {"linked": None, "at": time.time(), "durable": True}
                try:
                    fsync_folder(self.repository.root)
                except OSError:
                    record["durable"] = False
            else:
                seal.check(self.repository, self.old, quick=True)
                place(self.repository, self.stage, self.old, self.run)
                record = self.replace(self.old)
        except OSError as err:
            self.fence()
            raise Refused("cannot-rename", why(err, self.repository.root))
        self.state = ENDED
        self.remember("reverted", durable=record["durable"])
        return record

    def confirm(self, note):
        if self.state != LINKED:
            raise Refused("not-linked", "this run has not linked %s" % self.stage)
        self.state = ENDED
        self.remember("confirmed", **note)

    def lost(self):
        """The controller is gone: an armed link is given up, a switched one is kept and known as unconfirmed."""
        if self.state == ARMED:
            self.abort("connection lost")
        elif self.state == LINKED:
            self.state = ENDED
            self.remember("unconfirmed")

    def remember(self, event, **more):
        """Journal what has happened. A journal that cannot be written does not undo it."""
        try:
            self.journal.append(dict(self.note, ev=event, **more))
        except OSError:
            pass
