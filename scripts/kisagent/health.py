"""Health of an application, asked on the host itself over HTTP: RFC 9110, and RFC 8446 for https.

A check is repeated until it has succeeded so many times in a row, or until its time is over. What is compared is the status,
a header or a text in the body; redirects are not followed, because the answer of another application proves nothing.
"""
import http.client
import socket
import time
import urllib.parse

from kisagent import strict
from kisagent.store import seconds
from kisagent.wire import Refused

PAUSE = 0.5  # seconds between two attempts, and after the first refused connection
ATTEMPT = 10.0  # seconds one attempt may take
BODY_LIMIT = 256 << 10  # bytes of a body that are searched
TAIL_LINES = 5  # of the last body that are passed on
LINE_LIMIT = 300
WAITED_FOR = (OSError, http.client.HTTPException)
KINDS = {name: strict.is_text for name in ("url", "unix", "host", "header", "value", "body")}
KINDS.update(status=strict.is_integer, consecutive=strict.is_integer, within=strict.is_number)


class Unix(http.client.HTTPConnection):
    """HTTP over a Unix socket, as gunicorn and uvicorn listen on for nginx."""

    def __init__(self, path, timeout):
        super().__init__("localhost", timeout=timeout)
        self.path = path

    def connect(self):
        self.sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.sock.settimeout(self.timeout)
        self.sock.connect(self.path)


def tls_class():
    try:
        from kisagent.tls import Tls
    except ImportError:
        raise Refused("no-module", "python was built without ssl, so that nothing can be asked by https", "name another interpreter in the inventory, python: /path/to/python3")
    return Tls


class Check:
    """One health check, as the inventory describes it."""

    def __init__(self, args):
        if not isinstance(args, dict) or not strict.members_match(args, KINDS):
            raise Refused("bad-request", "not a health check: %.200r" % (args,))
        self.url, self.unix, self.host = args["url"], args.get("unix") or "", args.get("host") or ""
        self.status, self.body = args.get("status") or 200, args.get("body") or ""
        self.header, self.value = args.get("header") or "", args.get("value") or ""
        self.consecutive, self.within = args.get("consecutive") or 1, seconds(args["within"])
        parts = urllib.parse.urlsplit(self.url)
        if parts.scheme not in ("http", "https") or not parts.hostname:
            raise Refused("bad-request", "not an address of a health check: %.200s" % self.url)
        self.tls, self.address, self.port = parts.scheme == "https", parts.hostname, parts.port
        self.target = urllib.parse.urlunsplit(("", "", parts.path or "/", parts.query, ""))
        self.seen, self.tail = "", []  # what the last attempt came to

    def wait(self):
        """Repeat the check until it holds. The answer says how long that took."""
        begin = time.monotonic()
        attempts = passed = best = 0
        while True:
            left = begin + self.within - time.monotonic()
            if left <= 0:
                flapped = " (at most %d of %d successes in a row)" % (best, self.consecutive) if best else ""
                message = "%s for %g s: %s%s" % (self.name(), self.within, self.seen or "no attempt was possible", flapped)
                raise Refused("unhealthy", message, tail=self.tail)
            attempts += 1
            passed = passed + 1 if self.attempt(min(ATTEMPT, left)) else 0
            best = max(best, passed)
            if passed >= self.consecutive:
                return {"attempts": attempts, "seconds": time.monotonic() - begin}
            time.sleep(max(0.0, min(PAUSE, begin + self.within - time.monotonic())))

    def name(self):
        return "%s is not healthy" % (self.url if not self.unix else "%s over %s" % (self.target, self.unix))

    def attempt(self, timeout):
        """Whether one request is answered as expected; what it came to is in seen and tail."""
        connection = self.connection(timeout)
        try:
            connection.request("GET", self.target, headers={"Host": self.host or self.authority(), "User-Agent": "kis", "Connection": "close"})
            answer = connection.getresponse()
            body = answer.read(BODY_LIMIT).decode("utf-8", "replace")
        except WAITED_FOR as err:
            if timeout < ATTEMPT and self.seen and isinstance(err, socket.timeout):
                return False  # the end of the whole check cut this attempt off: what was seen before says more
            self.seen, self.tail = getattr(err, "strerror", None) or str(err) or type(err).__name__, []
            return False
        finally:
            connection.close()
        return self.judge(answer, body)

    def judge(self, answer, body):
        self.tail = [line[:LINE_LIMIT] for line in body.split("\n") if line.strip()][:TAIL_LINES]
        if answer.status != self.status:
            self.seen = "the status is %d, not %d" % (answer.status, self.status)
        elif self.header and (answer.getheader(self.header) or "").strip() != self.value:
            self.seen = "the header %s is %.100r, not %.100r" % (self.header, answer.getheader(self.header), self.value)
        elif self.body not in body:
            self.seen = "the body does not contain %.100r" % self.body
        else:
            return True
        return False

    def connection(self, timeout):
        if self.unix:
            return Unix(self.unix, timeout)
        if self.tls:
            return tls_class()(self.address, self.port or 443, self.host or self.address, timeout)
        return http.client.HTTPConnection(self.address, self.port or 80, timeout=timeout)

    def authority(self):
        """The Host header that the address itself stands for."""
        name = "[%s]" % self.address if ":" in self.address else self.address
        return name if self.port is None else "%s:%d" % (name, self.port)
