"""A project of the old kind, with a setup.py that fails where something is missing, as on this machine."""
import os
import sys

from setuptools import setup

if {"bdist_wheel", "editable_wheel"}.intersection(sys.argv) and not os.path.exists("/home/kistest/libfoo.h"):
    sys.exit("fickle: libfoo.h is missing: apt install libfoo-dev")

with open("VERSION") as f:
    setup(name="fickle", version=f.read().strip(), py_modules=["fickle"])
