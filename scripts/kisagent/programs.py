"""Programs that a user runs on a host, beside whatever kis does there: kis exec and kis logs. They need no lock."""
import json
import os
import sys

from kisagent import strict
from kisagent.child import spawn
from kisagent.store import PACKAGE, checked, seconds, write_durably
from kisagent.wire import Refused

LINE_LIMIT = 64 << 10  # bytes of a line that are shown


def run(agent, args):
    """Run one program in a package, with all of its output. How it ends is its own affair, and no refusal."""
    top = require_package(agent.repository, args["package"])
    env = dict(agent.environment(), **args["env"])
    argv = agent.step_argv("exec", [top] + texts(args["argv"]))
    return (yield from complete(spawn(argv, env, top, seconds(args["timeout"]))))


NEWEST = """lines=$1
shift
status=$({ { "$@" 2>&1; echo $? >&3; } | tail -n "$lines" >&2; } 3>&1)
exit "$status"
"""  # the newest lines of a program's output, to standard error; it ends as the program does


def logs(agent, args):
    """Show what the units of a stage have written to the journal: journalctl(1)."""
    from kisagent import services

    units, lines, since, follow = services.units_of(args["units"]), args["lines"], args["since"], args["follow"]
    # It may ask sudo, which may take long
    argv = yield from agent.run_forked(lambda: services.journal_argv(units, lines, since, follow), 2 * services.TOOL_TIMEOUT)
    if since and not follow:
        argv = ["/bin/sh", "-c", NEWEST, "kis-logs", str(lines)] + argv
    else:
        argv = ["/bin/sh", "-c", 'exec "$@" 1>&2', "kis-logs"] + argv
    return (yield from complete(spawn(argv, agent.environment(), "/", seconds(args["timeout"]))))


def complete(child):
    """Wait for a program; a generator. How it ended: its exit status, -1 where it has none, and a sentence."""
    child.line_limit = LINE_LIMIT
    child = yield child
    failure = child.failure()
    code = os.WEXITSTATUS(child.status) if child.status is not None and os.WIFEXITED(child.status) else -1
    if failure and code == 0:
        code = -1  # it was told to end, and calls that success
    return {"exit": code, "failure": failure}


def terminal(agent, args):
    """Write what a session with a terminal starts, and return its path. It lies in the run's directory, and disappears
    with this session."""
    top = require_package(agent.repository, args["package"])
    venv = os.path.join(top, ".venv")
    env = dict(agent.environment(), **args["env"])
    env.update(PATH="%s/bin:%s" % (venv, env["PATH"]), VIRTUAL_ENV=venv)
    del env["PYTHONUNBUFFERED"]
    place = agent.run_directory.path
    order = json.dumps({"argv": texts(args["argv"]), "env": env, "directory": top}, ensure_ascii=True)
    write_durably(os.path.join(place, "terminal.json"), order)
    write_durably(os.path.join(place, "terminal.py"), agent.steps["terminal"])
    os.symlink(sys.executable, os.path.join(place, "python"))
    path = os.path.join(place, "terminal.sh")
    write_durably(path, 'exec "${0%/*}/python" -I -S "${0%/*}/terminal.py"\n')
    return {"path": path}


def require_package(repository, name):
    """The directory of a sealed package."""
    if repository.receipt(checked(PACKAGE, name, "package")) is None:
        raise Refused("not-linked", "%s is not installed" % name)
    return repository.package(name)


def texts(argv):
    """The arguments of a program."""
    if not isinstance(argv, list) or not argv or not all(strict.is_text(one) and "\0" not in one for one in argv):
        raise Refused("bad-request", "not a command: %.100r" % (argv,))
    return argv
