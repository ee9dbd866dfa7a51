"""The interpreter of a sealed package. An environment links to one of the system, which may be upgraded or
removed after the package was sealed."""
import os

from kisagent.wire import Refused

TIMEOUT = 5.0  # seconds for an interpreter to say what it is
TELL = "import sys, importlib.machinery as m; print(sys.implementation.name, '%d.%d' % sys.version_info[:2], m.EXTENSION_SUFFIXES[0])"


def identity(top):
    """What distinguishes the file that the environment's interpreter is from another one in its place; ""
    where there is none."""
    path = os.path.realpath(os.path.join(top, ".venv", "bin", "python"))
    try:
        info = os.stat(path)
    except OSError:
        return ""
    return "%s %d %d" % (path, info.st_size, info.st_mtime_ns)


def check(top, receipt):
    """Refuse a package whose interpreter is gone, or is of another series or ABI than its environment. An
    update within the series is none of that."""
    recorded, platform = receipt.get("interpreter"), (receipt.get("platform") or "").split(" ")
    if not recorded or len(platform) < 3 or identity(top) == recorded:
        return
    python = os.path.join(top, ".venv", "bin", "python")
    wanted = [platform[0], ".".join(platform[1].split(".")[:2]), platform[2]]
    found = ask(python)
    if found == wanted:
        return
    name, version = "%s %s" % tuple(wanted[:2]), wanted[1]
    now = "is %s %s (%s) now" % tuple(found) if len(found) == 3 else "does not run any more"
    message = "the environment of %s is for %s, and its interpreter %s %s" % (receipt["package"], name, recorded.split(" ")[0], now)
    hint = "install it again, for example: apt install python%s\nor bump the version and push: the environment is then made for the interpreter of today" % version
    raise Refused("other-interpreter", message, hint)


def ask(python):
    """What an interpreter says of itself: its name, series and ABI; nothing where it does not run."""
    import subprocess  # rarely needed here: imports are a part of each session

    try:
        done = subprocess.run([python, "-I", "-S", "-c", TELL], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, timeout=TIMEOUT, check=False)
    except (OSError, subprocess.TimeoutExpired):
        return []
    words = done.stdout.decode("utf-8", "replace").split()
    if done.returncode != 0 or len(words) != 3:
        return []
    return words[:2] + [words[2].strip(".").replace(".so", "")]
