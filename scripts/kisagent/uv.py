"""Fill an environment with the uv of this host, from stored wheels: offline, without resolving anything, and
without the configuration of a user or of the site.

The files are those that the library makes, see environment.py, except INSTALLER and the wording of console
scripts: what uv records of the way, with times and paths of this run, is removed.
"""
import configparser
import csv
import io
import os
import re
import stat
import subprocess
import zipfile

from kisagent import bytecode, copies, environment, wheels
from kisagent.store import remove_file
from kisagent.uploads import Uploads
from kisagent.wire import Refused

SINCE = (0, 4, 0)  # the first uv that is tested
LOGIN_PATH = "KIS_LOGIN_PATH"  # PATH before bootstrap.sh has set its own
TIMEOUT = 10.0  # seconds for uv to say its version
ANSWER = re.compile(r"uv ([0-9]+)\.([0-9]+)\.([0-9]+)")
HINT = "kis fills environments without uv as well: leave installer: out of install: in the inventory"
INSTALL = "install it for this user: curl -LsSf https://astral.sh/uv/install.sh | sh\n" + HINT
# Written beside the METADATA of a distribution: that it was asked for, from which path, and when that had changed
TRACES = ("REQUESTED", "direct_url.json", "uv_cache.json", "uv_build.json")


def find(home):
    """The path of uv: in PATH of the user's shell, or where its installers put it; None where there is none."""
    directories = os.environ.get(LOGIN_PATH, "").split(":") + os.environ.get("PATH", "").split(":")
    directories += [os.path.join(home, ".local", "bin"), os.path.join(home, ".cargo", "bin")]
    for directory in directories:
        path = os.path.join(directory, "uv")
        if os.path.isabs(path) and os.path.isfile(path) and os.access(path, os.X_OK):
            return path
    return None


def require(variables):
    """The path of a uv that can fill environments; refused where there is none. For a child."""
    path = find(variables["HOME"])
    if path is None:
        places = "PATH (%s), ~/.local/bin and ~/.cargo/bin" % os.environ.get(LOGIN_PATH, "")
        raise Refused("no-uv", "install.installer is uv, and this host has none in %s" % places, INSTALL)
    try:
        done = subprocess.run([path, "--version"], env=variables, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, timeout=TIMEOUT, check=False)
        said = done.stdout.decode("utf-8", "replace").strip()
    except (OSError, subprocess.TimeoutExpired) as err:
        said = str(err)
    version = ANSWER.match(said)
    if version is None:
        raise Refused("no-uv", "%s --version does not say a version: %.200s" % (path, said), INSTALL)
    if tuple(int(number) for number in version.groups()) < SINCE:
        message = "uv is too old to fill environments: %s is %s, and %s is needed" % (path, version.group(0)[3:], ".".join(map(str, SINCE)))
        raise Refused("old-uv", message, "update it: %s self update, or by what has installed it\n%s" % (path, HINT))
    return path


def prepare(repository, made, directory, variables):
    """Give the wheels their names in a new directory, and write requirements for exactly them. Returns the
    path of uv, and of those requirements, to be installed one after the other. For a child."""
    path = require(variables)
    wheels.link_stored(repository, made, directory)
    files = []
    for number, batch in enumerate(batches(repository, made)):
        files.append(os.path.join(directory, "%d.txt" % number))
        with open(files[-1], "w", encoding="ascii") as f:
            f.write(wheels.pinned(batch))
    return {"uv": path, "files": files}


def batches(repository, made):
    """The wheels in their order, parted so that no two of a part have a file in common: uv installs them at
    the same time, and a file that two wheels have is that of the later one."""
    parts, seen = [], None
    for wheel in made:
        found = targets(Uploads(repository).path(wheel["sha256"]), wheel["name"])
        if seen is None or seen & found:
            parts.append([])
            seen = set()
        parts[-1].append(wheel)
        seen |= found
    return parts


def targets(path, name):
    """Where the files of a wheel go. One that leaves its environment is refused, whatever uv would do."""
    try:
        with zipfile.ZipFile(path) as archive:
            found = set()
            for member in archive.infolist():
                if stat.S_ISLNK(member.external_attr >> 16):
                    raise ValueError("%.200r is a symbolic link" % member.filename)
                if not member.is_dir():
                    found.add(target(environment.inside(member.filename)))
                if member.filename.endswith(".dist-info/entry_points.txt"):
                    found |= scripts(archive.read(member).decode("utf-8"))
            return found
    except (zipfile.BadZipFile, ValueError) as err:
        raise Refused("bad-wheel", "%s: %s" % (name, err), "is it a wheel? unpack it: python3 -m zipfile -l %s" % name)


def target(member):
    """A member's place: those in NAME.data/SCHEME go elsewhere (PEP 427)."""
    parts = member.split("/")
    if len(parts) < 3 or not parts[0].endswith(".data"):
        return "library/" + member
    scheme, rest = parts[1], "/".join(parts[2:])
    return ("library" if scheme in ("purelib", "platlib") else scheme) + "/" + rest


def scripts(entry_points):
    """The scripts that are made for entry points."""
    parser = configparser.ConfigParser(delimiters=("=",), interpolation=None, strict=False)
    parser.optionxform = str
    try:
        parser.read_string(entry_points)
    except configparser.Error:  # uv judges that
        return set()
    return {"scripts/" + name for section in ("console_scripts", "gui_scripts") if parser.has_section(section) for name in parser.options(section)}


def arguments(directory, venv, requirements, cache):
    """The arguments of uv."""
    found = ["pip", "install", "--no-config", "--offline", "--no-index", "--find-links", directory, "--no-deps", "--require-hashes", "--only-binary", ":all:"]
    found += ["--python", os.path.join(venv, "bin", "python"), "--cache-dir", cache, "--link-mode", "copy", "--no-progress", "--color", "never"]
    return found + ["--requirement", requirements]


def environ(home):
    """The variables of uv beside those of every step."""
    return {"HOME": home, "UV_PYTHON_DOWNLOADS": "never"}


def complete(venv):
    """Remove what uv has written beside the wheels' files, and return the modules, which have to be compiled."""
    remove_file(os.path.join(venv, ".lock"))
    library = os.path.join(venv, copies.LIBRARY)
    for name in os.listdir(library):
        if name.endswith(".dist-info"):
            remove_traces(library, name)
    return {"modules": bytecode.sources(library)}


def remove_traces(library, name):
    traces = {"%s/%s" % (name, trace) for trace in TRACES}
    for trace in traces:
        remove_file(os.path.join(library, trace))
    record = os.path.join(library, name, "RECORD")
    with open(record, encoding="utf-8", newline="") as f:
        rows = [row for row in csv.reader(f) if row and row[0] not in traces]
    text = io.StringIO()
    csv.writer(text, lineterminator="\n").writerows(rows)
    with open(record, "w", encoding="utf-8", newline="") as f:
        f.write(text.getvalue())
