# Answer what a project's build requires, or call one hook of its build backend (PEP 517, PEP 660).
# Runs in a private build environment:
#
#     python -c SCRIPT requires|build sdist|wheel|editable SOURCE OUT ANSWER
#
# The answer is a file of JSON. It exists as soon as the environment has proved to work. Each
# process calls one hook, because a hook may change the process it runs in.
import json
import os
import sys

MODE, KIND, SOURCE, OUT, ANSWER = sys.argv[1:]


def answer(**what):
    with open(ANSWER, "w", encoding="ascii") as file:
        json.dump(what, file)


def requires():
    """Everything that the project and its backend require, and whether something is missing here.
    What the backend requires is known once it can be imported."""
    import build

    answer()
    try:
        project = build.ProjectBuilder(SOURCE)
        needed = set(project.build_system_requires)
        missing = {one for each in needed for one in build.check_dependency(each)}
        if not missing:
            needed |= project.get_requires_for_build(KIND)
            missing = {one for each in needed for one in build.check_dependency(each)}
    except build.BuildException as error:  # its traceback is one of kis
        sys.exit(str(error))
    except build.BuildBackendException as error:  # likewise; what the backend has printed says more
        sys.exit(1 if hasattr(error.exception, "returncode") else str(error))
    answer(requires=sorted(needed), missing=sorted(" -> ".join(one) for one in missing))


def backend():
    """Import the backend as PEP 517 says. `build` has validated the table."""
    import importlib

    try:
        import tomllib
    except ModuleNotFoundError:
        import tomli as tomllib
    answer()
    try:
        with open("pyproject.toml", "rb") as file:
            table = tomllib.load(file).get("build-system", {})
    except FileNotFoundError:
        table = {}
    sys.path[:0] = [os.path.join(SOURCE, path) for path in table.get("backend-path", [])]
    module, _, attributes = table.get("build-backend", "setuptools.build_meta:__legacy__").partition(":")
    found = importlib.import_module(module)
    for attribute in filter(None, attributes.split(".")):
        found = getattr(found, attribute)
    return found, module


def settings(module):
    """Keep the user's ~/.pydistutils.cfg from a wheel: it decides where setuptools builds and what
    tag the wheel has. The option exists since setuptools 64."""
    if KIND == "sdist" or module.split(".")[0] != "setuptools":
        return None
    import setuptools

    return {"--global-option": ["--no-user-cfg"]} if int(setuptools.__version__.split(".")[0]) >= 64 else None


def main():
    os.chdir(SOURCE)
    if MODE == "requires":
        return requires()
    found, module = backend()
    hook = getattr(found, "build_" + KIND, None)
    if hook is None:
        answer(lacks="build_" + KIND)
        sys.exit("the build backend has no build_" + KIND)
    answer(built=os.path.basename(hook(OUT, settings(module))))


sys.argv[1:] = []
main()
