"""The session with the controller: JSON lines in, framed JSON lines out.

The agent writes lines `KIS1 <nonce> <json>` in ASCII. Text of the login shell, of pip or of a
command cannot be mistaken for an answer, nor send control characters to a terminal. Writing never
blocks: a controller that does not read must not delay the end of the lease.
"""
import json
import os

from kisagent import strict

PROTOCOL = 1
MAX_LINE = 1 << 20  # bytes of one command; a longer one ends the session
# Bytes of one answer; the controller reads less than 16 MiB, see maxFrame in remote/wire.go
MAX_ANSWER = 15 << 20
OUTPUT_PENDING = 256 << 10  # beyond this much pending, output of steps is counted, not sent


class Refused(Exception):
    """A step that was not done, and why. Nothing that the step promises has happened."""

    def __init__(self, code, message, hint="", **more):
        super().__init__(message)
        self.code = code
        self.message = message
        self.hint = hint
        self.more = more

    def record(self):
        out = {"code": self.code, "message": self.message, "hint": self.hint}
        out.update(self.more)
        return out


class Disconnected(Exception):
    """The controller is gone: end of file, a broken pipe, or an unreadable command."""


class Wire:
    """Both directions of the session. Not safe for threads; the agent has none."""

    def __init__(self, nonce, fd_in, fd_out):
        self.nonce = nonce
        self.fd_in = fd_in
        self.fd_out = fd_out
        self._in = b""
        self._out = bytearray()
        os.set_blocking(fd_in, False)
        os.set_blocking(fd_out, False)

    def wants_write(self):
        return bool(self._out)

    def send(self, record):
        # Answers are buffered without a limit. A controller that has stopped reading sends no
        # commands either, and a slow connection may take a while for the state of a big repository.
        text = json.dumps(record, ensure_ascii=True, separators=(",", ":"))
        if len(text) > MAX_ANSWER:
            refused = {"id": record.get("id"), "ev": "refused", "code": "too-long", "message": "the answer is %d bytes long" % len(text)}
            text = json.dumps(refused, ensure_ascii=True, separators=(",", ":"))
        self._out += ("KIS1 %s %s\n" % (self.nonce, text)).encode("ascii")
        self.flush()

    def keeps_up(self):
        """Whether the controller reads as fast as this program writes."""
        return len(self._out) <= OUTPUT_PENDING

    def send_output(self, record):
        """Send a line of a step's output unless the controller lags behind; report whether it was
        sent."""
        if not self.keeps_up():
            return False
        self.send(record)
        return True

    def flush(self):
        while self._out:
            try:
                n = os.write(self.fd_out, self._out[: 64 << 10])
            except BlockingIOError:
                return
            except OSError as err:
                raise Disconnected(str(err))
            del self._out[:n]

    def fill(self):
        """Read what is available; raise Disconnected at end of file."""
        try:
            data = os.read(self.fd_in, 64 << 10)
        except BlockingIOError:
            return
        except OSError as err:
            raise Disconnected(str(err))
        if not data:
            raise Disconnected("end of file")
        self._in += data

    def next(self):
        """The next complete command that has been read, or None."""
        line, newline, rest = self._in.partition(b"\n")
        if not newline:
            if len(self._in) > MAX_LINE:
                raise Disconnected("endless command")
            return None
        self._in = rest
        try:
            command = strict.loads(line.decode("utf-8"))
        except ValueError:
            raise Disconnected("unreadable command")
        if not isinstance(command, dict):
            raise Disconnected("unreadable command")
        return command

    def take_raw(self, limit):
        """Raw bytes that follow a put command: buffered ones first, else what is available."""
        if not self._in:
            try:
                data = os.read(self.fd_in, min(limit, 256 << 10))
            except BlockingIOError:
                return b""
            except OSError as err:
                raise Disconnected(str(err))
            if not data:
                raise Disconnected("end of file")
            return data
        data, self._in = self._in[:limit], self._in[limit:]
        return data
