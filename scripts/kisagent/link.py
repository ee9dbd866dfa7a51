"""Switching one stage's link: arm, commit, confirm, revert. The participant's side of the two-phase commit.

Arming puts the next link down in .kis/armed. The commit is one rename(2) of it over the stage.
Fencing unlinks the prepared link first, which makes the commit impossible: the kernel decides, not
a clock. After the rename the only answers are "linked" and "linked, not durable", whatever fails
then.
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
PROBE_TARGET = "nowhere"  # target of a probe's link
ROLLBACK_SUFFIX = ".back"

FIXED = ("run", "op", "from", "to", "ev")  # members of a line that no note may override
OPERATION = re.compile(r"[a-z]{1,32}\Z")

IDLE, ARMED, LINKED, ENDED = "idle", "armed", "linked", "ended"


def write_prepared(repository, path, package):
    """Put down a new prepared link, durably."""
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
    """Whether kis made the link at path: it is named after a run, and its target is in the same
    directory. kis removes nothing else."""
    try:
        return bool(RUN.match(run[: -len(ROLLBACK_SUFFIX)] if run.endswith(ROLLBACK_SUFFIX) else run)) and "/" not in os.readlink(path)
    except OSError:
        return False


def recover(repository, stage):
    """Fence what dead runs left, and complete the journal. The caller holds the stage's lock, so
    that no other run is alive."""
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
    """What a run did that died before it wrote its next line, as the link shows; None when its last
    line says it already."""
    if last.get("ev") == "armed":
        return "linked" if linked == last.get("to") and last.get("run") not in fenced else "aborted"
    if last.get("ev") in ("linked", "unconfirmed") and linked == last.get("from"):
        return "reverted"
    return None


def _run_members(record):
    return {key: record[key] for key in ("run", "op", "from", "to", "by", "scope", "requested", "after", "before") if key in record}


def restarted(repository, stage, run, succeeded):
    """Record that the after-link commands have completed after a rollback. Until then the journal
    shows that they are pending."""
    journal = Journal(repository, stage)
    last = journal.link() or {}
    if (last.get("run"), last.get("ev")) != (run, "reverted"):
        raise Refused("not-reverted", "the last line of the journal of %s does not say that this run was rolled back" % stage)
    note = {} if succeeded else {"note": "not back in service after the rollback"}
    journal.append(dict(_run_members(last), ev="reverted", restarted=True, **note))


class Transaction:
    """One switch of one stage by one run."""

    def __init__(self, repository, stage, lock, args):
        self.repository = repository
        self.stage = checked(STAGE, stage, "stage")
        self.lock = lock
        self.run = checked(RUN, args["run"], "run")
        self.prepared = repository.path("armed", "%s.%s" % (self.stage, self.run))
        # Another name for a rollback: who fences this run must not take it for a commit that did
        # not happen.
        self.prepared_rollback = self.prepared + ROLLBACK_SUFFIX
        self.state = IDLE
        self.new = checked(PACKAGE, args["to"], "package")
        self.old = None if args["expected"] is None else checked(PACKAGE, args["expected"], "package")
        # Old is no package: a rollback restores a dangling link
        self.dangling = bool(args.get("dangling"))
        self.deadline = 0.0
        note = checked_note({} if args.get("note") is None else args["note"])
        self.note = {"run": self.run, "op": checked(OPERATION, args["operation"], "operation"), "from": self.old, "to": self.new}
        client = os.environ.get("SSH_CONNECTION", "").split()
        if client:
            self.note["address"] = client[0]
        self.note.update((name, value) for name, value in note.items() if name not in FIXED)
        self.journal = Journal(repository, self.stage)

    def arm(self, seconds):
        """Do everything that can fail, except the rename: compare the link, check the package, try
        a rename, put down the prepared link, write the journal."""
        repository = self.repository
        self.compare(self.old)
        if self.new == self.old:
            raise Refused("already-linked", "%s is already linked to %s" % (self.stage, self.new))
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
        """Take over a switch that another agent of this run, or a dead run, has made, to confirm it
        or to roll it back. That agent may have died between the rename and the fsync."""
        self.compare(self.new)
        self.lock.check()
        self.state = LINKED
        return {"durable": try_fsync(self.repository.root)}

    def probe(self):
        """Rename a link in the root directory, so that a read-only or immutable one is found
        now."""
        # The source is in the run's directory and is removed with it; recover removes a remaining
        # target.
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
                "link-changed",
                "%s is linked to %s, not to %s as when this run began" % (self.stage, current or "nothing", expected or "nothing"),
            )

    def fence(self):
        """Remove the prepared link: then the commit cannot happen. True when it was still there."""
        try:
            os.unlink(self.prepared)
        except FileNotFoundError:
            return False
        fsync_directory(self.repository.path("armed"))
        return True

    def abort(self, reason):
        """Abandon an armed link. Nothing visible has changed."""
        if self.state == ARMED:
            self.abandon(reason)

    def abandon(self, reason):
        """End the transaction: it cannot commit any more. A prepared link that cannot be removed
        now is removed by the next run."""
        self.state = ENDED
        best_effort(self.fence)
        self.try_journal("aborted", reason=reason)

    def commit(self):
        """Switch. Raises Refused while nothing has changed; returns a record after the rename."""
        if self.state != ARMED:
            raise Refused("not-armed", "no link is armed for %s" % self.stage)
        if time.monotonic() >= self.deadline:
            self.abort("deadline")
            raise Refused("deadline", "commit arrived after the prepared link expired")
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
        self.try_journal("linked")
        return record

    def replace(self, prepared, package):
        """Rename, then fsync. Raises OSError only while nothing has changed."""
        root = self.repository.root
        os.rename(prepared, os.path.join(root, self.stage))
        at = time.time()
        return {"linked": package, "at": at, "durable": try_fsync(root)}

    def revert(self):
        """Roll back to the previous package, or to no link when there was none."""
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
        self.try_journal("reverted")
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
            # The link is right, and the line is all that this command writes: the controller must
            # know.
            raise Refused("not-recorded", error_text(err, self.repository.root))
        self.state = ENDED

    def controller_lost(self):
        """The session is gone: abandon an armed link; keep a switched one, recorded as
        unconfirmed."""
        if self.state == ARMED:
            self.abort("connection lost")
        elif self.state == LINKED:
            self.state = ENDED
            # Only if that still holds: if a user removed the lock file, another run may have linked
            # since, and the last line must be about its link.
            if best_effort(self.repository.linked, self.stage) == self.new:
                self.try_journal("unconfirmed")

    def try_journal(self, event, **more):
        """Write to the journal what has happened. A failure does not undo it."""
        best_effort(self.journal.append, dict(self.note, ev=event, **more))


def try_fsync(root):
    """Flush the directory of the stages. False when fsync failed: the switch may not survive a
    power loss."""
    try:
        fsync_directory(root)
    except OSError:
        return False
    return True


def fence(repository, stage, run, alone):
    """Make sure that a run whose answer was lost cannot link any more, and return the current link.
    alone: no agent of that run can be waiting for the commit; then a prepared link that cannot be
    removed, as on a file system that turned read-only, does no harm."""
    # The result of the unlink is the answer. After a check first, the agent could rename before the
    # unlink.
    fenced = True
    try:
        os.unlink(repository.path("armed", "%s.%s" % (stage, run)))
    except FileNotFoundError:
        fenced = False
    except OSError:
        if not alone:
            raise
    # The agent that made the link may have died before its fsync, and this answer will be relied
    # upon.
    return {"fenced": fenced, "linked": repository.linked(stage), "durable": try_fsync(repository.root)}


def best_effort(function, *arguments):
    """Call function, and ignore its failure: the operation that counts has already happened, and an
    exception would be taken for its result."""
    try:
        return function(*arguments)
    except Exception:  # pylint: disable=broad-except
        return None
