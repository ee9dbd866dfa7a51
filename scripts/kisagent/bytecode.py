"""The bytecode of a package, compiled when the package is made: a sealed package is read-only, so that every
start of the application would compile it again.

Compiling takes most of the time of filling an environment. So one host of a platform packs what it has
compiled, and the others unpack that (PEP 552: bytecode that names the digest of its source).
"""
import errno
import importlib.util
import marshal
import os
import zipfile
import zlib

from kisagent.files import Files, read_file
from kisagent.store import remove_file, sha256_file
from kisagent.wire import Refused

UNCHECKED = b"\1\0\0\0"  # flags of bytecode that is not compared with its source when it is imported
MAX_WORKERS = 4
WORTH_A_WORKER = 200  # modules; for fewer, a process is not faster
MAX_BYTES = 64 << 20  # of the bytecode of one module that another host sends
NO_PLACE = (errno.ENAMETOOLONG, errno.ENOTDIR, errno.EISDIR, errno.ELOOP, errno.ENOENT)  # for the bytecode of a module
FAILED = 255  # the exit status of a process that compiles; others are the number of an OSError
ENCRYPTED = 1  # a flag of members
UNREADABLE = (OSError, ValueError, EOFError, zipfile.BadZipFile, zlib.error)  # what a packed file or a full disk may cause


def sources(top):
    """The modules of the application itself, in its package. Those of the environment are not among them."""
    found = []
    for directory, directories, files in os.walk(top):
        if directory == top:
            directories[:] = [name for name in directories if name not in (".venv", ".kis")]
        found += [os.path.join(directory, name) for name in files if name.endswith(".py")]
    return found


def complete(top, modules, given, modified):
    """Give each of the modules its bytecode: that of a packed file, "" for none, or else a compiled one. Return
    the digests of what was written, see files.py. For a child."""
    files = Files(top, modified)
    if given:
        modules = unpack(given, modules, files)
    workers = min(MAX_WORKERS, len(os.sched_getaffinity(0)), 1 + len(modules) // WORTH_A_WORKER)
    children = [start(modules[number::workers], files) for number in range(1, workers)]
    compile_all(modules[0::workers], files)
    for pid in children:
        _, status = os.waitpid(pid, 0)
        number = os.WEXITSTATUS(status) if os.WIFEXITED(status) else FAILED
        if number not in (0, FAILED):
            raise OSError(number, os.strerror(number), top)
        if number:
            raise Refused("step-failed", "a process that compiled modules has failed", "does the host have enough memory? see: dmesg")
    return {"digests": files.settled()}


def start(modules, files):
    """A process of its own that compiles."""
    pid = os.fork()
    if pid == 0:
        status = FAILED
        try:
            compile_all(modules, files)
            status = 0
        except OSError as err:
            status = err.errno or FAILED
        finally:
            os._exit(status)
    return pid


def compile_all(modules, files):
    for path in modules:
        compile_file(path, files)


def compile_file(path, files):
    """Compile a module without its time, because it never changes. Some files, such as templates, are not valid
    Python, and a name may be too long with its suffix; that is no error. The file is written here, because py_compile
    leaves half of it on a full disk, and says nothing."""
    try:
        if not os.path.isfile(path):
            return
        data = read_file(path)
        code = compile(data, path, "exec", dont_inherit=True)
        compiled = marshal.dumps(code)  # of a name: marshal writes objects that are referred to once in another way
    except Exception:  # pylint: disable=broad-except # SyntaxError, ValueError, RecursionError, …: what py_compile ignores
        return
    header = importlib.util.MAGIC_NUMBER + UNCHECKED + importlib.util.source_hash(data)  # PEP 552
    try:
        files.write(importlib.util.cache_from_source(path), [header + compiled])
    except OSError as err:
        if err.errno not in NO_PLACE:
            raise


def pack(top, modules, path):
    """Pack the bytecode of the modules in a new file; return its digest and size. For a child."""
    try:
        with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED, compresslevel=1) as archive:
            for module in sorted(set(modules)):
                compiled = importlib.util.cache_from_source(module)
                try:
                    data = read_file(compiled)
                except OSError:
                    continue  # the module is not valid Python, or its bytecode would have too long a name
                archive.writestr(zipfile.ZipInfo(os.path.relpath(compiled, top)), data, zipfile.ZIP_DEFLATED, 1)
    except OSError:
        remove_file(path)  # the package needs the space
        raise
    return {"sha256": sha256_file(path), "size": os.path.getsize(path)}


def unpack(given, modules, files):
    """Unpack the bytecode of the modules, and remove the packed file; return those that it is not there for.
    Another host has packed it: only what belongs to a module here, by the digest of its source, is
    taken."""
    try:
        with zipfile.ZipFile(given) as archive:
            members = {info.filename: info for info in archive.infolist()}
            left = [module for module in modules if not take(archive, members, module, files)]
    except UNREADABLE:
        left = modules
    remove_file(given)
    return left


def take(archive, members, module, files):
    """Unpack the bytecode of one module, and report whether it is there."""
    compiled = importlib.util.cache_from_source(module)
    info = members.get(compiled[len(files.top) :])
    if info is None or info.compress_type != zipfile.ZIP_DEFLATED or info.flag_bits & ENCRYPTED:
        return False
    try:
        with archive.open(info) as f:
            data = f.read(MAX_BYTES)
        if not belongs(data, module):
            return False
        files.write(compiled, [data])
        return True
    except UNREADABLE:
        return False


def belongs(data, module):
    """Whether this is bytecode of this interpreter for the module."""
    return data[:8] == importlib.util.MAGIC_NUMBER + UNCHECKED and data[8:16] == importlib.util.source_hash(read_file(module))
