"""The settings for pip of a host: its configuration files and variables, as far as they say where packages
come from and how they are reached. Others, such as prefix, target, root and user, say where packages go, and
would have pip write outside of the package.
"""
import os
import subprocess

from kisagent.wire import Refused

DISTUTILS = ".pydistutils.cfg"  # the user's settings for setuptools, in the home directory
TIMEOUT = 60.0  # seconds for pip to read its configuration


def is_passed(variable, names):
    """Whether a variable of pip is one of those settings, by their names."""
    return variable[len("PIP_") :].lower().replace("_", "-") in names


def variables(argv, command, environ, names):
    """The settings of the configuration files as variables, so that no file needs to be read: pip merges the
    files with what is on its command line, and a target or prefix cannot be undone there. argv is pip. The
    sections count as for "pip install", and then those of the command. For a child."""
    # With these options, which a file may set for all commands, it would list one file only, and write another.
    all_files = dict(environ, PIP_USER="0", PIP_GLOBAL="0", PIP_SITE="0", PIP_LOG=os.devnull)
    done = subprocess.run(argv + ["config", "list"], env=all_files, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE, timeout=TIMEOUT, check=False)
    if done.returncode != 0:
        tail = done.stderr.decode("utf-8", "replace").splitlines()[-20:]
        raise Refused("step-failed", "pip cannot read its configuration on this host", "see there: pip config debug", tail=tail)
    import ast

    sections = {"global": {}, "install": {}, command: {}}
    for line in done.stdout.decode("utf-8", "replace").splitlines():
        key, _, value = line.partition("=")
        section, _, name = key.partition(".")
        if section in sections:
            sections[section]["PIP_" + name.upper().replace("-", "_")] = ast.literal_eval(value)
    found = {name: value for section in sections.values() for name, value in section.items() if is_passed(name, names)}
    return dict({name: value for name, value in found.items() if name not in environ}, PIP_CONFIG_FILE=os.devnull)


def home(own, directory):
    """The home directory for pip: the user's own. Where that has a ~/.pydistutils.cfg, which says where
    setuptools builds and installs, it is a new directory with links to everything else there."""
    if not os.path.lexists(os.path.join(own, DISTUTILS)):
        return own
    os.mkdir(directory, 0o700)
    for name in os.listdir(own):
        if name != DISTUTILS:
            os.symlink(os.path.join(own, name), os.path.join(directory, name))
    return directory
