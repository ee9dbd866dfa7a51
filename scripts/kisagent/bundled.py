"""The pip that comes with this Python (PEP 453). Environments are filled by it from outside, and have none of their own."""
import os
import sys

from kisagent.store import remove_tree, sync_file_system
from kisagent.wire import Refused


def pip_wheel():
    """The pip that comes with this Python (PEP 453), as a wheel that runs without being installed; None when there is none."""
    import sysconfig

    directories = [sysconfig.get_config_var("WHEEL_PKG_DIR")]
    try:
        import ensurepip

        # A folder that a removed system package has left behind imports too, but has no file.
        if ensurepip.__file__:
            directories.append(os.path.join(os.path.dirname(ensurepip.__file__), "_bundled"))
    except ImportError:
        pass
    for directory in directories:
        names = sorted(os.listdir(directory)) if directory and os.path.isdir(directory) else []
        for name in names:
            if name.startswith("pip-") and name.endswith(".whl"):
                return os.path.join(directory, name)
    return None


def satisfied(specifier, version):
    """Whether a Python satisfies a Requires-Python (PEP 440), by the `packaging` inside of this host's pip; None where that cannot tell, and
    pip decides when it installs. For a child: it extends sys.path."""
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


def unpack_pip(repository, run_directory):
    """The folder of the pip that comes with this Python, unpacked and compiled once per host: from its wheel it would start in a second
    instead of a fifth of one. Takes seconds the first time."""
    wheel = pip_wheel()
    if wheel is None:
        raise Refused("no-pip", "this python has no ensurepip", "install it: apt install python3-venv")
    name = "%s.%s" % (os.path.basename(wheel)[: -len(".whl")], sys.implementation.cache_tag)
    final = repository.path("pip", name)
    if os.path.isdir(final):
        return final
    import compileall
    import zipfile

    os.makedirs(repository.path("pip"), 0o700, exist_ok=True)
    temporary = os.path.join(run_directory, "pip")
    remove_tree(temporary)
    with zipfile.ZipFile(wheel) as archive:
        archive.extractall(temporary)
    compileall.compile_dir(temporary, quiet=2)
    sync_file_system(temporary)  # a power cut must not leave a folder of empty files under the final name
    try:
        os.rename(temporary, final)
    except OSError:
        if not os.path.isdir(final):  # another run was faster
            raise
    return final
