"""The journal of a stage: JSON lines, each appended durably. It serves audit, recovery and
rollback; the link decides what is linked."""
import binascii
import json
import os
import time

from kisagent import strict
from kisagent.store import fsync_directory, open_regular
from kisagent.wire import Refused

FORMAT = 1
LINE_LIMIT = 4096  # bytes; no other writer splits a write(2) of this size
READ_LIMIT = 1 << 20  # characters of lines read from the end, unless the caller wants more
DAMAGED_LIMIT = 64 << 10  # bytes; a longer line is damaged
DAMAGED_SHOWN = 80  # bytes of such a line that are passed on
FIRST_BLOCK = 16 << 10  # bytes; most callers want a few lines
BLOCK = 256 << 10
SCAN_LIMIT = 256 << 20  # bytes at the end of the file that are searched for lines
ENDED = "ended"  # a remark that a user ended the run by force. It does not concern the link
EVENTS = ("armed", "linked", "confirmed", "unconfirmed", "reverted", "aborted", ENDED)
# The controller's summary of the journal before this run, stored unchanged. See Checkpoint in
# remote/fold.go.
CHECKPOINT = {name: strict.is_text for name in ("to", "by", "op", "run", "scope", "note", "after_link")}
CHECKPOINT.update(since=strict.is_time, confirmed=strict.is_boolean, packages=strict.is_text_list)
CHECKPOINT_LIMIT = 3000  # bytes; with the other NEEDED members it fits into a line
# The members of a line in this format. remote/journal.go has the same, and skips the same lines as
# damaged.
TEXTS = ("boot", "run", "op", "from", "to", "content", "by", "address", "key", "git", "scope", "reason", "note")
MEMBERS = {name: strict.is_text for name in TEXTS}
MEMBERS.update(v=strict.is_integer, seq=strict.is_integer, at=strict.is_time, requested=strict.is_time)
MEMBERS.update(hosts=strict.is_text_list, skew=strict.is_number)
MEMBERS.update(before=lambda value: isinstance(value, dict) and strict.members_match(value, CHECKPOINT))
MEMBERS.update(after=strict.is_boolean, restarted=strict.is_boolean, ev=lambda value: strict.is_text(value) and value in EVENTS)
# The members that recovery and rollbacks need. They remain in a line that would be too long.
NEEDED = (
    ("v", "seq", "boot", "at", "run", "op", "from", "to", "content", "ev", "requested", "scope")
    + ("after", "restarted", "skew", "before")
)
NOTE_TEXT = 1024  # characters of one text that a controller adds to a line
NOTE_MEMBERS = 32


def boot_id():
    try:
        with open("/proc/sys/kernel/random/boot_id") as f:
            return f.read(64).strip()
    except OSError:
        return ""


def stamp(line):
    """The line with its checksum as last member, which detects damage."""
    return line[:-1] + ',"crc":"%08x"}' % (binascii.crc32(line.encode("ascii")) & 0xFFFFFFFF)


def sound(text):
    """The record of a line, or None when the line is torn or damaged."""
    body, mark, crc = text.rpartition(',"crc":"')
    if not mark or not crc.endswith('"}'):
        return None
    body += "}"
    if "%08x" % (binascii.crc32(body.encode("utf-8")) & 0xFFFFFFFF) != crc[:-2]:
        return None
    try:
        record = strict.loads(body)
    except ValueError:
        return None
    if not isinstance(record, dict) or record.get("v") is not None and not strict.is_integer(record["v"]):
        return None
    if (record.get("v") or 0) > FORMAT:  # the meaning of its other members is unknown
        return record
    shallow = strict.is_flat(body, 3) or strict.within_depth(record, 3)
    return record if record.get("ev") is not None and shallow and strict.members_match(record, MEMBERS) else None


def checked_note(note):
    """The members that a controller adds to a line. Refuses what would make the line unreadable or
    too long: allowed are texts, numbers, booleans, names of hosts, and a checkpoint."""
    if not isinstance(note, dict) or len(note) > NOTE_MEMBERS or not strict.members_match(note, MEMBERS):
        raise Refused("bad-request", "not a note for the journal: %.100r" % (note,))
    for name, value in note.items():
        if name == "before" and value is not None:
            if len(written(value)) > CHECKPOINT_LIMIT or not strict.within_depth(value, 2):
                raise Refused("bad-request", "the checkpoint of the journal is too long")
            continue
        nested = isinstance(value, dict) or isinstance(value, list) and name != "hosts"
        if nested or len(name) > 64 or strict.is_text(value) and len(value) > NOTE_TEXT:
            raise Refused("bad-request", "not a note for the journal: %.100r" % {name: value})
    return note


def written(record):
    return stamp(json.dumps(record, ensure_ascii=True, separators=(",", ":")))


def numbered(record):
    """The sequence number of a line, or None where it is no number that can be incremented."""
    number = record.get("seq")
    return number if strict.is_integer(number) and 0 <= number < 2**53 else None


def newest(file):
    """The lines of a file, newest first. The file is read from its end, in blocks, so that damage of
    any length does not hide the lines before it. Of a line that is too long for a journal the
    beginning is returned."""
    at, block, head = file.seek(0, os.SEEK_END), FIRST_BLOCK, b""
    floor = max(0, at - SCAN_LIMIT)  # head is the part read so far of a line that begins before at
    while at > floor:
        start = max(floor, at - block)
        file.seek(start)
        pieces, at, block = file.read(at - start).split(b"\n"), start, BLOCK
        pieces[-1] += head
        yield from (short(line) for line in reversed(pieces[1:]) if line)
        head = pieces[0][: DAMAGED_LIMIT + 1]
    if head and at == 0:
        yield short(head)


def short(line):
    return line if len(line) <= DAMAGED_LIMIT else line[:DAMAGED_SHOWN]


class Journal:
    """The journal file of one stage. Who appends holds the stage's lock."""

    def __init__(self, repository, stage):
        self.path = repository.path("journal", stage)

    def require_known_format(self):
        """Refuse where a newer kis has written: its lines could be misread here, and those of this
        one there."""
        # An older kis may have added a remark behind the newer line
        for record in (self.last(), self.link()):
            if record and record.get("v") != FORMAT:
                message = "the journal %s is of a newer kis (format %s; this one knows %d)" % (self.path, record.get("v"), FORMAT)
                raise Refused("newer-format", message, "use a kis that is at least as new: kis version")

    def append(self, record):
        full = {"v": FORMAT, "seq": self.seq() + 1, "boot": boot_id(), "at": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())}
        full.update((name, value) for name, value in record.items() if name not in full)
        line = written(full)
        if len(line) >= LINE_LIMIT:
            full.pop("hosts", None)  # the only member that grows with the fleet
            line = written(full)
        if len(line) >= LINE_LIMIT:
            line = written({name: value for name, value in full.items() if name in NEEDED})
        fd = os.open(self.path, os.O_RDWR | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
        try:
            size = os.fstat(fd).st_size
            # Begin a new line after a torn one, which would otherwise swallow this one.
            torn = size > 0 and os.pread(fd, 1, size - 1) != b"\n"
            data = (("\n" if torn else "") + line + "\n").encode("ascii")
            if os.write(fd, data) != len(data):
                raise OSError(28, "short write", self.path)
            os.fsync(fd)
            if size == 0:
                fsync_directory(os.path.dirname(self.path))
        finally:
            os.close(fd)

    def lines(self):
        """The lines as text, newest first, unvalidated."""
        try:
            with open_regular(self.path) as f:
                for line in newest(f):
                    yield line.decode("utf-8", "replace")
        except FileNotFoundError:
            return

    def records(self, limit=READ_LIMIT):
        """The records of the undamaged lines, newest first."""
        for line in self.lines():
            if limit <= 0:
                return
            limit -= len(line) + 1
            record = sound(line)
            if record is not None:
                yield record

    def last(self):
        return next(self.records(), None)

    def seq(self):
        """The number of the newest line that has one; 0 when there is none."""
        return next((number for number in map(numbered, self.records()) if number is not None), 0)

    def link(self):
        """The newest line about the link."""
        return next((record for record in self.records() if record.get("ev") != ENDED), None)

    def require_not_taken(self, run, since):
        """Refuse when another run has written since the line of that number, or a user has ended
        this run: then the link belongs to the other run, even where it has the target that this run
        expects."""
        for record in self.records():
            number = numbered(record)
            if number is None:
                continue
            if number <= since:
                return
            by = record.get("by") or "an unknown user"
            if record.get("run") != run:
                raise Refused("taken", "another run has worked on this stage meanwhile: %s by %s" % (record.get("op") or "unknown operation", by))
            if record.get("ev") == ENDED:
                raise Refused("taken", "this run was ended by %s with kis unlock --force" % by)
