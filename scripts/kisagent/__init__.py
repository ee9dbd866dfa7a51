"""The agent of kis: one process per host and run, in Python 3.8's standard library.

It is sent over the SSH connection and lives in memory only. It holds the stage's lock, runs the
POSIX-sh steps as child process groups, seals packages and re-links stages. It ends, and everything
it started with it, when the connection ends.
"""
