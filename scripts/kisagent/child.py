"""Child processes of the agent: each in a session of its own, without our standard input, with a deadline.

A step ends when its main process ends, even if something it left behind still holds its output open. What it left behind in its process
group is killed. What left the group as well is found by its KIS_AGENT in /proc and killed too, except for after-link commands, which may
start daemons on purpose.
"""
import collections
import json
import os
import signal
import subprocess
import sys
import time

from kisagent.wire import Refused

TAIL_LINES = 20
LINE_LIMIT = 2000  # bytes of one line; the rest is cut
FORWARD_LIMIT = 512 << 10  # bytes of output sent to the controller per step
MARK = "KIS_AGENT"  # variable with the mark of the agent that started a process; no two agents have the same, on one machine or on many
RECORDS = ("finished", "failed", "hint", "imported")  # what steps say; nothing else is kept, whatever a program prints
LOG_LIMIT = 16 << 20  # bytes of output kept in the build log per step


class Child:
    """A running child. The owner selects on .fd, calls on_readable, and .finished() once reaped."""

    def __init__(self, pid, fd, timeout, log=None, keep_daemons=False, mark=""):
        self.pid = pid
        self.fd = fd
        self.deadline = time.monotonic() + timeout
        self.timed_out = False
        self.canceled = False
        self.status = None
        self.ended = False  # nobody holds the other end of its output any more; it may still run
        self.bytes = 0
        self.tail = collections.deque(maxlen=TAIL_LINES)
        self.log = log
        self.keep_daemons = keep_daemons
        self.mark = mark
        self.forwarded = 0  # bytes the controller was sent
        self.records = {}  # what the step's own script said: lines of kis<TAB>key<TAB>value
        self._partial = b""
        self._cutting = False
        os.set_blocking(fd, False)

    def lines(self):
        """Read what is there; return complete lines as text, each cut to LINE_LIMIT."""
        try:
            data = os.read(self.fd, 64 << 10)
        except BlockingIOError:
            return []
        except OSError:
            return []
        self.ended = not data
        self.bytes += len(data)
        self._write_log(data)
        return self._split(data)

    def _write_log(self, data):
        if self.log is None or self.bytes > LOG_LIMIT:
            return
        try:
            self.log.write(data)
        except OSError:  # a full disk, say: the step itself will say so better
            self.log.close()
            self.log = None

    def _split(self, data):
        text = (self._partial + data).replace(b"\r", b"\n")
        pieces = text.split(b"\n")
        self._partial = pieces.pop()
        if self._cutting and pieces:
            self._cutting = False
            del pieces[0]  # the rest of a line that was too long
        if self.silenced() and b"kis\t" not in text:
            del pieces[:-TAIL_LINES]  # nobody is going to see the others, and there may be millions of them
        out = [self._keep(piece) for piece in pieces]
        if len(self._partial) > LINE_LIMIT:
            if not self._cutting:
                out.append(self._keep(self._partial))
            self._partial = b""
            self._cutting = True
        return [line for line in out if line]

    def _keep(self, piece):
        line = piece[:LINE_LIMIT].decode("utf-8", "replace").rstrip()
        if line.startswith("kis\t"):
            key, _, value = line[4:].partition("\t")
            if key in RECORDS:
                self.records[key] = value
            return ""
        if line:
            self.tail.append(line)
        return line

    def silenced(self):
        """Whether the controller has been sent enough of this child's output."""
        return self.forwarded > FORWARD_LIMIT

    def reap(self):
        """True once the main process has ended; then kill what it left behind."""
        if self.status is None:
            pid, status = os.waitpid(self.pid, os.WNOHANG)
            if pid == 0:
                return False
            self.status = status
            if not self.keep_daemons:
                self.kill(signal.SIGKILL)
                kill_marked(self.mark)
        return True

    def drain(self):
        """The rest of the output after the end: what is in the pipe now, without waiting for other holders of it."""
        out = []
        for _ in range(64):
            before = self.bytes
            out += self.lines()
            if self.bytes == before:
                break
        if self._partial and not self._cutting:
            out.append(self._keep(self._partial))
            self._partial = b""
        return [line for line in out if line]

    def kill(self, number):
        try:
            os.killpg(self.pid, number)
        except (ProcessLookupError, PermissionError):
            pass

    def overdue(self):
        return self.status is None and time.monotonic() >= self.deadline

    def destroy(self):
        """Kill the whole group now and wait for it."""
        if self.status is None:
            self.kill(signal.SIGTERM)
            if not self._wait(2.0):
                self.kill(signal.SIGKILL)
                self._wait(10.0)
        self.kill(signal.SIGKILL)
        if not self.keep_daemons:
            kill_marked(self.mark)
        self.close()

    def _wait(self, seconds):
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            pid, status = os.waitpid(self.pid, os.WNOHANG)
            if pid:
                self.status = status
                return True
            time.sleep(0.01)
        return False

    def close(self):
        if self.fd >= 0:
            os.close(self.fd)
            self.fd = -1
        if self.log is not None:
            self.log.close()
            self.log = None

    def outcome(self):
        """In words: how the main process ended; "" when well. What was killed may have caught the signal and called it a success."""
        if self.canceled:
            return "canceled"
        if self.timed_out:
            return "still running at its deadline, killed"
        if os.WIFSIGNALED(self.status):
            number = os.WTERMSIG(self.status)
            name = signal.Signals(number).name
            if number == signal.SIGKILL:
                return "killed by %s (out of memory?)" % name
            return "killed by %s" % name
        code = os.WEXITSTATUS(self.status)
        return "" if code == 0 else "exit status %d" % code


class Work(Child):
    """A forked child whose output is its result, not text for people."""

    LIMIT = 8 << 20

    def __init__(self, pid, fd, timeout):
        super().__init__(pid, fd, timeout)
        self._data = b""

    def lines(self):
        try:
            data = os.read(self.fd, 64 << 10)
        except OSError:
            return []
        self.ended = not data
        self.bytes += len(data)
        self._data += data[: self.LIMIT - len(self._data)]
        return []

    def result(self):
        """What work() returned; raises Refused or OSError where it did, and Refused where it ended without a result."""
        if self.outcome():
            raise Refused("interrupted", self.outcome())
        try:
            record = json.loads(self._data.decode("ascii"))
        except ValueError:
            raise Refused("no-result", "ended without a result")
        if "refused" in record:
            raise Refused(**record["refused"])
        if "error" in record:
            raise OSError(*record["error"])
        return record["ok"]


def spawn(argv, env, cwd, timeout, log=None, keep_fds=(), keep_daemons=False, stdin=None):
    """Start a program. Its output and errors come as one stream; its input is a file or nothing."""
    read_end, write_end = os.pipe()
    try:
        process = subprocess.Popen(
            argv,
            stdin=subprocess.DEVNULL if stdin is None else stdin,
            stdout=write_end,
            stderr=write_end,
            cwd=cwd,
            env=env,
            start_new_session=True,
            close_fds=True,
            pass_fds=keep_fds,
        )
    except BaseException:
        os.close(read_end)
        raise
    finally:
        os.close(write_end)
    process.returncode = 0  # reaped by Child, not by subprocess
    return Child(process.pid, read_end, timeout, log, keep_daemons, env.get(MARK, ""))


def fork(work, timeout, private_fds=()):
    """Run work() in a child and have its result as one line of JSON: {"ok": …}, {"refused": …} or {"error": …}.

    For everything that may take long, so that the agent goes on listening and the work dies with the connection. private_fds are the
    agent's own (its locks, its side of the conversation): a copy in the child would outlive the agent.
    """
    read_end, write_end = os.pipe()
    pid = os.fork()
    if pid == 0:
        status = 1
        try:
            os.setsid()
            for fd in (read_end,) + tuple(private_fds):
                os.close(fd)
            null = os.open(os.devnull, os.O_RDWR)
            os.dup2(null, 0)
            os.dup2(null, 1)
            for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
                signal.signal(number, signal.SIG_DFL)
            with os.fdopen(write_end, "w") as f:
                f.write(json.dumps(_outcome(work), ensure_ascii=True))
            status = 0
        except BaseException:  # pylint: disable=broad-except
            sys.excepthook(*sys.exc_info())
        finally:
            os._exit(status)
    os.close(write_end)
    return Work(pid, read_end, timeout)


def _outcome(work):
    try:
        return {"ok": work()}
    except Refused as refused:
        return {"refused": refused.record()}
    except OSError as err:
        return {"error": [err.errno, err.strerror, err.filename]}


def kill_marked(mark):
    """Kill processes that escaped their group but still carry this agent's mark."""
    if not mark or not os.path.isdir("/proc"):
        return
    text = ("%s=%s" % (MARK, mark)).encode()
    for name in os.listdir("/proc"):
        if not name.isdigit() or int(name) == os.getpid():
            continue
        try:
            with open("/proc/%s/environ" % name, "rb") as f:
                marked = text in f.read().split(b"\0")
            if marked:
                os.kill(int(name), signal.SIGKILL)
        except OSError:
            continue
