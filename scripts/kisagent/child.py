"""Child processes of the agent: each in its own session, without the agent's standard input, with a
deadline.

A step ends when its main process ends, even if a process it left behind still holds its output
open. The agent then kills the step's process group, and every process outside of the group that
carries the agent's mark (KIS_AGENT) in its environment. After-link commands are exempt: they may
start daemons.

The step's own script writes records through a separate pipe, which no program of the step inherits:
whatever a program prints is output, never a record.
"""
import collections
import gc
import marshal
import os
import signal
import sys
import time

from kisagent.processes import MARK, kill_marked, running_names
from kisagent.store import seconds
from kisagent.wire import Refused

TAIL_LINES = 300  # the cause of a failure is looked for in them; the last few are shown
LINE_LIMIT = 2000  # bytes of one line, unless its owner sets another; the rest is cut
FORWARD_LIMIT = 512 << 10  # bytes of output sent to the controller per step
RECORDS_LIMIT = 256 << 10  # bytes of records that are read
LEFT_NAMED = 5  # at most so many of the processes that a step left running are named
LOG_LIMIT = 16 << 20  # bytes of output kept in the build log per step


class Child:
    """A running child. The owner selects on .fd, calls lines(), and reap() until it returns
    True."""

    def __init__(self, pid, fd, timeout, log=None, keep_daemons=False, mark="", records_fd=-1):
        self.pid = pid
        self.fd = fd
        self.records_fd = records_fd
        self.deadline = time.monotonic() + seconds(timeout)
        self.timed_out = False
        self.canceled = False
        self.unkillable = False
        self.status = None
        self.ended = False  # its output is at end of file; the process may still run
        self.bytes = 0
        self.line_limit = LINE_LIMIT
        self.tail = collections.deque(maxlen=TAIL_LINES)
        self.log = log
        self.keep_daemons = keep_daemons
        self.mark = mark
        self.watch = None  # is called after each piece of output, and returns the wheels that there are, see downloads.py
        self.forwarded = 0  # bytes sent to the controller
        # Written by the step's own script, see prelude.sh; complete once it has ended
        self.records = {}
        self.left_running = []  # names of the processes that it left behind
        self._partial = b""
        self._cutting = False
        for end in (fd, records_fd):
            if end >= 0:
                os.set_blocking(end, False)

    def lines(self):
        """Read what is available; return complete lines as text, each cut to the limit."""
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
        except OSError:  # such as a full disk: the step itself reports that better
            self.log.close()
            self.log = None

    def _split(self, data):
        text = (self._partial + data).replace(b"\r", b"\n")
        pieces = text.split(b"\n")
        self._partial = pieces.pop()
        if self._cutting and pieces:
            self._cutting = False
            del pieces[0]  # the rest of a line that was too long
        if self.output_limit_reached():
            # Only the tail is used from here on, and there may be millions of lines
            del pieces[:-TAIL_LINES]
        out = [self._keep(piece) for piece in pieces]
        if len(self._partial) > self.line_limit:
            if not self._cutting:
                out.append(self._keep(self._partial))
            self._partial = b""
            self._cutting = True
        return [line for line in out if line]

    def _keep(self, piece):
        line = piece[:self.line_limit].decode("utf-8", "replace").rstrip()
        if line:
            self.tail.append(line)
        return line

    def output_limit_reached(self):
        """Whether FORWARD_LIMIT bytes of this child's output have been sent to the controller."""
        return self.forwarded > FORWARD_LIMIT

    def reap(self):
        """True once the main process has ended; then kill what it left behind."""
        if self.status is None:
            pid, status = os.waitpid(self.pid, os.WNOHANG)
            if pid == 0:
                return False
            self.status = status
            if not self.keep_daemons:
                self.left_running = running_names(self.pid, self.mark)
                self.kill(signal.SIGKILL)
                if self.left_running:  # and may have started more
                    kill_marked(self.mark)
        return True

    def drain(self):
        """The rest of the output: what is in the pipe now, without waiting for other writers."""
        self._read_records()
        out = []
        for _ in range(64):
            before = self.bytes
            out += self.lines()
            if self.bytes == before:
                break
        if self._partial and not self._cutting:
            out.append(self._keep(self._partial))
            self._partial = b""
        if self.left_running:
            out.append(self._report_left_running())
        return [line for line in out if line]

    def _read_records(self):
        data = b""
        while self.records_fd >= 0 and len(data) < RECORDS_LIMIT:
            try:
                more = os.read(self.records_fd, 64 << 10)
            except OSError:
                break
            if not more:
                break
            data += more
        for line in data.decode("utf-8", "replace").split("\n"):
            key, tab, value = line.partition("\t")
            if tab:
                self.records[key] = value

    def _report_left_running(self):
        """Report processes that kis killed unasked, also in the build log: one may have been a
        service that the user expects to run."""
        names = ", ".join(self.left_running[:LEFT_NAMED]) + (", \u2026" if len(self.left_running) > LEFT_NAMED else "")
        many = "1 process" if len(self.left_running) == 1 else "%d processes" % len(self.left_running)
        line = "kis: this step left %s running; kis killed it: %s" % (many, names)
        self._write_log(("\n%s\n" % line).encode("utf-8"))
        return self._keep(line.encode("utf-8"))

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
        # Another user's process (sudo), or one in uninterruptible sleep on a failed disk: do not
        # wait for it.
        self.unkillable = self.status is None
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
        for fd in (self.fd, self.records_fd):
            if fd >= 0:
                os.close(fd)
        self.fd = self.records_fd = -1
        if self.log is not None:
            self.log.close()
            self.log = None

    def failure(self):
        """How the main process failed, in words; "" for success. A killed process may have caught
        the signal and exited with 0, so the reason for the kill decides."""
        if self.unkillable:
            return "%s, and cannot be killed by this user: process %d" % ("canceled" if self.canceled else "still running at its deadline", self.pid)
        if self.canceled:
            return "canceled"
        if self.timed_out:
            return "still running at its deadline, killed"
        if os.WIFSIGNALED(self.status):
            number = os.WTERMSIG(self.status)
            name = signal_name(number)
            if number == signal.SIGKILL:
                return "killed by %s (out of memory?)" % name
            return "killed by %s" % name
        code = os.WEXITSTATUS(self.status)
        return "" if code == 0 else "exit status %d" % code


def signal_name(number):
    try:
        return signal.Signals(number).name
    except ValueError:  # a real-time signal
        return "signal %d" % number


class ForkedTask(Child):
    """A forked function. Its output is the result, encoded by marshal, not text for users. That of a package with
    many files takes tens of megabytes."""

    def __init__(self, pid, fd, timeout):
        super().__init__(pid, fd, timeout)
        self._data = []

    def lines(self):
        try:
            data = os.read(self.fd, 64 << 10)
        except OSError:
            return []
        self.ended = not data
        self.bytes += len(data)
        self._data.append(data)
        return []

    def result(self):
        """What the function returned. Raises Refused or OSError where it did, and Refused where it
        ended without a result."""
        if self.failure():
            raise Refused("interrupted", self.failure())
        try:
            record = marshal.loads(b"".join(self._data))
        except (ValueError, TypeError, EOFError):
            raise Refused("no-result", "ended without a result")
        if "refused" in record:
            raise Refused(**record["refused"])
        if "error" in record:
            raise OSError(*record["error"])
        return record["ok"]


def spawn(argv, env, cwd, timeout, log=None, keep_fds=(), keep_daemons=False):
    """Start a step. Its standard output carries the records; its standard error carries the output
    and errors of its programs as one stream, see prelude.sh. Its standard input is /dev/null."""
    import subprocess

    # Refuse a bad value before the program is started, or nothing would wait for it
    seconds(timeout)
    ends = []
    try:
        records, records_write = pipe(ends)
        output, output_write = pipe(ends)
        process = subprocess.Popen(
            argv,
            stdin=subprocess.DEVNULL,
            stdout=records_write,
            stderr=output_write,
            cwd=cwd,
            env=env,
            start_new_session=True,
            close_fds=True,
            pass_fds=keep_fds,
        )
    except BaseException:
        for fd in ends:
            os.close(fd)
        raise
    os.close(records_write)
    os.close(output_write)
    process.returncode = 0  # reaped by Child, not by subprocess
    return Child(process.pid, output, timeout, log, keep_daemons, env.get(MARK, ""), records)


def pipe(ends):
    """Create a pipe, and add its ends to those that are closed when something fails."""
    both = os.pipe()
    ends += both
    return both


def fork(function, timeout, private_fds=()):
    """Run function in a child. Its result is encoded by marshal: {"ok": …}, {"refused": …} or
    {"error": …}.

    For everything that may take long: the agent keeps reading commands meanwhile, and the child
    dies with the session. private_fds are the agent's locks and its side of the session: a copy of
    them in the child would outlive the agent.
    """
    read_end, write_end = os.pipe()
    pid = os.fork()
    if pid == 0:
        status = 1
        try:
            os.setsid()
            gc.disable()  # it would look for garbage among what this process shares with the agent, and copy that
            for fd in (read_end,) + tuple(private_fds):
                os.close(fd)
            null = os.open(os.devnull, os.O_RDWR)
            os.dup2(null, 0)
            os.dup2(null, 1)
            for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
                signal.signal(number, signal.SIG_DFL)
            with os.fdopen(write_end, "wb") as f:
                f.write(marshal.dumps(_encode_result(function)))
            status = 0
        except BaseException:  # pylint: disable=broad-except
            sys.excepthook(*sys.exc_info())
        finally:
            os._exit(status)
    os.close(write_end)
    return ForkedTask(pid, read_end, timeout)


def _encode_result(function):
    try:
        return {"ok": function()}
    except Refused as refused:
        return {"refused": refused.record()}
    except OSError as err:
        return {"error": [err.errno, err.strerror, err.filename]}
    except Exception as err:  # pylint: disable=broad-except
        return {"refused": Refused("bad-request", "%s: %.200s" % (type(err).__name__, err)).record()}
