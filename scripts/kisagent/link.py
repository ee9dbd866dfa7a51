"""Re-linking one stage: armed, committed, reverted.

The next link lies prepared in .kis/armed; the commit is one rename(2) of it over the stage. Whoever unlinks the prepared link first (the
fence) has made the commit impossible: the kernel decides, no clock does. After the rename has happened the only answers are `linked` and
`linked-not-durable`, whatever goes wrong then.
"""
import errno
import os
import re
import time

from kisagent import seal
from kisagent.journal import Journal, checked_note
from kisagent.store import PACKAGE, RUN, STAGE, checked, fsync_directory, error_hint, remove_file, error_text
from kisagent.wire import Refused

PROBE_PREFIX = ".kis-probe."
PROBE_TARGET = "nowhere"  # what a probe leads to
ROLLBACK_SUFFIX = ".back"

FIXED = ("run", "op", "from", "to", "ev")  # what a line says of the link, whatever a note says
OPERATION = re.compile(r"[a-z]{1,32}\Z")

IDLE, ARMED, LINKED, ENDED = "idle", "armed", "linked", "ended"


def write_prepared(repository, path, package):
    """Put a new prepared link down, durably."""
    remove_file(path)
    os.symlink(package, path)
    fsync_directory(repository.path("armed"))


def prepared_runs(repository, stage):
    """Names of runs that have a prepared link for this stage."""
    prefix = stage + "."
    try:
        names = os.listdir(repository.path("armed"))
    except OSError:
        return []
    runs = [name[len(prefix) :] for name in names if name.startswith(prefix)]
    return sorted(run for run in runs if _is_prepared_link(run, repository.path("armed", prefix + run)))


def _is_prepared_link(run, path):
    """Whether kis has made what lies at path: a link, named after a run, to something in the same directory. Nothing else is removed."""
    try:
        return bool(RUN.match(run[: -len(ROLLBACK_SUFFIX)] if run.endswith(ROLLBACK_SUFFIX) else run)) and "/" not in os.readlink(path)
    except OSError:
        return False


def recover(repository, stage):
    """Fence what dead runs left and settle the journal. Only while holding the stage's lock: then no run but ours is alive."""
    journal = Journal(repository, stage)
    journal.require_known_format()
    found = prepared_runs(repository, stage)
    for run in found:
        remove_file(repository.path("armed", "%s.%s" % (stage, run)))
    if found:
        fsync_directory(repository.path("armed"))
    fenced = [run for run in found if not run.endswith(ROLLBACK_SUFFIX)]
    for name in os.listdir(repository.root):
        path = os.path.join(repository.root, name)
        if name.startswith(PROBE_PREFIX) and _is_prepared_link(name[len(PROBE_PREFIX) :], path) and os.readlink(path) == PROBE_TARGET:
            remove_file(path)
    last = journal.link()
    event = last and _inferred_event(last, repository.linked(stage), fenced)
    if event:
        journal.append(dict(_run_members(last), ev=event, note="found at the next contact"))
    return fenced


def _inferred_event(last, linked, fenced):
    """What the link tells of a run that died before it wrote its next line; None when its last line says all there is."""
    if last.get("ev") == "armed":
        return "linked" if linked == last.get("to") and last.get("run") not in fenced else "aborted"
    if last.get("ev") in ("linked", "unconfirmed") and linked == last.get("from"):
        return "reverted"
    return None


def _run_members(record):
    return {key: record[key] for key in ("run", "op", "from", "to", "by", "scope", "told", "after", "before") if key in record}


def restarted(repository, stage, run, well):
    """Journal that the commands after the way back have come to their end: until then whoever looks is told that they have not."""
    journal = Journal(repository, stage)
    last = journal.link() or {}
    if (last.get("run"), last.get("ev")) != (run, "reverted"):
        raise Refused("not-ended", "the last that the journal of %s tells is not that this run has gone back" % stage)
    journal.append(dict(_run_members(last), ev="reverted", restarted=True, **({} if well else {"note": "after_link failed after the way back"})))


class Transaction:
    """One re-link of one stage by one run."""

    def __init__(self, repository, stage, lock, args):
        self.repository = repository
        self.stage = checked(STAGE, stage, "stage")
        self.lock = lock
        self.run = checked(RUN, args["run"], "run")
        self.prepared = repository.path("armed", "%s.%s" % (self.stage, self.run))
        # Another name for the way back: whoever fences this run must not take it for a commit that did not happen.
        self.prepared_rollback = self.prepared + ROLLBACK_SUFFIX
        self.state = IDLE
        self.new = checked(PACKAGE, args["to"], "package")
        self.old = None if args["expected"] is None else checked(PACKAGE, args["expected"], "package")
        self.dangling = bool(args.get("dangling"))  # old leads to no package: what is put back leads nowhere again
        self.deadline = 0.0
        note = checked_note({} if args.get("note") is None else args["note"])
        self.note = {"run": self.run, "op": checked(OPERATION, args["operation"], "operation"), "from": self.old, "to": self.new}
        client = os.environ.get("SSH_CONNECTION", "").split()
        if client:
            self.note["address"] = client[0]
        self.note.update((name, value) for name, value in note.items() if name not in FIXED)
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
            write_prepared(repository, self.prepared, self.new)
            self.journal.append(dict(self.note, ev="armed", content=receipt["content"]))
        except BaseException as err:
            self.abandon("cannot arm")
            if not isinstance(err, OSError):
                raise
            raise Refused("cannot-arm", error_text(err, repository.root), error_hint(err, repository.root), errno=errno.errorcode.get(err.errno, ""))
        self.deadline = time.monotonic() + seconds
        self.state = ARMED

    def resume(self):
        """Take up again what another agent of this run, or a dead run, has linked: to confirm it, or to go back. That agent may have died
        between the rename and its flush."""
        self.compare(self.new)
        self.lock.check()
        self.state = LINKED
        return {"durable": try_fsync(self.repository.root)}

    def probe(self):
        """Rename a link in the root folder, so that a read-only or immutable one is found before anything depends on it."""
        # In the run's folder, which goes with the run; what is left of the target goes with the next run, see recover.
        source = self.repository.path("run", self.run, "probe")
        target = os.path.join(self.repository.root, PROBE_PREFIX + self.run)
        remove_file(source)
        os.symlink(PROBE_TARGET, source)
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
            os.unlink(self.prepared)
        except FileNotFoundError:
            return False
        fsync_directory(self.repository.path("armed"))
        return True

    def abort(self, reason):
        """Give up an armed link. Nothing visible has changed."""
        if self.state == ARMED:
            self.abandon(reason)

    def abandon(self, reason):
        """From here on this object cannot commit; where the prepared link cannot be removed now, the next run does it."""
        self.state = ENDED
        best_effort(self.fence)
        self.try_journal("aborted", reason=reason)

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
            record = self.replace(self.prepared, self.new)
        except (Refused, OSError) as err:
            self.abort("refused")
            if isinstance(err, Refused):
                raise
            raise Refused("cannot-rename", error_text(err, self.repository.root), error_hint(err, self.repository.root), errno=errno.errorcode.get(err.errno, ""))
        self.state = LINKED
        self.try_journal("linked", durable=record["durable"])
        return record

    def replace(self, prepared, package):
        """The rename, and its durability. Raises OSError only while nothing has changed."""
        root = self.repository.root
        os.rename(prepared, os.path.join(root, self.stage))
        at = time.time()
        return {"linked": package, "at": at, "durable": try_fsync(root)}

    def revert(self):
        """Back to the package before, or to no link when there was none."""
        if self.state != LINKED:
            raise Refused("not-linked", "this run has not linked %s" % self.stage)
        self.lock.check()
        self.compare(self.new)
        try:
            if self.old is None:
                os.unlink(os.path.join(self.repository.root, self.stage))
                record = {"linked": None, "at": time.time(), "durable": try_fsync(self.repository.root)}
            else:
                if not self.dangling:
                    seal.check(self.repository, self.old, quick=True)
                write_prepared(self.repository, self.prepared_rollback, self.old)
                record = self.replace(self.prepared_rollback, self.old)
        except OSError as err:
            best_effort(remove_file, self.prepared_rollback)
            raise Refused("cannot-rename", error_text(err, self.repository.root), error_hint(err, self.repository.root), errno=errno.errorcode.get(err.errno, ""))
        self.state = ENDED
        self.try_journal("reverted", durable=record["durable"])
        return record

    def confirm(self, note):
        if self.state != LINKED:
            raise Refused("not-linked", "this run has not linked %s" % self.stage)
        note = {name: value for name, value in checked_note(note).items() if name not in FIXED}
        self.lock.check()
        self.compare(self.new)
        try:
            self.journal.append(dict(self.note, ev="confirmed", **note))
        except Exception as err:  # pylint: disable=broad-except
            # The link is as it shall be, and the line is all that this step has to leave: who asked for it is to know.
            raise Refused("unwritten", error_text(err, self.repository.root))
        self.state = ENDED

    def controller_lost(self):
        """The controller is gone: an armed link is given up, a switched one is kept and known as unconfirmed."""
        if self.state == ARMED:
            self.abort("connection lost")
        elif self.state == LINKED:
            self.state = ENDED
            # Only of what is still so: were the lock file removed by hand, another run could have linked meanwhile, and its word is the last.
            if best_effort(self.repository.linked, self.stage) == self.new:
                self.try_journal("unconfirmed")

    def try_journal(self, event, **more):
        """Journal what has happened. A journal that cannot be written does not undo it."""
        best_effort(self.journal.append, dict(self.note, ev=event, **more))


def try_fsync(root):
    """Flush the folder of the stages. False when the disk does not confirm what was linked: a power cut may undo it."""
    try:
        fsync_directory(root)
    except OSError:
        return False
    return True


def fence(repository, stage, run, alone):
    """Make sure that a run whose answer was lost cannot link any more, and say what is linked. alone: no agent of that run can be waiting for
    the word to link; then a link that cannot be taken away, as on a disk that has turned read-only, does no harm."""
    # The outcome of the unlink is the answer: had we looked first, the agent could have renamed between look and unlink.
    fenced = True
    try:
        os.unlink(repository.path("armed", "%s.%s" % (stage, run)))
    except FileNotFoundError:
        fenced = False
    except OSError:
        if not alone:
            raise
    # Whoever made the link may have died before its flush, and what is told now is going to be relied upon.
    return {"fenced": fenced, "linked": repository.linked(stage), "durable": try_fsync(repository.root)}


def best_effort(function, *arguments):
    """Do what cannot be helped when it fails, because what counts has happened already: whatever it raises would be taken for the outcome."""
    try:
        return function(*arguments)
    except Exception:  # pylint: disable=broad-except
        return None
