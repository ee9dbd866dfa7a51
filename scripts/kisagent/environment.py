"""The companion environment: made at its final path, because a virtual environment cannot be moved, and
filled with wheels from the store, without an index and without resolving anything.

The wheels are unpacked by the library `installer` of the Python Packaging Authority, which the
controller sends: pip would take longer to start than the library needs for the work. With
install.installer: uv, the uv of this host does it instead, see uv.py.
"""
import os
import posixpath
import sys
import zipfile

from kisagent import copies
from kisagent.files import BLOCK, Files
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


def fill(repository, directory, wheels, library, modified):
    """Install stored wheels into the environment: copied from a package that has the same wheel, with its
    bytecode, or else unpacked. Return the modules that have to be compiled, and the digests of what was
    written, see files.py. For a child: it changes sys.path."""
    sys.path.insert(0, Uploads(repository).path(library))
    from installer import install
    from installer.exceptions import InstallerError

    earlier, modules, files = copies.Earlier(repository), [], Files(os.path.dirname(directory), modified)
    for wheel in wheels:
        if earlier.copy(wheel, files, directory):
            continue
        path = Uploads(repository).path(wheel["sha256"])
        try:
            with open_wheel(path, wheel["name"]) as source:
                destination = destination_class()(directory, source.distribution, files)
                install(source, destination, {"INSTALLER": copies.INSTALLER})
        except (InstallerError, zipfile.BadZipFile, ValueError, KeyError) as err:
            raise Refused("bad-wheel", "%s: %s" % (wheel["name"], err), "is it a wheel? unpack it: python3 -m zipfile -l %s" % wheel["name"])
        modules += destination.modules
    return {"modules": modules, "digests": files.settled()}


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

    class Environment(SchemeDictionaryDestination):
        def __init__(self, directory, name, files):
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
            self.files = files
            self.modules = []  # to be compiled

        def write_to_fs(self, scheme, path, stream, is_executable):
            target = os.path.join(self.scheme_dict[scheme], inside(path))
            digest, size = self.files.write(target, iter(lambda: stream.read(BLOCK), b""), is_executable)
            if path.endswith(".py") and scheme in ("purelib", "platlib"):
                self.modules.append(target)
            return RecordEntry(path, Hash(*copies.encoded(digest).split("=")), size)

    return Environment


def inside(path):
    """The path, if it is a clean relative one."""
    if posixpath.isabs(path) or posixpath.normpath(path) != path or path.split("/")[0] == "..":
        raise ValueError("a member with the path %.200r" % path)
    return path

