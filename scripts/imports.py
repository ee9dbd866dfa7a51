"""imports.py NAME — import the top-level modules of the installed distribution NAME, and record their names.

It runs in the companion environment, isolated (-I), so that the installed application is imported, and
no module of the working directory. Modules that by convention contain no application code are left
out: they may import what only developers install.
"""
import importlib
import importlib.metadata
import importlib.util
import os
import sys

NOT_APPLICATION = {"test", "tests", "testing", "doc", "docs", "example", "examples", "setup", "conftest", "build", "dist", "benchmarks"}


def names(distribution):
    """The top-level modules of a distribution, by top_level.txt, by its files, or by its own name."""
    listed = (distribution.read_text("top_level.txt") or "").split()
    if not listed:
        files = [str(path) for path in distribution.files or []]
        listed = {path.split("/")[0] for path in files if path.endswith("/__init__.py")}
        listed |= {path[: -len(".py")] for path in files if path.endswith(".py") and "/" not in path}
    found = sorted(name for name in listed if name.isidentifier() and not name.startswith("__editable__") and name not in NOT_APPLICATION)
    if found:
        return found
    own = distribution.metadata["Name"].replace("-", "_").replace(".", "_")
    candidates = [own, own.lower()]
    return [name for name in candidates if importlib.util.find_spec(name)][:1]


def main():
    # An imported module may print, close descriptors, start programs, or exit: none of it may become a record.
    records = os.dup(3)
    os.close(3)
    found = names(importlib.metadata.distribution(sys.argv[1]))
    for name in found:
        importlib.import_module(name)
    sys.stdout.flush()
    os.write(records, ("imported\t%s\n" % " ".join(found)).encode())


main()
