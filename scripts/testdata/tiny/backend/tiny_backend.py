"""PEP 517 and PEP 660 for the project tiny. The file REQUIRES, where there is one, becomes the metadata's requirement."""
import os
import zipfile


def _wheel(folder, members):
    metadata = "Metadata-Version: 2.1\nName: tiny\nVersion: 1.0\n"
    if os.path.exists("REQUIRES"):
        with open("REQUIRES") as f:
            metadata += "Requires-Dist: %s\n" % f.read().strip()
    own = "tiny-1.0.dist-info/"
    members[own + "METADATA"] = metadata
    members[own + "WHEEL"] = "Wheel-Version: 1.0\nGenerator: tiny\nRoot-Is-Purelib: true\nTag: py3-none-any\n"
    members[own + "entry_points.txt"] = "[console_scripts]\ntiny = tiny:main\n"
    members[own + "top_level.txt"] = "tiny\n"
    members[own + "RECORD"] = "".join("%s,,\n" % name for name in list(members) + [own + "RECORD"])
    with zipfile.ZipFile(os.path.join(folder, "tiny-1.0-py3-none-any.whl"), "w") as archive:
        for name, text in members.items():
            archive.writestr(name, text)
    return "tiny-1.0-py3-none-any.whl"


def build_wheel(folder, config_settings=None, metadata_directory=None):
    with open("tiny/__init__.py") as f:
        return _wheel(folder, {"tiny/__init__.py": f.read()})


def build_editable(folder, config_settings=None, metadata_directory=None):
    return _wheel(folder, {"tiny.pth": os.getcwd() + "\n"})
