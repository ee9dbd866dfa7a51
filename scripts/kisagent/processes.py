"""Processes as /proc shows them: those this agent started, and those earlier agents left behind."""
import os
import re
import signal
import time

MARK = "KIS_AGENT"  # environment variable with the random mark of the agent that started a process
KILL_WAIT = 5.0  # seconds for the end of killed processes


def kill_marked(mark):
    """Kill processes that escaped their group but still carry this agent's mark."""
    if mark:
        for pid in processes():
            if has_variable(pid, "%s=%s" % (MARK, mark)):
                kill(pid)


def running_names(group, mark):
    """Names of the processes of a group, and of those that carry the mark: what a step left
    running. None without a mark."""
    found = []
    for pid in processes() if mark else ():
        name, state, their_group = process_stat(pid)
        if state not in "ZX" and (their_group == group or has_variable(pid, "%s=%s" % (MARK, mark))):
            found.append(name)
    return sorted(found)


def kill_in_directory(directory):
    """Kill what dead agents left running in a directory that is about to be removed: it would go on
    running in the next directory of that name. The mark of an agent, which all steps carry except
    after-link commands, identifies it."""
    for pid in processes():
        try:
            place = os.readlink("/proc/%d/cwd" % pid)
        except OSError:
            continue
        if (place + "/").startswith(directory + "/") and has_variable(pid, MARK + "="):
            kill(pid)


def kill_runs(runs):
    """Kill the processes of dead runs, and wait a moment for their end: a migration must not run beside the
    one that the next run starts. What after-link commands left has no mark, and goes on."""
    names = {("KIS_RUN=" + run).encode() for run in runs}
    found = [pid for pid in processes() if has_variable(pid, MARK + "=") and names.intersection(variables(pid))]
    for pid in found:
        kill(pid)
    deadline = time.monotonic() + KILL_WAIT
    while any(process_stat(pid)[1] not in "XZ" for pid in found) and time.monotonic() < deadline:
        time.sleep(0.01)


def users_of(root):
    """The visible processes that work below a directory, as (pid, name), by the name of its entry:
    their current directory, program, arguments or mapped files are there."""
    pattern, found = re.compile(re.escape(os.fsencode(root)) + rb"/([0-9A-Za-z.+!_-]+)"), {}
    for pid in processes():
        for name in set(pattern.findall(b"\0".join(_places(pid)))):
            found.setdefault(os.fsdecode(name), []).append((pid, process_stat(pid)[0]))
    return found


def outdated(root, stages, linked, limit=20):
    """The visible processes of stages that may run another package than the stage links, by stage: those
    that use a package that no stage links and this one did, and those that were started through the
    stage's link before it was switched. stages has the state of each by name, see check.stage_state; linked
    are the packages that any stage links."""
    users, found = {}, {name: [] for name in stages}
    for name, using in users_of(root).items():
        for pid, program in using:
            users.setdefault((pid, program), set()).add(name)
    for (pid, program), names in sorted(users.items()):
        for stage, state in stages.items():
            old = [name for name in sorted(names - linked) if any('"%s"' % name in line for line in state["journal"])]
            through = stage in names and state["linked"] not in names  # it does not show which package it runs
            if old or through and started_before_link(pid, os.path.join(root, stage)):
                found[stage].append({"pid": pid, "name": program, "package": old[0] if old else ""})
    return {stage: some[:limit] for stage, some in found.items()}


def started_before_link(pid, path):
    """Whether a process is older than a link. Its start is known to a second, and to the host's clock."""
    try:
        with open("/proc/stat") as f:
            boot = next(int(line.split()[1]) for line in f if line.startswith("btime "))
        start = started(pid)[1]
        return start > 0 and boot + start / os.sysconf("SC_CLK_TCK") < os.lstat(path).st_ctime - 2
    except (OSError, ValueError, StopIteration):
        return False


def started(pid):
    """Name of a process, and when it was started, in clock ticks since the boot: proc_pid_stat(5). ("", 0)
    when it is gone."""
    try:
        before, _, after = shown(pid, "stat").rpartition(b")")
        return before.partition(b"(")[2].decode("utf-8", "replace").replace("\n", " "), int(after.split()[19])
    except (OSError, ValueError, IndexError):
        return "", 0


def _places(pid):
    """What /proc shows to this user of where a process works."""
    for name in ("cwd", "exe", "cmdline", "maps"):
        try:
            if name in ("cwd", "exe"):
                yield os.fsencode(os.readlink("/proc/%d/%s" % (pid, name)))
            else:
                yield shown(pid, name)
        except OSError:
            continue


def processes():
    """All visible processes except this one."""
    try:
        names = os.listdir("/proc")
    except OSError:
        return []
    return [int(name) for name in names if name.isdigit() and int(name) != os.getpid()]


def shown(pid, name):
    """A file of /proc about a process. OSError when it is gone, or another user's. A host has hundreds of
    processes, and a file object takes twice as long as this."""
    fd, parts = os.open("/proc/%d/%s" % (pid, name), os.O_RDONLY | os.O_CLOEXEC), []
    try:
        while not parts or parts[-1]:
            parts.append(os.read(fd, 64 << 10))
    finally:
        os.close(fd)
    return b"".join(parts)


def variables(pid):
    """The variables that a process was started with, as `NAME=value`; none where they cannot be read."""
    try:
        return shown(pid, "environ").split(b"\0")
    except OSError:
        return []


def has_variable(pid, variable):
    """Whether a process was started with a variable that begins like this."""
    try:
        return b"\0" + variable.encode() in b"\0" + shown(pid, "environ")
    except OSError:
        return False


def process_stat(pid):
    """Name, state and process group of a process; "", "X" and 0 when it is gone."""
    try:
        before, _, after = shown(pid, "stat").rpartition(b")")  # the name may hold anything
        state, _, group = after.split()[:3]
    except (OSError, ValueError):
        return "", "X", 0
    return before.partition(b"(")[2].decode("utf-8", "replace").replace("\n", " "), state.decode(), int(group)


def kill(pid):
    try:
        os.kill(pid, signal.SIGKILL)
    except OSError:
        pass


def flock_holders(path):
    """Processes that hold the flock(2) on the file at path through an inherited descriptor: numbers
    and names. /proc/locks does not list them: it names the process that acquired the lock, even if
    dead."""
    try:
        wanted = os.stat(path)
    except OSError:
        return {}
    return {pid: process_stat(pid)[0] for pid in processes() if holds_flock(pid, wanted)}


def holds_flock(pid, wanted):
    try:
        numbers = os.listdir("/proc/%d/fd" % pid)
    except OSError:  # another user's, or gone
        return False
    for number in numbers:
        try:
            current = os.stat("/proc/%d/fd/%s" % (pid, number))
            if (current.st_dev, current.st_ino) != (wanted.st_dev, wanted.st_ino):
                continue
            with open("/proc/%d/fdinfo/%s" % (pid, number)) as f:
                # Merely open is not held
                if any(line.startswith("lock:") and "FLOCK" in line for line in f):
                    return True
        except OSError:
            continue
    return False
