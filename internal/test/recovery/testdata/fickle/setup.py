"""A project of the old kind, with a setup.py that fails where something is missing on the host."""
import os
import sys

from setuptools import setup

if os.path.exists("/home/kistest/without-libfoo"):
    sys.exit("fickle: libfoo.h is missing: apt install libfoo-dev")

with open("VERSION") as f:
    setup(name="fickle", version=f.read().strip(), py_modules=["fickle"])
