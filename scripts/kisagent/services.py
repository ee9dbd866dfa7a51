"""systemd units of a stage: restarted, and waited for until they are active and only new processes are left in them.

A process of a unit runs the package that the stage was linked to when it started. That a unit has been restarted is not enough:
with KillMode=process, or with workers that outlive their master, processes of the previous package go on and answer requests.
See systemctl(1), systemd.service(5) and systemd.kill(5).
"""
import os
import re
import shutil
import subprocess
import time

from kisagent import processes
from kisagent.store import checked, word
from kisagent.wire import Refused

UNIT = re.compile(r"[A-Za-z0-9][A-Za-z0-9:_.@-]{0,200}\.(?:service|socket|timer|path|target)\Z")  # systemd.unit(5)
STABLE = 1.0  # seconds for which a unit has to stay active: with Type=simple it is active before its program has done anything
OLD = 20.0  # seconds for which an active unit may have processes that are older than its restart
PAUSE = 0.1
LOG_LINES = 20
MAX_LISTED, MAX_UNITS = 500, 100  # units that are looked at for suggestions, and named
WRITTEN = ("/etc/systemd/", "/run/systemd/system", "/root/.config/systemd")  # systemd.unit(5): not of the distribution
TOOL_TIMEOUT = 30  # seconds for one question to systemd
PROPERTIES = "LoadState,ActiveState,SubState,Result,Type,MainPID,ControlGroup,NRestarts"
TOLD = 10.0  # seconds in which systemd has to say whether all units run
BEGUN = "ExecMainStartTimestampMonotonic"
ACTIVITY = "LoadState,ActiveState,ActiveEnterTimestampMonotonic,InactiveEnterTimestampMonotonic"
STATES = ("active", "reloading", "inactive", "failed", "activating", "deactivating", "maintenance", "refreshing", "missing")
CGROUPS = ("/sys/fs/cgroup", "/sys/fs/cgroup/systemd", "/sys/fs/cgroup/unified")  # version 2, version 1, both


class Unit:
    """One unit of the system's manager, or of the deploying user's own."""

    def __init__(self, name, user):
        self.name, self.user = name, user

    def argv(self, verb, *rest):
        """The command line. A user who is not root changes units of the system through sudo: its line in sudoers names this command."""
        tool = ["systemctl", "--user"] if self.user else ["systemctl"]
        sudo = ["sudo", "-n"] if verb == "restart" and not self.user and os.geteuid() != 0 else []
        return sudo + tool + [verb] + list(rest)

    def show(self, properties=PROPERTIES, timeout=TOOL_TIMEOUT):
        """The unit's properties by name."""
        text = run(self.argv("show", "--property=" + properties, "--", self.name), timeout)
        return dict(line.partition("=")[::2] for line in text.split("\n") if "=" in line)

    def activity(self, deadline):
        """What systemd says of the unit: its state, and the seconds since it entered that. systemd counts them by
        CLOCK_MONOTONIC, so that nobody's wall clock matters."""
        try:
            seen = self.show(ACTIVITY, max(0.1, deadline - time.monotonic()))
        except (Failed, Refused):
            seen = {}
        state = seen.get("ActiveState", "")
        if seen.get("LoadState") == "not-found":
            state = "missing"
        entered = seen.get("ActiveEnterTimestampMonotonic" if state == "active" else "InactiveEnterTimestampMonotonic", "")
        ago = time.clock_gettime(time.CLOCK_MONOTONIC) - int(entered) / 1e6 if entered.isdigit() and entered != "0" else -1.0
        if state not in ("active", "inactive", "failed"):
            ago = -1.0  # on the way to another
        return {"name": self.name, "user": self.user, "state": state if state in STATES else "unknown", "seconds": ago if ago >= 0 else None}

    def restart(self, deadline):
        """Restart the unit; returns once it is active, and nothing in it is older than this process."""
        self.require_loaded()
        argv = self.argv("restart", self.name)
        begun = self.show(BEGUN)
        try:
            run(argv, max(1.0, deadline - time.monotonic()))
        except Failed as failed:
            if not self.wait_for_start_limit(begun, deadline):
                raise self.refused(failed)
            try:
                run(argv, max(1.0, deadline - time.monotonic()))
            except Failed as again:
                raise self.refused(again)
        self.wait(deadline)

    def wait_for_start_limit(self, begun, deadline):
        """Whether systemd has started no process, because the unit was started too often, by a version that failed for
        example, and may start one now: StartLimitIntervalSec of systemd.unit(5). Result does not tell, it keeps the first
        cause."""
        seen = self.show(BEGUN + ",StartLimitIntervalUSec,ActiveState")
        interval = span(seen.get("StartLimitIntervalUSec", ""))
        if seen.get("ActiveState") != "failed" or seen.get(BEGUN) != begun.get(BEGUN) or not interval or time.monotonic() + interval + 1 > deadline:
            return False
        time.sleep(interval + 0.5)
        return True

    def require_loaded(self):
        if self.show().get("LoadState") != "loaded":
            hint = "see: systemctl %sstatus %s" % ("--user " if self.user else "", self.name)
            raise Refused("no-unit", "systemd has no unit %s" % self.name, hint)

    def elsewhere(self, root, stage):
        """A unit that works below the package repository, and not through the stage's link, runs something else after the
        switch as well: what Capistrano or Ansistrano has linked, another stage, one version. None where nothing shows that."""
        try:
            seen = self.show("ExecStart,WorkingDirectory,RootDirectory")
        except (Failed, Refused):
            return None
        text = "\n".join(seen.values())
        for top in sorted({root, os.path.realpath(root)}):
            for match in re.finditer(r"(?<![\w./-])" + re.escape(top) + r"/([0-9A-Za-z.+!_-]+)", text):
                if match.group(1) not in (stage, "shared", ".kis"):
                    message = "%s works in %s, not in %s/%s" % (self.name, match.group(0), root, stage)
                    hint = "let ExecStart and WorkingDirectory of the unit name %s/%s; then: systemctl daemon-reload" % (root, stage)
                    return {"code": "other-place", "message": message, "hint": hint}
        return None

    def require_permission(self):
        """Refuse where sudo would: `sudo -l` says whether it runs a command, without running it."""
        argv = self.argv("restart", self.name)
        if argv[0] == "sudo":
            try:
                run(argv[:2] + ["-l"] + argv[2:], TOOL_TIMEOUT)
            except Failed as failed:
                raise self.no_sudo(failed)

    def no_sudo(self, failed):
        tool = shutil.which("systemctl") or "/usr/bin/systemctl"
        line = "%s ALL=(root) NOPASSWD: %s restart %s" % (user_name().replace("\\", "\\\\"), tool, self.name)
        return Refused("no-sudo", "sudo does not let this user restart %s" % self.name, "add to sudoers: %s" % line, tail=failed.lines)

    def refused(self, failed):
        text = "\n".join(failed.lines)
        if failed.argv[0] == "sudo" and ("password is required" in text or "not allowed" in text or "may not run" in text):
            return self.no_sudo(failed)
        return self.not_active("%s: %s" % (self.name, failed), failed.lines)

    def not_active(self, message, lines=()):
        """The refusal of a unit that does not run, with its log."""
        log, hint = self.log(), self.hint()
        if not log and not self.user and not may_read_journal():
            hint += "\nto see its log here: sudo usermod -aG systemd-journal %s" % word(user_name())
        return Refused("not-active", message, hint, tail=log or list(lines))

    def wait(self, deadline):
        since, pid, counted = None, "", None
        while True:
            now, seen = time.monotonic(), self.show()
            # systemd counts on from the version before, if it was about to start that again.
            counted = seen.get("NRestarts", "") if counted is None else counted
            restarts = seen.get("NRestarts", "") != counted
            state = seen.get("ActiveState", "")
            if state == "failed" or restarts:
                what = "fails and is restarted again and again" if restarts else "has failed (%s)" % seen.get("Result", "")
                raise self.not_active("%s %s" % (self.name, what))
            if seen.get("Type") == "oneshot" and state == "inactive" and seen.get("Result") == "success":
                return
            if state != "active" or seen.get("MainPID") != pid:
                since, pid = None, seen.get("MainPID")
            if state == "active":
                since = now if since is None else since
                old = older(seen.get("ControlGroup", ""))
                if now - since >= STABLE and not old:
                    return
                if old and (now >= deadline or now - since >= OLD):
                    message = "%s still runs processes that it had before: %s" % (self.name, ", ".join(old))
                    raise Refused("old-process", message, "is KillMode=process set? " + self.hint())
            if now >= deadline:
                raise self.not_active("%s is %s, not active" % (self.name, state or "unknown"))
            time.sleep(PAUSE)

    def hint(self):
        option = "--user " if self.user else ""
        return "see: systemctl %sstatus %s; journalctl %s-u %s -n 50" % (option, self.name, option, self.name)

    def log(self):
        """The newest lines of the unit's log, as far as this user may read it."""
        option = ["--user-unit" if self.user else "--unit", self.name]
        try:
            text = run(["journalctl", "--no-pager", "--quiet", "--output=cat", "--lines=%d" % LOG_LINES] + option, TOOL_TIMEOUT)
        except (Failed, Refused):
            return []
        return text.strip().split("\n") if text.strip() else []


def journal_argv(units, lines, since, follow):
    """The command line that shows the journal of units. A user who may not read it asks sudo. With --since, --lines would mean
    the oldest so many."""
    argv = ["journalctl", "--no-pager", "--quiet", "--utc", "--output=short-iso-precise"]
    argv += ["--since=" + since] if since else ["--lines=%d" % lines]
    argv += ["--follow"] if follow else []
    system = False
    for unit in units:
        argv.append(("--user-unit=" if unit.user else "--unit=") + unit.name)
        system = system or not unit.user
    if not system or may_read_journal():
        return argv
    try:
        run(["sudo", "-n", "-l"] + argv, TOOL_TIMEOUT)
    except (Failed, Refused):
        raise Refused("no-journal", "this user may not read the system's journal", "on the host: sudo usermod -aG systemd-journal %s" % user_name())
    return ["sudo", "-n"] + argv


class Failed(Exception):
    """A tool of systemd that did not do what it was asked."""

    def __init__(self, argv, outcome, text):
        super().__init__("%s: %s" % (" ".join(argv), outcome))
        self.argv, self.lines = argv, text.strip().split("\n")[-LOG_LINES:]


def run(argv, timeout):
    """The output of a tool."""
    env = dict(os.environ, LC_ALL="C", SYSTEMD_COLORS="0", SYSTEMD_PAGER="")
    env.setdefault("XDG_RUNTIME_DIR", "/run/user/%d" % os.geteuid())  # which a session over SSH may lack; --user needs it
    try:
        done = subprocess.run(argv, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, env=env, timeout=timeout, check=False)
    except FileNotFoundError:
        raise Refused("no-systemd", "%s is missing: services are units of systemd" % argv[0], "leave services: out of the inventory, or install systemd")
    except subprocess.TimeoutExpired:
        raise Failed(argv, "no end within %d s" % timeout, "")
    text = done.stdout.decode("utf-8", "replace")
    if done.returncode != 0:
        raise Failed(argv, "exit status %d" % done.returncode, text)
    return text


def span(text):
    """The seconds of a time as systemctl shows it, such as `1min 30s`: systemd.time(7). None where it is none."""
    units = {"us": 1e-6, "ms": 1e-3, "s": 1.0, "min": 60.0, "h": 3600.0}
    parts = [re.match(r"([0-9.]+)(us|ms|s|min|h)\Z", part) for part in text.split()]
    return sum(float(part.group(1)) * units[part.group(2)] for part in parts) if parts and all(parts) else None


def restart(units, timeout):
    """Restart units in their order; each is waited for before the next."""
    begin = time.monotonic()
    for unit in units:
        unit.restart(begin + timeout)
    return {"seconds": time.monotonic() - begin}


def obstacles(units, root, stage):
    """What would prevent the units from being restarted, as far as it can be known before, and what they run instead of the
    stage."""
    found = [problem for problem in [unit.elsewhere(root, stage) for unit in units] if problem]
    for require in [requirement for unit in units for requirement in (unit.require_loaded, unit.require_permission)]:
        try:
            require()
        except Refused as refused:
            found.append({"code": refused.code, "message": refused.message, "hint": refused.hint})
        except Failed as failed:
            found.append({"code": "no-systemd", "message": str(failed), "hint": "see: systemctl status"})
    return found


def activity(units):
    """Whether units run, and since when. What systemd does not say in time is unknown: this informs, and refuses nothing."""
    deadline = time.monotonic() + TOLD
    return [one.activity(deadline) for one in units]


def list_units():
    """The services that somebody has written for this host, not those of the distribution: name, whether it is the
    user's, and command line. It is for suggestions; what cannot be asked is left out."""
    found = []
    for user in (False, True):
        tool = ["systemctl", "--user"] if user else ["systemctl"]
        try:
            listed = run(tool + ["list-unit-files", "--type=service", "--no-legend", "--no-pager"], TOOL_TIMEOUT)
            names = [line.split()[0] for line in listed.split("\n") if line.strip()]
            names = [name for name in names if UNIT.match(name) and not name.endswith("@.service")][:MAX_LISTED]
            shown = run(tool + ["show", "--property=Id,FragmentPath,ExecStart,WorkingDirectory", "--"] + names, TOOL_TIMEOUT) if names else ""
        except (Failed, Refused):
            continue
        for block in shown.split("\n\n"):
            values = dict(line.partition("=")[::2] for line in block.split("\n") if "=" in line)
            if values.get("FragmentPath", "").startswith(WRITTEN) or user and values.get("FragmentPath", "").startswith("/home"):
                command = re.search(r"argv\[\]=(.*?) ; ", values.get("ExecStart", ""))
                text = command.group(1) if command else ""
                found.append({"name": values.get("Id", ""), "user": user, "exec": text[:1000], "directory": values.get("WorkingDirectory", "")[:1000]})
    return {"units": found[:MAX_UNITS]}


def units_of(records):
    return [Unit(checked(UNIT, one["name"], "unit"), bool(one.get("user"))) for one in records]


def older(group):
    """Processes of a control group that are older than this process, as "name (pid)". This process was started to restart the unit, so that
    whatever is older has not been restarted."""
    mine = processes.started(os.getpid())
    found = []
    for pid in members(group):
        name, start = processes.started(pid)
        if start and start < mine[1]:
            found.append("%s (%d)" % (name, pid))
    return found


def members(group):
    """The processes of a control group, those of the groups below it included."""
    found = set()
    for base in CGROUPS:
        for top, _, files in os.walk(base + group) if group.startswith("/") and group != "/" else ():
            if "cgroup.procs" in files:
                try:
                    with open(os.path.join(top, "cgroup.procs")) as f:
                        found.update(int(line) for line in f if line.strip())
                except OSError:
                    continue
    return sorted(found)


def may_read_journal():
    """Whether this user sees the logs of the system's units: systemd-journald.service(8)."""
    import grp

    try:
        return os.geteuid() == 0 or bool({grp.getgrnam("systemd-journal").gr_gid, grp.getgrnam("adm").gr_gid} & set(os.getgroups()))
    except KeyError:
        return True  # not to be known


def user_name():
    import pwd

    try:
        return pwd.getpwuid(os.geteuid()).pw_name
    except KeyError:
        return "#%d" % os.geteuid()
