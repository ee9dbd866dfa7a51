"""fuzz_agent.py SEED CASES: a real agent against damaged files and impossible commands.

Whatever is in a manifest, a receipt, a journal or a lock file, and whatever a line of the session
says, the agent answers `done`, or `refused` with a code, in JSON that every reader takes; or it
ends the session and says why in one line. It does not die of an exception, it answers soon, it
appends to its journals and rewrites nothing in them, and what it appends can be read.

The same seed makes the same cases. Prints one line for each failure, with the seed and the number
of the case, and exits 1.
"""
import base64
import copy
import io
import json
import os
import random
import select
import shutil
import subprocess
import sys
import tarfile
import tempfile
import time
import zlib

sys.dont_write_bytecode = True
SCRIPTS = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
sys.path.insert(0, SCRIPTS)

from kisagent import build, journal, store  # pylint: disable=wrong-import-position

ANSWER_WITHIN = 30.0  # seconds; an agent answers in milliseconds, the machine may be busy
NONCE = "0123456789abcdef"
LOADER = """
import sys
sys.path.insert(0, %r)
import json
from kisagent import main
main.main(json.loads(sys.stdin.buffer.readline().decode("utf-8")))
"""
NESTED = 100000


class Raw:  # pylint: disable=too-few-public-methods
    """JSON that json.dumps would not write."""

    def __init__(self, text):
        self.text = text


def dumps(value):
    """JSON with the raw parts in it."""
    raw = []

    def default(one):
        raw.append(one.text)
        return "\x01%d\x02" % (len(raw) - 1)

    text = json.dumps(value, default=default, separators=(",", ":"))
    for i, part in enumerate(raw):
        text = text.replace('"\\u0001%d\\u0002"' % i, part)
    return text


VALUES = [
    None, True, False, 0, 1, -1, 2, 5, 0.5, -0.0, 1e308, 2**31, 2**53, 2**63 - 1, 2**63, -(2**63) - 1, 10**400,
    "", " ", "\0", "a\0b", "\n", "\ud800", "\udcff", "\u2028", "..", "../x", "/", "/etc/passwd", "staging", "production", "app-1", "app-2", "app-9", "x" * 5000, "é" * 3000,
    "linked", "armed", "confirmed", "ended", "aborted", "2026-11-01T12:00:00Z", "9999-99-99T00:00:00Z", "0" * 64, "0123456789",
    [], {}, [[]], [None], ["a", 1], {"a": {}}, {"hosts": {}}, {"name": "../x", "sha256": "0" * 64}, [{"name": "..", "sha256": "0" * 64}], ["true"], ["exit 3"], {"KIS_X": 1}, {"A=B": "c"}, {"\0": "\0"},
    Raw("NaN"), Raw("Infinity"), Raw("-Infinity"), Raw("1e999"), Raw("-1e999"), Raw("9" * 5000), Raw("[" * 400 + "]" * 400), Raw('{"a":' * 300 + "1" + "}" * 300),
]  # fmt: skip

# What only a line or a file of its own can hold.
LINES = [
    b"", b" ", b"{", b"}", b"null", b"true", b"1", b'"x"', b"[]", b"[1]", b"{}", b"\0", b"\xff\xfe", b"\xef\xbb\xbf{}", b'{"a":}', b'{"id":1,"op":"ping"', b"NaN", b'{"id":NaN,"op":"ping"}',
    b"[" * NESTED, b"[" * 400 + b"]" * 400, b'{"id":1,"op":"ping","x":' + b"[" * 2000 + b"]" * 2000 + b"}", b'{"id":1,"op":' + b"[" * 900 + b"]" * 900 + b"}", b'{"id":' + b"[" * 900 + b"]" * 900 + b',"op":"ping"}',
    b'{"a":' * NESTED, b"9" * 5000, b'{"id":1,"op":"ping","x":' + b"9" * 5000 + b"}", b"x" * 3000000, b'{"id":1,"op":"ping","x":"\\ud800"}', b'{"id":1,"op":"\\ud800"}', b'{"id":1}', b'{"op":"ping"}', b'{"id":1,"op":"__init__"}',
]  # fmt: skip


def stamped(body):
    return body[:-1] + b',"crc":"%08x"}' % (zlib.crc32(body) & 0xFFFFFFFF)


def strict(text):
    """JSON as every reader takes it: no NaN, no number that a machine word cannot hold."""

    def integer(digits):
        number = int(digits)
        if not -(2**63) <= number < 2**63:
            raise ValueError("the number %s..." % digits[:30])
        return number

    def constant(word):
        raise ValueError(word)

    def real(digits):
        number = float(digits)
        if number in (float("inf"), float("-inf")):
            raise ValueError(digits)
        return number

    return json.loads(text, parse_int=integer, parse_constant=constant, parse_float=real)


class Failed(Exception):
    """What an agent must not do."""


class Agent:
    """One agent, as a controller has it."""

    def __init__(self, home):
        self.errors = tempfile.TemporaryFile(dir=home)
        argv = [sys.executable, "-X", "utf8", "-X", "pycache_prefix=" + os.path.join(home, "compiled"), "-I", "-S", "-c", LOADER % SCRIPTS]
        self.process = subprocess.Popen(argv, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=self.errors, env={"PATH": os.environ["PATH"]})
        self.buffer = b""
        self.number = 0
        self.answers = {"done": 0, "refused": 0}
        self.write(json.dumps({"nonce": NONCE, "steps": steps(), "timeouts": {"lease": 60, "term_grace": 10}}).encode() + b"\n")
        if self.line()["ev"] != "hello":
            raise Failed("no greeting")

    def write(self, data):
        try:
            self.process.stdin.write(data)
            self.process.stdin.flush()
        except BrokenPipeError:
            pass

    def line(self):
        """The next frame, or None when the agent has ended."""
        end = time.monotonic() + ANSWER_WITHIN
        while b"\n" not in self.buffer:
            if not select.select([self.process.stdout], [], [], max(0, end - time.monotonic()))[0]:
                raise Failed("no answer")
            data = os.read(self.process.stdout.fileno(), 1 << 16)
            if not data:
                return None
            self.buffer += data
        line, _, self.buffer = self.buffer.partition(b"\n")
        prefix = b"KIS1 " + NONCE.encode() + b" "
        if not line.startswith(prefix) or len(line) > 16 << 20:
            raise Failed("a line that is no frame: %r" % line[:100])
        try:
            return strict(line[len(prefix) :].decode("ascii"))
        except ValueError as err:
            raise Failed("a frame that cannot be read: %s in %r" % (err, line[:200]))

    def ask(self, op, data=b"", **args):
        """The answer to a command, or None when the agent has ended instead."""
        self.number += 1
        return self.put(dumps(dict(args, id=self.number, op=op)).encode() + b"\n" + data, self.number)

    def put(self, line, number=None):
        self.write(line)
        while True:
            answer = self.line()
            if answer is None:
                self.ended()
                return None
            if answer.get("ev") == "output":
                continue
            if number is not None and answer.get("id") != number:
                raise Failed("the answer to another command: %r" % answer)
            if answer.get("ev") not in ("done", "refused"):
                raise Failed("neither done nor refused: %r" % answer)
            if answer["ev"] == "refused" and not (isinstance(answer.get("code"), str) and answer["code"] and isinstance(answer.get("message"), str)):
                raise Failed("refused without a code: %r" % answer)
            self.answers[answer["ev"]] += 1
            return answer

    def ended(self):
        self.process.wait(ANSWER_WITHIN)
        said = self.said()
        if self.process.returncode != 0 or not said.startswith("kis: agent: ") or said.count("\n") > 1:
            raise Failed("the agent ended with status %r: %s" % (self.process.returncode, said[-600:]))

    def said(self):
        self.errors.seek(0)
        return self.errors.read().decode("utf-8", "replace")

    def close(self):
        """The end of the session. Neither the agent nor its children may have printed an
        exception."""
        try:
            self.process.stdin.close()
        except BrokenPipeError:
            pass
        try:
            self.process.wait(ANSWER_WITHIN)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
            raise Failed("the agent does not end with its input")
        finally:
            said = self.said()
            self.errors.close()
            self.process.stdout.close()
        if "Traceback" in said:
            raise Failed("an exception: %s" % said[-600:])


def steps():
    read = lambda name: open(os.path.join(SCRIPTS, name), encoding="utf-8").read()  # pylint: disable=unnecessary-lambda-assignment,consider-using-with
    programs = {name: read("prelude.sh") + "\n" + read(name + ".sh") for name in ("unpack", "pip", "verify", "command")}
    return dict(programs, pipsettings=read("pipsettings.txt"))


def archive(home, name):
    """A source distribution: its bytes and its content digest."""
    top = os.path.join(home, "source", name)
    os.makedirs(top)
    with open(os.path.join(top, "PKG-INFO"), "w", encoding="utf-8") as f:
        f.write("Metadata-Version: 2.1\nName: app\nVersion: %s\n" % name[-1])
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w:gz") as tar:
        tar.add(top, name)
    return out.getvalue(), build.content_digest(build.content_lines(top))


def must(answer):
    if answer is None or answer["ev"] != "done":
        raise Failed("the repository of the test cannot be made: %r" % answer)
    return answer


LOCK = {"stage": "staging", "run": "0123456789", "owner": {"who": "ann@laptop", "what": "push"}}
BEFORE = {"to": "app-0", "since": "2026-11-01T12:00:00Z", "by": "bob@desk", "op": "push", "run": "9876543210", "scope": "all", "confirmed": True, "packages": ["app-0"]}
NOTE = {"by": "ann@laptop", "scope": "all", "hosts": ["web1", "web2"], "requested": "2026-11-01T12:00:00Z", "git": "abc", "before": BEFORE}
ARM = {"stage": "staging", "run": "0123456789", "operation": "push", "expected": "app-1", "to": "app-2", "dangling": False, "note": NOTE, "seconds": 30}


def make_repository(home):
    """A repository with two sealed packages, of which the first is linked."""
    import hashlib

    root = os.path.join(home, "whole")
    os.mkdir(root, 0o755)
    agent = Agent(home)
    must(agent.ask("open", root=root))
    must(agent.ask("lock", **LOCK))
    for name in ("app-1", "app-2"):
        data, content = archive(home, name)
        digest = hashlib.sha256(data).hexdigest()
        must(agent.ask("begin", package=name, content=content, recipe="recipe"))
        must(agent.ask("put", data, part="abcdefgh" + name[-1], size=len(data)))
        must(agent.ask("receive", part="abcdefgh" + name[-1], sha256=digest, size=len(data)))
        must(agent.ask("unpack", sha256=digest, content=content, timeout=60))
        must(agent.ask("freeze", modified=1700000000))
        must(agent.ask("seal", facts={"name": "app", "content": content, "recipe": "recipe", "by": "ann@laptop"}))
    must(agent.ask("arm", **dict(ARM, expected=None, to="app-1")))
    must(agent.ask("commit", run="0123456789"))
    must(agent.ask("confirm", run="0123456789", note={"skew": 0.25}))
    agent.close()
    return root


class Fuzz:
    """Cases made of one seed."""

    def __init__(self, home, seed, cases):
        self.random = random.Random(seed)
        self.home, self.seed, self.cases = home, seed, cases
        self.whole = make_repository(home)
        self.root = os.path.join(home, "webcode")
        self.failures = 0
        self.agent = None
        self.trace = []
        self.answers = {"done": 0, "refused": 0}

    # What is sent and written.

    def mutate(self, data):
        """Bytes with a few of them changed."""
        data, pick = bytearray(data), self.random
        for _ in range(pick.randint(1, 4)):
            at = pick.randint(0, len(data))
            kind = pick.randrange(6)
            if kind == 0 and data:
                data[at % len(data)] = pick.randrange(256)
            elif kind == 1:
                del data[at : at + pick.randint(1, 40)]
            elif kind == 2:
                data[at:at] = bytes(pick.randrange(256) for _ in range(pick.randint(1, 8)))
            elif kind == 3:
                del data[at:]
            elif kind == 4:
                data[at:at] = pick.choice([b'"', b"{", b"}", b"[", b",", b":", b"null", b"\\ud800", b"\n", b"\0", b"1e999", b"NaN", b'"crc":"', b',"crc":"}'])
            else:
                part = data[at : at + pick.randint(1, 200)]
                data[at:at] = part * pick.randint(1, 50)
        return bytes(data)

    def altered(self, record):
        """A record with members of other values or kinds, fewer of them or more."""
        record, pick = copy.deepcopy(record), self.random
        for _ in range(pick.randint(1, 3)):
            name = pick.choice(sorted(record) + ["v", "seq", "x"])
            kind = pick.randrange(5)
            if kind == 0:
                record.pop(name, None)
            elif kind == 1 and isinstance(record.get(name), dict):
                record[name] = self.altered(record[name])
            else:
                record[name] = pick.choice(VALUES)
        return record

    def line(self):
        """A line of a journal that may have its checksum, whatever it says."""
        pick = self.random
        records = self.records()
        if pick.random() < 0.3:
            return self.mutate(stamped(dumps(pick.choice(records)).encode()))
        if pick.random() < 0.2:
            body = pick.choice(LINES)
            return stamped(body) if body.endswith(b"}") else body
        body = dumps(self.altered(pick.choice(records))).encode("utf-8", "surrogatepass")
        return stamped(body) if pick.random() < 0.8 else body

    def records(self):
        at = {"v": 1, "seq": 9, "boot": "x", "at": "2026-11-01T12:00:00Z", "run": "abcdefghij", "op": "push", "from": "app-1", "to": "app-2"}
        events = ["armed", "linked", "confirmed", "unconfirmed", "reverted", "aborted"]
        return [dict(at, ev=event) for event in events] + [dict(at, ev="ended", by="bob@desk"), dict(at, ev="linked", v=2)]

    def journal(self, text):
        lines = text.split(b"\n")
        for _ in range(self.random.randint(1, 3)):
            lines.insert(self.random.randint(0, len(lines)), self.line())
        return b"\n".join(lines) if self.random.random() < 0.5 else b"\n".join(lines) + b"\n"

    def receipt(self, text):
        try:
            record = json.loads(text.decode())
        except (ValueError, RecursionError):  # it is damaged already
            record = None
        if not isinstance(record, dict) or self.random.random() < 0.4:
            return self.mutate(text)
        return dumps(self.altered(record)).encode("utf-8", "surrogatepass")

    def lock_file(self, _):
        record = {"who": "bob@desk", "what": "push", "run": "abcdefghij", "pid": 2**31 - 2, "since": "2026-11-01T12:00:00Z"}
        return dumps(self.altered(record)).encode("utf-8", "surrogatepass")

    def files(self):
        journals, locks = os.path.join(self.root, ".kis/journal"), os.path.join(self.root, ".kis/locks")
        return [
            (os.path.join(self.root, "app-2/.kis/manifest"), self.mutate),
            (os.path.join(self.root, "app-1/.kis/receipt.json"), self.receipt),
            (os.path.join(self.root, "app-2/.kis/receipt.json"), self.receipt),
            (os.path.join(journals, "staging"), self.journal),
            (os.path.join(journals, "staging"), self.journal),
            (os.path.join(locks, "staging"), self.lock_file),
            (os.path.join(locks, "build.app-1"), self.lock_file),
            (os.path.join(self.root, ".kis/host-id"), self.mutate),
        ]

    def damage(self):
        path, how = self.random.choice(self.files())
        try:
            with open(path, "rb") as f:
                before = f.read()
        except FileNotFoundError:
            before = b""
        after = self.random.choice(LINES) if self.random.random() < 0.15 else how(before)
        os.chmod(os.path.dirname(path), 0o755 if "/app-" in path else 0o700)
        if os.path.exists(path):
            os.chmod(path, 0o600)
        with open(path, "wb") as f:
            f.write(after)
        self.trace.append("%s is %s" % (path[len(self.root) :], base64.b64encode(after[:3000]).decode()))

    # What must hold.

    def journals(self):
        directory, found = os.path.join(self.root, ".kis/journal"), {}
        for name in os.listdir(directory) if os.path.isdir(directory) else ():
            with open(os.path.join(directory, name), "rb") as f:
                found[name] = f.read()
        return found

    def check_journals(self, before):
        """What was there is there, and what was appended since can be read, the last of it
        first."""
        for name, text in self.journals().items():
            old = before.get(name, b"")
            if not text.startswith(old):
                raise Failed("the journal of %s was rewritten" % name)
            new = [line for line in text[len(old) :].split(b"\n") if line]
            for line in new:
                if journal.sound(line.decode("ascii")) is None:
                    raise Failed("a line was written that cannot be read: %r" % line[:300])
            if new:
                read = list(journal.Journal(store.Repository(self.root), name).records())
                want = [journal.sound(line.decode("ascii")) for line in reversed(new)]
                if read[: len(want)] != want:
                    raise Failed("what was written to the journal of %s is not read back" % name)
        for name in set(before) - set(self.journals()):
            raise Failed("the journal of %s is gone" % name)

    def check_link(self):
        path = os.path.join(self.root, "staging")
        if os.path.lexists(path) and os.readlink(path) not in ("app-1", "app-2"):
            raise Failed("staging is linked to %r" % os.readlink(path))

    # The cases.

    def fresh(self):
        if os.path.lexists(self.root):
            store.remove_tree(self.root)
        shutil.copytree(self.whole, self.root, symlinks=True)

    def started(self):
        self.agent = Agent(self.home)
        must(self.agent.ask("open", root=self.root))
        return self.agent

    def stop(self):
        agent, self.agent = self.agent, None
        for kind, many in agent.answers.items():
            self.answers[kind] += many
        agent.close()

    def on_files(self):
        """Damaged files, and all that a push makes of them."""
        self.fresh()
        for _ in range(self.random.randint(1, 3)):
            self.damage()
        before = self.journals()
        agent = self.started()
        for op, args in (
            ("state", {}), ("state", {"packages_only": True}),
            ("check", {"stage": "staging", "package": "app-2", "packages": True, "build": True, "need_bytes": 1, "need_inodes": 1}),
            ("lock", dict(LOCK, run="r%09d" % self.random.randrange(10**9))),
            ("begin", {"package": "app-2", "content": None, "recipe": ""}),
            ("arm", ARM), ("commit", {}), ("revert", {}), ("restarted", {"stage": "staging", "succeeded": True}),
            ("arm", ARM), ("commit", {}), ("confirm", {"note": {}}),
        ):  # fmt: skip
            if op == "lock":
                run = args["run"]
            elif op in ("arm", "commit", "revert", "confirm", "restarted"):
                args = dict(args, run=run)
            answer = agent.ask(op, **args)
            if answer is None:
                raise Failed("%s ended the session" % op)
            if op == "lock" and answer["ev"] == "refused":
                break
        self.check_journals(before)
        self.check_link()
        self.stop()
        self.check_journals(before)
        self.check_left()

    def check_left(self):
        left = os.listdir(os.path.join(self.root, ".kis/armed"))
        if left:
            raise Failed("prepared links are left: %r" % left)

    def command(self, run):
        """A command that a controller could send, by and large."""
        text = {"package": "app-1", "commands": ["true"], "env": {"KIS_X": "y"}, "timeout": 5}
        pip = {"requirements": None, "constraints": None, "given": [], "locals": [], "index_url": "", "extra_index_urls": [], "timeout": 5}
        commands = [
            ("ping", {}), ("open", {"root": self.root}), ("state", {}), ("cancel", {}), ("abort", {}), ("unlock", {}),
            ("check", {"stage": "staging", "package": "app-2", "packages": True, "build": True, "need_bytes": 1, "need_inodes": 1}),
            ("lock", dict(LOCK, run=run)), ("lock", dict(LOCK, run=run, since=3)), ("have", {"digests": ["0" * 64]}), ("receive", {"part": "abcdefgh", "sha256": "0" * 64, "size": 3}),
            ("begin", {"package": "app-1", "content": None, "recipe": "", "read": True}), ("begin", {"package": "app-3", "content": "x", "recipe": "y"}), ("unpack", {"sha256": "0" * 64, "content": "x", "timeout": 5}),
            ("compile", {"given": "0" * 64, "timeout": 5}), ("pack", {"timeout": 5}), ("freeze", {"modified": 1700000000}),
            ("seal", {"facts": {"name": "app", "content": "x", "recipe": "y", "imports": [], "verified": []}}), ("verify", dict(text, name="app", complete=True)),
            ("environment", dict(pip, wheels=[{"name": "x-1-py3-none-any.whl", "sha256": "a" * 64, "size": 1}], installer="auto", library="a" * 64, modified=1700000000, editable=False, additions="")),
            ("fetch", dict(pip, wheels=[{"name": "x-1-py3-none-any.whl", "sha256": "a" * 64, "size": 1}])),
            ("wheels", dict(pip, hashed=False, name="app", application=None, archive="a" * 64, extras=["x"])),
            ("rehash", {"package": "app-1", "timeout": 5}), ("read", {"sha256": "a" * 64, "offset": 0}),
            ("arm", dict(ARM, run=run)), ("arm", dict(ARM, run=run)), ("commit", {"run": run}), ("commit", {"run": run}), ("revert", {"run": run}), ("confirm", {"run": run, "note": {"skew": 0.5}}),
            ("resume", dict(ARM, run=run, expected="app-2", to="app-1")), ("restarted", {"stage": "staging", "run": run, "succeeded": False}), ("fence", {"stage": "staging", "run": run}),
            ("command", dict(text, stage="staging", run=run)), ("evict", {"stage": "production", "run": run}), ("break", {"stage": "production", "run": run, "by": "bob@desk"}), ("put", {"part": "abcdefgh", "size": 3}),
        ]  # fmt: skip
        return self.random.choice(commands)

    def on_commands(self):
        """A session of commands that are altered now and then, after a lock that may be had."""
        self.fresh()
        before, run, pick = self.journals(), "r%09d" % self.random.randrange(10**9), self.random
        agent = self.started()
        if pick.random() < 0.8:
            must(agent.ask("lock", **dict(LOCK, run=run)))
        for _ in range(pick.randint(3, 25)):
            if pick.random() < 0.04:
                line = pick.choice(LINES) if pick.random() < 0.5 else self.mutate(dumps({"id": 1, "op": "ping", "x": [NOTE]}).encode()).replace(b"\n", b" ")
                self.trace.append("line %r" % line[:200])
                if agent.put(line + b"\n") is None:
                    break
                continue
            op, args = self.command(run)
            if pick.random() < 0.6:
                args = self.altered(args)
            data = b"abc" if op == "put" else b""
            # The announced bytes would not be sent
            if op == "put" and not (type(args.get("size")) is int and args["size"] == 3):
                args["size"] = pick.choice([x for x in VALUES if type(x) is not int or x < 0])
                data = b""
            self.trace.append(dumps(dict(args, op=op))[:400])
            if agent.ask(op, data, **args) is None:
                break
            self.check_journals(before)
            self.check_link()
        self.stop()
        self.check_journals(before)
        self.check_link()
        self.check_left()

    def all(self):
        begin = time.monotonic()
        for case in range(self.cases):
            self.trace = []
            try:
                self.on_files() if case % 2 else self.on_commands()  # pylint: disable=expression-not-assigned
            except (Failed, OSError) as err:
                self.failures += 1
                print("seed %d, case %d: %s\n    after %s" % (self.seed, case, err, "\n    after ".join(self.trace[-3:])))
                if self.agent is not None:
                    self.agent.process.kill()
                    self.agent.process.wait()
                    self.agent = None
        took = "%.1f s; %d commands done, %d refused" % (time.monotonic() - begin, self.answers["done"], self.answers["refused"])
        print("seed %d: %d cases, %d failures, %s" % (self.seed, self.cases, self.failures, took))


def main():
    seed, cases = int(sys.argv[1]), int(sys.argv[2])
    home = tempfile.mkdtemp(prefix="kis-fuzz-")
    os.chmod(home, 0o755)
    fuzz = None
    try:
        fuzz = Fuzz(home, seed, cases)
        fuzz.all()
    finally:
        store.remove_tree(home)
    sys.exit(1 if fuzz.failures else 0)


if __name__ == "__main__":
    main()
