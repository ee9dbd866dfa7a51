"""Processes by what /proc tells of them: those that this agent has started, and those that agents before it have left."""
import os
import signal

MARK = "KIS_AGENT"  # variable with the mark of the agent that started a process; no two agents have the same, on one machine or on many


def kill_marked(mark):
    """Kill processes that escaped their group but still carry this agent's mark."""
    if mark:
        for pid in processes():
            if carries(pid, "%s=%s" % (MARK, mark)):
                kill(pid)


def running(group, mark):
    """Names of the processes of a group, and of those that carry the mark: what a step has left running. Without a mark nobody is named."""
    found = []
    for pid in processes() if mark else ():
        name, state, their_group = look(pid)
        if state not in "ZX" and (their_group == group or carries(pid, "%s=%s" % (MARK, mark))):
            found.append(name)
    return sorted(found)


def processes():
    """All processes that can be seen, except this one."""
    try:
        names = os.listdir("/proc")
    except OSError:
        return []
    return [int(name) for name in names if name.isdigit() and int(name) != os.getpid()]


def carries(pid, variable):
    """Whether a process was started with a variable that begins like this."""
    try:
        with open("/proc/%d/environ" % pid, "rb") as f:
            return any(text.startswith(variable.encode()) for text in f.read().split(b"\0"))
    except OSError:
        return False


def look(pid):
    """Name, state and process group of a process; "", "X" and 0 when it is gone."""
    try:
        with open("/proc/%d/stat" % pid, "rb") as f:
            before, _, after = f.read().rpartition(b")")  # the name may hold anything
        state, _, group = after.split()[:3]
    except (OSError, ValueError):
        return "", "X", 0
    return before.partition(b"(")[2].decode("utf-8", "replace").replace("\n", " "), state.decode(), int(group)


def kill(pid):
    try:
        os.kill(pid, signal.SIGKILL)
    except OSError:
        pass
