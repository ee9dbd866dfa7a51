"""What a companion environment is built for."""
import importlib.machinery
import os
import sys


def platform():
    """The platform of this interpreter, as text to compare: hosts with equal platforms can install
    each other's wheels. The version counts to its last part, because requirements may depend on it
    (PEP 508), and that of the C library, because wheels may (PEP 600)."""
    abi = importlib.machinery.EXTENSION_SUFFIXES[0].strip(".").replace(".so", "")
    version = "%d.%d.%d" % sys.version_info[:3]
    return " ".join([sys.implementation.name, version, abi, os.uname().machine, libc()])


def libc():
    """The C library and its version. musl has no such name; then SOABI tells, and its wheels depend on
    the version of musl hardly ever."""
    try:
        return (os.confstr("CS_GNU_LIBC_VERSION") or "other").replace(" ", "-")
    except (ValueError, OSError):
        return "other"
