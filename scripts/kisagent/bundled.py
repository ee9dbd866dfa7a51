"""The pip that comes with this Python (PEP 453). It fills environments from outside: they contain none."""
import os
import re
import sys

from kisagent.store import remove_tree, sha256_file, sync_file_system
from kisagent.wire import Refused

# Where Debian's ensurepip finds its wheels before Python 3.10, which has WHEEL_PKG_DIR for that.
DISTRIBUTION_WHEELS = "/usr/share/python-wheels"
WHEEL = re.compile(r"pip-([0-9][0-9A-Za-z.]*)-")
EDITABLE_SINCE = (21, 3)  # the first pip with editable installs of projects without setup.py (PEP 660)
ISOLATED_SINCE = (22, 1)  # the first pip that uses PEP 517 where setuptools is not installed


def pip_wheel():
    """The wheel of pip that ensurepip would install, or None. pip runs from it without installation."""
    import sysconfig

    distributor = sysconfig.get_config_var("WHEEL_PKG_DIR")
    own = wheels(distributor) + wheels(library_directory("ensurepip", "_bundled"))
    if len(own) == 1:
        return own[0]
    directories, wanted = [distributor], None
    try:
        import ensurepip  # takes longer than all else here, and so it is asked only where there is a choice

        # The directory of a removed system package imports too, but has no file.
        if ensurepip.__file__:
            directories += [getattr(ensurepip, name, None) for name in ("_WHEEL_PKG_DIR", "_WHEEL_DIR")]  # of Red Hat's
            directories += [os.path.join(os.path.dirname(ensurepip.__file__), "_bundled"), DISTRIBUTION_WHEELS]
            wanted = ensurepip.version()
    except Exception:  # pylint: disable=broad-except
        pass  # there is no ensurepip, or Debian's found more than one pip and cannot choose
    found = [wheel for directory in directories for wheel in wheels(directory)]
    return next((wheel for wheel in found if WHEEL.match(os.path.basename(wheel)).group(1) == wanted), found[0] if found else None)


def library_directory(package, name):
    """A directory in a package of Python's library, or None. The package is not imported. Of a removed
    system package, the directory is left, without a file."""
    from importlib.machinery import PathFinder

    spec = PathFinder.find_spec(package)
    return os.path.join(os.path.dirname(spec.origin), name) if spec and spec.origin else None


def wheels(directory):
    """The wheels of pip in a directory, newest first."""
    names = os.listdir(directory) if directory and os.path.isdir(directory) else []
    names = [name for name in names if WHEEL.match(name) and name.endswith(".whl")]
    return [os.path.join(directory, name) for name in sorted(names, key=pip_version, reverse=True)]


def pip_version(path):
    """The version of a pip, as numbers, by the name of its wheel or of the directory it is unpacked in."""
    return tuple(int(number) for number in re.findall("[0-9]+", WHEEL.match(os.path.basename(path)).group(1)))


def satisfied(specifier, version):
    """Whether a Python satisfies a Requires-Python (PEP 440), by the `packaging` inside this host's pip.
    None where that cannot decide; then pip does when it installs. For a child: it changes sys.path."""
    wheel = pip_wheel()
    if wheel is None:
        return None
    sys.path.insert(0, wheel)
    try:
        from pip._vendor.packaging.specifiers import InvalidSpecifier, SpecifierSet
    except ImportError:
        return None
    try:
        return SpecifierSet(specifier).contains(version, prereleases=True)
    except InvalidSpecifier:
        return None


def one_is_true(markers):
    """Whether one of these environment markers (PEP 508) holds for this Python. None where that cannot be
    decided. For a child: it changes sys.path."""
    wheel = pip_wheel()
    if wheel is None:
        return None
    sys.path.insert(0, wheel)
    try:
        from pip._vendor.packaging.markers import InvalidMarker, Marker, UndefinedEnvironmentName
    except ImportError:
        return None
    try:
        return any(Marker(marker).evaluate() for marker in markers)
    except (InvalidMarker, UndefinedEnvironmentName):
        return None


def unpack_pip(repository, run_directory):
    """The directory of the pip that comes with this Python, unpacked and compiled once per host: run from
    its wheel it would start in a second instead of a fifth of one. Takes seconds the first time."""
    wheel = pip_wheel()
    if wheel is None:
        raise Refused("no-pip", "this python has no ensurepip", "install it: apt install python3-venv")
    # By content: an update of the system may replace a wheel under the same name.
    version = WHEEL.match(os.path.basename(wheel)).group(1)
    name = "pip-%s-%s.%s" % (version, sha256_file(wheel)[:16], sys.implementation.cache_tag)
    final = repository.path("pip", name)
    if os.path.isdir(final):
        return final
    import zipfile

    from kisagent import bytecode

    os.makedirs(repository.path("pip"), 0o700, exist_ok=True)
    temporary = os.path.join(run_directory, "pip")
    remove_tree(temporary)
    with zipfile.ZipFile(wheel) as archive:
        archive.extractall(temporary)
    bytecode.complete(temporary, bytecode.sources(temporary), "", 0)
    # A power loss must not leave a directory of empty files under the final name.
    sync_file_system(temporary)
    try:
        os.rename(temporary, final)
    except OSError:
        if not os.path.isdir(final):  # unless another run was faster
            raise
    return final
