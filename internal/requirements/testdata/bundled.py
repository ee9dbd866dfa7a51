"""Make pip importable: Debian's python3 has it for ensurepip only."""
import glob
import os
import sys

try:
    import pip  # noqa: F401
except ImportError:
    import ensurepip

    bundled = os.path.join(os.path.dirname(ensurepip.__file__), "_bundled", "pip-*.whl")
    sys.path.insert(0, (glob.glob(bundled) + glob.glob("/usr/share/python-wheels/pip-*.whl"))[0])
