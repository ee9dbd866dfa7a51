"""Which packages of a repository are needed, and the removal of one that is not.

No link can lead to a package that is being removed. A run holds the build lock of a package from
before it prepares a link to it until the run ends, and the removal holds the same lock while it
decides and renames. Only a rollback links without that lock: to the package that was linked when the
run began, which the journal names before the switch. So the links are read first, then the journals.
"""
import os
import stat

from kisagent import processes, seal
from kisagent.journal import ENDED, FORMAT, Journal
from kisagent.leftovers import build_lock, foreign_package, move_to_run_directory, remove_moved
from kisagent.link import best_effort
from kisagent.locks import GUARD, Lock, agent_alive, holder
from kisagent.store import PACKAGE, STAGE, error_text, mounts, remove_file
from kisagent.uploads import Uploads
from kisagent.wire import Refused

HISTORY_LIMIT = 8 << 20  # bytes of a journal's newest lines
OPEN = ("armed", "linked", "unconfirmed")  # the last event of a run that did not complete
CONFIRMED, UNCONFIRMED, REVERTED, NEVER = "confirmed", "unconfirmed", "reverted", "never linked"
EVENTS = {"linked": UNCONFIRMED, "unconfirmed": UNCONFIRMED, "reverted": REVERTED}


class History:
    """What the journal of one stage says of packages."""

    def __init__(self, repository, stage, linked):
        self.stage, self.linked = stage, linked
        journal = Journal(repository, stage)
        journal.require_known_format()
        lines = [line for line in journal.records(HISTORY_LIMIT) if line.get("ev") != ENDED and (line.get("v") or 0) <= FORMAT]
        newest = lines[0] if lines else {}
        self.open = {newest.get("from"), newest.get("to")} if newest.get("ev") in OPEN else set()
        lines.reverse()
        checkpoint = next((line["before"] for line in lines if line.get("before") is not None), {})
        self.chain = [package for package in checkpoint.get("packages") or [] if package]
        self.confirmed = list(self.chain)  # in the order of the lines; again, if linked again
        self.states = {}  # by package; confirmed once is confirmed
        for line in lines:
            if line.get("ev") == "confirmed":
                self.confirm(line)
            elif line.get("ev") in EVENTS:
                self.states[line.get("to")] = EVENTS[line["ev"]]
        self.states.update((package, CONFIRMED) for package in self.confirmed)

    def confirm(self, line):
        if not self.chain and line.get("from") and line["from"] not in self.states:
            self.chain.append(line["from"])  # linked before kis
            self.confirmed.append(line["from"])
        self.confirmed.append(line.get("to"))
        self.extend_chain(line)

    def extend_chain(self, line):
        """The chain of rollbacks: a rollback removes what it rolled back from. The controller computes
        the same one, see Journal.Previous in remote/fold.go."""
        to = line.get("to")
        if line.get("op") == "rollback":
            del self.chain[last_index(self.chain, to) + 1 if to in self.chain else -1 :]
        if self.chain[-1:] != [to]:
            self.chain.append(to)

    def previous(self):
        """The package that a rollback links, or None."""
        older = self.chain[: last_index(self.chain, self.linked)] if self.linked in self.chain else self.chain
        return next((package for package in reversed(older) if package != self.linked and PACKAGE.match(package)), None)

    def newest(self, count):
        """The packages that the stage keeps: the current one, then the confirmed ones, linked last first."""
        return list(dict.fromkeys([self.linked] * bool(self.linked) + self.confirmed[::-1]))[:count]


def last_index(items, item):
    return len(items) - 1 - items[::-1].index(item)


def links(repository):
    """The package that each symbolic link in the root directory leads to, or into."""
    found = {}
    for name in os.listdir(repository.root):
        path = os.path.join(repository.root, name)
        try:
            target = os.path.join(repository.root, os.readlink(path))
        except OSError:
            continue
        for place in (os.path.normpath(target), os.path.realpath(path)):
            inside = os.path.relpath(place, repository.root).split("/")[0]
            if PACKAGE.match(inside):
                found[name] = inside
    return found


def prepared(repository):
    """The packages that prepared links lead to."""
    found = set()
    for name in os.listdir(repository.path("armed")) if os.path.isdir(repository.path("armed")) else ():
        try:
            found.add(os.readlink(repository.path("armed", name)))
        except OSError:
            continue
    return found


class Needs:
    """Why packages are needed. Refuses where a journal cannot be read."""

    def __init__(self, repository):
        self.repository = repository
        self.prepared = prepared(repository)
        self.links = links(repository)  # before the journals, see above
        stages = set(self.links) | set(os.listdir(repository.path("journal")) if os.path.isdir(repository.path("journal")) else ())
        self.histories = [History(repository, stage, self.links.get(stage)) for stage in sorted(stages) if STAGE.match(stage)]
        self.processes = None

    def state(self, package):
        found = [history.states.get(package, NEVER) for history in self.histories]
        return next((state for state in (CONFIRMED, UNCONFIRMED, REVERTED) if state in found), NEVER)

    def reasons(self, package):
        """Why the package must not be removed, as texts; none where it may be."""
        found = ["%s is linked to it" % link for link, linked in sorted(self.links.items()) if linked == package]
        found += ["a rollback of %s links it" % history.stage for history in self.histories if history.previous() == package]
        found += ["an incomplete run of %s names it" % history.stage for history in self.histories if package in history.open]
        if package in self.prepared:
            found.append("a run has prepared a link to it")
        if self.processes is None:
            self.processes = processes.users_of(self.repository.root)
        return found + ["process %d (%s) uses it" % one for one in self.processes.get(package, [])]

    def unneeded(self, receipts, keep):
        """The packages that neither a stage keeps nor anything needs, of all receipts by name."""
        kept = {package for history in self.histories for package in history.newest(keep)}
        built = sorted((receipt.get("created") or "" for receipt in receipts.values()), reverse=True)
        for package, receipt in receipts.items():
            # Not linked yet, or not for long: only its age says whether it is of any use
            if self.state(package) != CONFIRMED and (receipt.get("created") or "") >= built[:keep][-1]:
                kept.add(package)
        return [package for package in sorted(receipts) if package not in kept and not self.reasons(package)]


def describe(repository, packages, keep):
    """Add to sealed packages their history, why they are needed, and whether no stage keeps them."""
    receipts = {facts["name"]: facts["receipt"] for facts in packages if facts["receipt"]}
    try:
        needs = Needs(repository)
        unneeded = needs.unneeded(receipts, keep)
    except (OSError, Refused) as err:
        needs, unneeded, problem = None, [], getattr(err, "message", None) or error_text(err, repository.root)
    for facts in packages:
        if facts["receipt"]:
            facts["history"] = needs.state(facts["name"]) if needs else ""
            facts["needed"] = reasons_now(repository, needs, facts["name"]) if needs else [problem]
            facts["unneeded"] = facts["name"] in unneeded and not facts["needed"]


def reasons_now(repository, needs, package):
    owner = holder(repository.path("locks", "build." + package))
    working = ["a run works with it%s" % (": %s" % owner["what"] if owner.get("what") else "")] if owner is not None else []
    return needs.reasons(package) + working


def reclaimable(repository, packages, keep):
    """How many packages a prune would remove, their bytes and files."""
    describe(repository, packages, keep)
    found = [facts["receipt"] for facts in packages if facts.get("unneeded")]
    return {"packages": len(found), "bytes": sum(one.get("size") or 0 for one in found), "files": sum(one.get("files") or 0 for one in found)}


def remove(repository, name, owner, directory):
    """Remove a package that nothing needs, by way of the run's directory: after an interruption it is
    complete at its place, or gone. For a child."""
    lock = build_lock(repository, name)
    lock.acquire(owner)
    try:
        receipt = seal.check(repository, name, quick=True)
        top = repository.package(name)
        for path in (top, os.path.join(top, ".kis")):
            info = os.lstat(path)
            if not stat.S_ISDIR(info.st_mode) or info.st_uid != os.geteuid():
                raise foreign_package(top)
        for mounted in mounts(top):
            raise Refused("mounted", "%s has a file system mounted in it at %s" % (name, mounted), "unmount it, then remove the package")
        reasons = Needs(repository).reasons(name)
        if reasons:
            raise Refused("needed", "%s is needed: %s" % (name, "; ".join(reasons)))
        moved = move_to_run_directory(repository, name, directory)
    finally:
        if not os.path.lexists(repository.package(name)):
            best_effort(remove_file, lock.path)  # one would be left of every version there ever was
        lock.release()
    left = ""
    try:  # the package is gone, whatever fails from here on
        remove_moved(repository, moved)
    except OSError as err:
        left = error_text(err, moved)  # a later run sweeps it
    return {"bytes": receipt.get("size") or 0, "files": receipt.get("files") or 0, "left": left}


def remove_unnamed_uploads(repository, owner, run):
    """Remove the uploads that no receipt names, unless another run is alive, which may be about to
    use them: a run makes its directory, under the same lock as here, before it asks for uploads."""
    guard = Lock(repository.path("locks", GUARD), "the directory of runs")
    guard.acquire(owner)
    try:
        others = [name for name in os.listdir(repository.path("run")) if name != run and agent_alive(repository.path("run", name))]
        return 0 if others else Uploads(repository).sweep(retention=0)
    finally:
        guard.release()
