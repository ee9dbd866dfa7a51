"""The companion environment: made at its final path, because a virtual environment cannot be moved, and
filled with wheels from the store, without an index and without resolving anything.

The wheels are unpacked by the library `installer` of the Python Packaging Authority, which the
controller sends: pip would take longer to start than the library needs for the work. With
install.installer: uv, the uv of this host does it instead, see uv.py.
"""
import compileall
import os
import posixpath
import py_compile
import sys
import zipfile

from kisagent import copies
from kisagent.store import remove_file
from kisagent.uploads import Uploads
from kisagent.wire import Refused


def create(directory):
    """Make a virtual environment without pip: it never changes again, and without pip it is made in a
    fiftieth of the time."""
    try:
        import venv

        venv.EnvBuilder(symlinks=True).create(directory)
    except Exception as err:  # pylint: disable=broad-except # subprocess.CalledProcessError, ImportError, OSError, …
        if isinstance(err, OSError):
            raise
        raise Refused("no-venv", "python could not make a virtual environment: %s" % err, "on Debian and Ubuntu: apt install python3-venv")
    return {}


def fill(repository, directory, wheels, library):
    """Install stored wheels into the environment: copied from a package that has the same wheel, or else
    unpacked and compiled. For a child: it changes sys.path."""
    sys.path.insert(0, Uploads(repository).path(library))
    from installer import install
    from installer.exceptions import InstallerError

    earlier = copies.Earlier(repository)
    for wheel in wheels:
        path = Uploads(repository).path(wheel["sha256"])
        try:
            with open_wheel(path, wheel["name"]) as source:
                if earlier.copy(wheel["sha256"], source.dist_info_dir, directory):
                    continue
                destination = destination_class()(directory, source.distribution)
                install(source, destination, {"INSTALLER": copies.INSTALLER})
        except (InstallerError, zipfile.BadZipFile, ValueError, KeyError) as err:
            raise Refused("bad-wheel", "%s: %s" % (wheel["name"], err), "is it a wheel? unpack it: python3 -m zipfile -l %s" % wheel["name"])
        for file in destination.sources:
            compile_file(file)
    return {}


def open_wheel(path, name):
    """A stored wheel as the library sees it: by its name, which the store does not have."""
    from installer.sources import WheelFile

    class Stored(WheelFile):
        def __init__(self, archive):
            archive.filename = name
            super().__init__(archive)

        def __enter__(self):
            return self

        def __exit__(self, *_):
            self._zipfile.close()

    return Stored(zipfile.ZipFile(path))


def destination_class():
    """The library's destination, with what pip does besides: a file that two wheels have is that of the
    later one, and no file gets outside of the environment."""
    from installer.destinations import SchemeDictionaryDestination
    from installer.records import Hash, RecordEntry
    from installer.utils import copyfileobj_with_hashing

    class Environment(SchemeDictionaryDestination):
        def __init__(self, directory, name):
            version = "python%d.%d" % sys.version_info[:2]
            library = os.path.join(directory, "lib", version, "site-packages")
            schemes = {
                "purelib": library,
                "platlib": library,
                "headers": os.path.join(directory, "include", "site", version, name),
                "scripts": os.path.join(directory, "bin"),
                "data": directory,
            }
            super().__init__(schemes, os.path.join(directory, "bin", "python"), "posix")
            self.directories = set()
            self.sources = []  # to be compiled

        def write_to_fs(self, scheme, path, stream, is_executable):
            target = os.path.join(self.scheme_dict[scheme], inside(path))
            parent = os.path.dirname(target)
            if parent not in self.directories:
                os.makedirs(parent, exist_ok=True)
                self.directories.add(parent)
            remove_file(target)
            with open(target, "xb") as f:
                digest, size = copyfileobj_with_hashing(stream, f, self.hash_algorithm)
                if is_executable:
                    os.fchmod(f.fileno(), 0o755)
            if path.endswith(".py") and scheme in ("purelib", "platlib"):
                self.sources.append(target)
            return RecordEntry(path, Hash(self.hash_algorithm, digest), size)

    return Environment


def inside(path):
    """The path, if it is a clean relative one."""
    if posixpath.isabs(path) or posixpath.normpath(path) != path or path.split("/")[0] == "..":
        raise ValueError("a member with the path %.200r" % path)
    return path


def compile_file(path):
    """Compile a module now, because a sealed package is read-only, so that every start would compile it
    again; without its time, because it never changes. Some files, such as templates, are not valid
    Python; that is no error."""
    compileall.compile_file(path, quiet=2, force=True, invalidation_mode=py_compile.PycInvalidationMode.UNCHECKED_HASH)


def compile_package(top):
    """Compile the sources of the application. Those of the environment are compiled."""
    for directory, directories, files in os.walk(top):
        if directory == top:
            directories[:] = [name for name in directories if name not in (".venv", ".kis")]
        for name in files:
            if name.endswith(".py"):
                compile_file(os.path.join(directory, name))
    return {}
