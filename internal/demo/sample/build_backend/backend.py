"""The smallest build backend that does: PEP 517 sdist and wheel, PEP 660 editable wheel, nothing else."""
import io
import os
import tarfile
import zipfile

FILES = [
    "README.md",
    "VERSION",
    "build_backend/backend.py",
    "check.sh",
    "hello/__init__.py",
    "hello/__main__.py",
    "pyproject.toml",
]


def version():
    with open("VERSION") as f:
        return f.read().strip()


def metadata():
    return "Metadata-Version: 2.2\nName: hello\nVersion: %s\nSummary: The sample application of kis\n" % version()


def build_sdist(directory, config_settings=None):
    top = "hello-" + version()
    with tarfile.open(os.path.join(directory, top + ".tar.gz"), "w:gz", format=tarfile.PAX_FORMAT) as archive:
        info = tarfile.TarInfo(top + "/PKG-INFO")
        info.size, info.mode = len(metadata()), 0o644
        archive.addfile(info, io.BytesIO(metadata().encode()))
        for path in FILES:
            archive.add(path, top + "/" + path)
    return top + ".tar.gz"


def wheel(directory, members):
    own = "hello-%s.dist-info/" % version()
    members = dict(members)
    members[own + "METADATA"] = metadata()
    members[own + "WHEEL"] = "Wheel-Version: 1.0\nGenerator: hello\nRoot-Is-Purelib: true\nTag: py3-none-any\n"
    members[own + "top_level.txt"] = "hello\n"
    members[own + "RECORD"] = "".join("%s,,\n" % path for path in list(members) + [own + "RECORD"])
    name = "hello-%s-py3-none-any.whl" % version()
    with zipfile.ZipFile(os.path.join(directory, name), "w", zipfile.ZIP_DEFLATED) as archive:
        for path, text in members.items():
            archive.writestr(path, text)
    return name


def build_wheel(directory, config_settings=None, metadata_directory=None):
    members = {}
    for path in FILES:
        if path.startswith("hello/"):
            with open(path) as f:
                members[path] = f.read()
    return wheel(directory, members)


def build_editable(directory, config_settings=None, metadata_directory=None):
    return wheel(directory, {"hello.pth": os.getcwd() + "\n"})
