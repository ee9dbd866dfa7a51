"""A short name of a run's directory for temporary files. The address of a Unix socket has at most 107 bytes,
which the path below a package repository may use up: multiprocessing, gpg-agent and databases in tests
have their sockets below TMPDIR. The name is a symbolic link, so that the files stay where there is space,
programs can run, and other users cannot read.
"""
import os

PLACES = ("/tmp", "/var/tmp", "/dev/shm")
DIRECTORY = "tmp"  # in the run's directory
RECORD = "short"  # a link in the run's directory to its short name


def create(run):
    """The short name of the directory for temporary files of a run, or its path where no place can have a
    link to it. The record is made first, so that a link is never left without one."""
    directory, record = os.path.join(run, DIRECTORY), os.path.join(run, RECORD)
    for place in PLACES:
        name = os.path.join(place, "kis-" + os.urandom(5).hex())
        try:
            os.symlink(name, record)
            os.symlink(directory, name)
            if os.path.samefile(name, directory):
                return name
        except OSError:
            pass
        remove(run)
    return directory


def remove(run):
    """Remove the link of a run. What has that name and is not its link is another user's."""
    record = os.path.join(run, RECORD)
    try:
        name = os.readlink(record)
        if os.path.dirname(name) in PLACES and os.readlink(name) == os.path.join(run, DIRECTORY):
            os.unlink(name)
    except OSError:
        pass
    try:
        os.unlink(record)
    except OSError:
        pass
