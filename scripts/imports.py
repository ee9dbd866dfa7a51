"""imports.py NAME — import what the installed distribution NAME provides, load its scripts, and record the names.

It runs in the companion environment, isolated (-I), so that the installed application is imported, and
no module of the working directory. Modules that by convention contain no application code are left
out: they may import what only developers install.
"""
import errno
import importlib
import importlib.machinery
import os
import sys

TOP = os.path.realpath(os.path.dirname(sys.prefix))  # the package that this environment belongs to
NOT_APPLICATION = {"test", "tests", "testing", "doc", "docs", "example", "examples", "setup", "conftest", "build", "dist", "benchmarks"}
# What else projects keep beside a package in their top directory, as setuptools.discovery has it. Only where nothing says
# which directories the distribution consists of.
NOT_DISTRIBUTED = NOT_APPLICATION | {
    "benchmark", "bin", "changelog", "ci", "conanfile", "debian", "documentation", "dodo", "exercise", "exercises", "fabfile", "htmlcov",
    "manage", "manpages", "news", "newsfragments", "node_modules", "noxfile", "pavement", "python", "scripts", "tasks", "tools", "toxfile",
    "unit_test", "util", "utils",
}  # fmt: skip
DEPTH = 3  # directories that a namespace may have
SUFFIXES = sorted(importlib.machinery.all_suffixes(), key=len, reverse=True)


class Refused(Exception):
    """What the user must change, with a remedy."""


class Distribution:
    """What is installed, as its directory in site-packages says (PEP 376). importlib.metadata, which reads the same
    files, takes longer to import than most applications do. So do re and csv, which are imported where they are needed."""

    def __init__(self, name):
        self.name = normalized(name)
        found = next((one for path in sys.path for one in self.candidates(path)), None)
        if found is None:
            raise LookupError("the distribution %s is not installed" % name)
        self.site, self.directory = found

    def candidates(self, path):
        """The directories of this distribution below one of sys.path. Without RECORD it was installed by setup.py."""
        try:
            names = os.listdir(path)
        except OSError:
            return
        for name in names:
            stem, suffix = os.path.splitext(name)
            if suffix in (".dist-info", ".egg-info") and normalized(stem.split("-")[0]).lower() == self.name.lower():
                yield path, os.path.join(path, name)

    def read_text(self, name):
        try:
            with open(os.path.join(self.directory, name), encoding="utf-8", errors="replace", newline="") as f:
                return f.read()
        except OSError:
            return None

    def lines(self, path):
        with open(os.path.join(self.site, path), encoding="utf-8", errors="replace") as f:
            return f.read().splitlines()

    def scripts(self):
        """The names and objects of console and graphical scripts that need no extra, which may not be installed."""
        section = ""
        for line in map(str.strip, (self.read_text("entry_points.txt") or "").splitlines()):
            if line.startswith("["):
                section = line[1:-1].strip()
            elif section in ("console_scripts", "gui_scripts") and "=" in line and not line.startswith("#"):
                name, _, value = (part.strip() for part in line.partition("="))
                if not ("[" in value and value.endswith("]")):
                    yield name, value

    def files(self):
        """The paths of what was installed, or None where nothing says it."""
        record = self.read_text("RECORD")
        if record is None:
            return None
        if '"' in record:
            import csv

            return [row[0] for row in csv.reader(record.splitlines()) if row]
        return [line.rsplit(",", 2)[0] for line in record.splitlines() if line]


def normalized(name):
    """A distribution's name as its directory has it."""
    return "_".join(filter(None, name.replace("-", "_").replace(".", "_").split("_")))


class Contents:
    """The topmost packages and modules that a distribution provides."""

    def __init__(self, distribution):
        self.own = distribution.name
        self.listed = (distribution.read_text("top_level.txt") or "").split()
        recorded = distribution.files()
        files = recorded or []
        self.redirections = [line for path in files if path.endswith(".pth") and "/" not in path for line in distribution.lines(path)]
        self.redirectors = imported("\n".join(line for line in self.redirections if line.startswith("import")))
        self.found = set(topmost(path for path in files if module_name(path) not in self.redirectors))
        self.add_redirected()
        if recorded is None:
            self.found.update(self.listed)
        if not self.found and (recorded is None or self.redirections):
            import importlib.util

            self.found.update([name for name in (self.own, self.own.lower()) if importlib.util.find_spec(name)][:1])

    def names(self):
        return sorted(name for name in self.found if all(part.isidentifier() for part in name.split(".")) and not NOT_APPLICATION & set(name.split(".")))

    def reason(self):
        """Why there is nothing to import."""
        left_out = sorted(name for name in self.found if NOT_APPLICATION & set(name.split(".")))
        return "its distribution contains only %s" % ", ".join(left_out) if left_out else "its distribution contains no packages or modules"

    def add_redirected(self):
        """Add what an editable installation (PEP 660) redirects to: directories of a .pth file, or what a
        finder of the build backend maps."""
        for line in self.redirections:
            directory = os.path.realpath(line.strip())
            if (directory + "/").startswith(TOP + "/") and os.path.isdir(directory):
                self.found.update(self.distributed(directory))
        for name in self.redirectors:
            mapping = getattr(sys.modules.get(name), "MAPPING", {})  # of setuptools
            for module, path in mapping.items():
                below = topmost(files_below(path, DEPTH)) if os.path.isdir(path) and not is_package(path) else []
                self.found.update(["%s.%s" % (module, inner) for inner in below] or [module])
        for finder in sys.meta_path if self.redirectors else ():
            if getattr(finder, "_rebuild", None) or getattr(finder, "rebuild_flag", False):  # of meson-python and scikit-build-core
                raise Refused("its build backend builds an editable application again whenever it is imported, and a package is read-only")
            for attribute in ("_redirections", "known_source_files"):  # of editables and scikit-build-core
                self.found.update(shortest(getattr(finder, attribute, {})))

    def distributed(self, directory):
        """What the distribution provides of a directory on sys.path. In the project's own directory that is a
        guess: it has other directories as well."""
        if self.listed:
            return [name for name in topmost(files_below(directory, DEPTH)) if name.split(".")[0] in self.listed]
        if directory != TOP:
            return topmost(files_below(directory, DEPTH))
        names = [name for name in topmost(files_below(directory, 1)) if name not in NOT_DISTRIBUTED]
        packages = [name for name in names if os.path.isdir(os.path.join(directory, name))]
        deeper = [name for name in topmost(files_below(directory, DEPTH)) if "." in name and not NOT_DISTRIBUTED & set(name.split("."))]
        return packages or deeper or names


def imported(code):
    """The names of the modules that the lines of a .pth file import."""
    if not code:
        return set()
    import re

    return set(re.findall(r"\bimport +(\w+)", code))


def module_name(path):
    """The name of the module in a file, or None."""
    name = os.path.basename(path)
    return next((name[: -len(suffix)] for suffix in SUFFIXES if name.endswith(suffix)), None)


def topmost(files):
    """The names of the topmost packages among files, and of the modules beside them. Directories without
    __init__ are namespaces: only where they contain no package are the modules in them the topmost."""
    files = list(files)
    packages = {os.path.dirname(path) for path in files if module_name(path) == "__init__"} - {""}
    found = shortest(path.replace("/", ".") for path in packages)
    found += [module_name(path) for path in files if "/" not in path and module_name(path) not in (None, "__init__")]
    inner = [os.path.dirname(path).replace("/", ".") + "." + module_name(path) for path in files if "/" in path and module_name(path)]
    return found or [name for name in inner if all(part.isidentifier() for part in name.split("."))]


def shortest(names):
    """The names of which no other one is the parent."""
    names = set(names)
    return sorted(name for name in names if not any(name[:i] in names for i, c in enumerate(name) if c == "."))


def files_below(directory, depth):
    """The files below a directory, relative to it, that are at most so many directories deep. The inside of
    packages is left out, and of links: what packages share may be large, or another user's."""
    for entry in sorted(os.scandir(directory), key=lambda entry: entry.name):
        if not entry.is_dir():
            yield entry.name
        elif entry.name.isidentifier() and depth > 0:
            if is_package(entry.path):
                yield entry.name + "/__init__.py"
            elif not entry.is_symlink():
                yield from (entry.name + "/" + path for path in files_below(entry.path, depth - 1))


def is_package(directory):
    try:
        return any(module_name(name) == "__init__" for name in os.listdir(directory))
    except PermissionError:  # it is a link to what other users own
        return False


def load_object(value):
    """Import what an entry point names: module:object, or a module."""
    parts = [part.strip() for part in value.split(":")]
    if len(parts) > 2 or not all(word.isidentifier() for part in parts for word in part.split(".")):
        raise ValueError("%s is not the name of an object" % value)
    found = importlib.import_module(parts[0])
    for attribute in parts[1].split(".") if len(parts) > 1 else ():
        found = getattr(found, attribute)
    return found


def denied_inside(error):
    """The member of the package that could not be written, if that is why an import failed; else ""."""
    while error is not None:
        if isinstance(error, OSError) and error.errno in (errno.EACCES, errno.EPERM, errno.EROFS):
            for name in (error.filename2, error.filename):
                path = os.path.realpath(os.fsdecode(name)) if isinstance(name, (str, bytes)) else ""
                if path.startswith(TOP + "/"):
                    return path[len(TOP) + 1 :]
        error = error.__cause__ or error.__context__
    return ""


def load(distribution, record):
    contents = Contents(distribution)
    for name in contents.names():
        record("loading", "module " + name)
        importlib.import_module(name)
    for name, value in distribution.scripts():
        record("loading", "script %s = %s" % (name, value))
        if not callable(load_object(value)):
            raise TypeError("%s is not callable" % value)
    sys.stdout.flush()
    record("nothing", "" if contents.names() else contents.reason())
    record("imported", " ".join(contents.names()))


def main():
    # An imported module may print, close descriptors, start programs, or exit: none of it may become a record.
    records = os.dup(3)
    os.close(3)

    def record(key, value):
        os.write(records, ("%s\t%s\n" % (key, value.replace("\n", " "))).encode("utf-8", "surrogateescape"))

    try:
        load(Distribution(sys.argv[1]), record)
    except Refused as refused:
        record("unusable", str(refused))
        sys.exit(1)
    except Exception as error:
        record("denied", denied_inside(error))
        raise


main()
