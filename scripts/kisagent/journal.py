"""The journal of a stage: JSON lines, one durable append each. For audit, recovery and "previous"; the link is always the truth."""
import json
import os
import time
import zlib

from kisagent.store import fsync_folder
from kisagent.wire import Refused

FORMAT = 1
LINE_LIMIT = 4096  # bytes; one write(2) of this size is not torn by another writer
READ_LIMIT = 1 << 20  # bytes read from the end
ENDED = "ended"  # a remark: what was done to the run, by whom. It says nothing of the link


def boot_id():
    try:
        with open("/proc/sys/kernel/random/boot_id") as f:
            return f.read(64).strip()
    except OSError:
        return ""


def stamp(line):
    """The line with its checksum as last member, so that a damaged line is known for one."""
    return line[:-1] + ',"crc":"%08x"}' % (zlib.crc32(line.encode("ascii")) & 0xFFFFFFFF)


def sound(text):
    """The record of a line, or None when the line is torn or damaged."""
    body, mark, crc = text.rpartition(',"crc":"')
    if not mark or not crc.endswith('"}'):
        return None
    body += "}"
    if "%08x" % (zlib.crc32(body.encode("utf-8")) & 0xFFFFFFFF) != crc[:-2]:
        return None
    try:
        record = json.loads(body)
    except ValueError:
        return None
    return record if isinstance(record, dict) else None


class Journal:
    """The journal file of one stage. Append only while holding the stage's lock."""

    def __init__(self, repository, stage):
        self.path = repository.path("journal", stage)

    def must_be_readable(self):
        """Refuse to go on where a newer kis has written: what its lines mean is not known here, nor what it makes of ours."""
        last = self.last()
        if last and last.get("v") != FORMAT:
            message = "the journal %s is of a newer kis (format %s; this one knows %d)" % (self.path, last.get("v"), FORMAT)
            raise Refused("newer-format", message, "use a kis that is at least as new: kis version")

    def append(self, record):
        full = {"v": FORMAT, "seq": self.seq() + 1, "boot": boot_id()}
        full["at"] = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())
        full.update(record)
        line = stamp(json.dumps(full, ensure_ascii=True, separators=(",", ":")))
        if len(line) >= LINE_LIMIT:
            full.pop("hosts", None)  # the longest member, and the only one that grows with the fleet
            line = stamp(json.dumps(full, ensure_ascii=True, separators=(",", ":")))
        fd = os.open(self.path, os.O_RDWR | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
        try:
            size = os.fstat(fd).st_size
            # A torn last line must not swallow this one.
            torn = size > 0 and os.pread(fd, 1, size - 1) != b"\n"
            data = (("\n" if torn else "") + line + "\n").encode("ascii")
            if os.write(fd, data) != len(data):
                raise OSError(28, "short write", self.path)
            os.fsync(fd)
            if size == 0:
                fsync_folder(os.path.dirname(self.path))
        finally:
            os.close(fd)

    def lines(self):
        """The newest lines as text, oldest first, as they are: judging them is the reader's business."""
        try:
            with open(self.path, "rb") as f:
                size = os.fstat(f.fileno()).st_size
                f.seek(max(0, size - READ_LIMIT))
                text = f.read().decode("utf-8", "replace")
        except FileNotFoundError:
            return []
        lines = text.split("\n")
        if size > READ_LIMIT:
            lines = lines[1:]
        return [line for line in lines if line]

    def records(self):
        """What sound lines say, newest first."""
        for line in reversed(self.lines()):
            record = sound(line)
            if record is not None:
                yield record

    def last(self):
        return next(self.records(), None)

    def seq(self):
        """The number of the newest line that has one; 0 when there is none."""
        return next((record["seq"] for record in self.records() if isinstance(record.get("seq"), int)), 0)

    def link(self):
        """The newest line about the link."""
        return next((record for record in self.records() if record.get("ev") != ENDED), None)

    def must_be_ours(self, run, since):
        """Refuse when somebody else has been at work since the line of that number, or has ended the run: then the link is theirs, even where
        it leads to what the run has linked, or has found."""
        for record in self.records():
            number = record.get("seq")
            if not isinstance(number, int):
                continue
            if number <= since:
                return
            by = record.get("by") or "somebody"
            if record.get("run") != run:
                raise Refused("taken", "another run has been at work here meanwhile: %s by %s" % (record.get("op") or "one", by))
            if record.get("ev") == ENDED:
                raise Refused("taken", "this run was ended by %s with kis unlock --force" % by)
