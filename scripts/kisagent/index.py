"""Where packages come from, without a password on any command line.

pip repeats the addresses of its indexes to the pip that it starts for what a project is built with, and there every user of the host can read
them. So pip is given addresses without user and password, and finds these in a netrc file that only we can read. It finds them before it
asks, for every file of that host.
"""
import netrc
import os
import re
import sys
from urllib.parse import unquote

from kisagent.store import write_durably
from kisagent.wire import Refused

# An address with a user, or a user and a password. One that belongs to git or the like (git+https://…) is read by another program than pip.
URL_CREDENTIALS = re.compile(r"(?<![\w+.-])(https?://)([^\s/?#]+)@([^\s/?#@]+)")
VARIABLE = re.compile(r"\$\{([A-Z0-9_]+)\}")  # pip puts in what the environment has
HINT = """pip before 20.3 cannot: leave user and password out of the address, and put them into ~/.netrc of the deploying user there
Python before 3.11 cannot where the password is empty or has spaces, quotes or backslashes: choose another one"""


class Credentials:
    """The users and passwords that were taken out of addresses, by host."""

    def __init__(self, environment):
        self.environment = environment
        self.found = {}  # host: (user, password)
        self.addresses = {}  # host: an address of it

    def strip(self, text):
        """The text without the users and passwords of its addresses."""
        return URL_CREDENTIALS.sub(self._strip, text)

    def copy(self, source, target):
        """A copy of a requirements file, otherwise as it is, byte by byte: its encoding is pip's business."""
        with open(source, encoding="utf-8", errors="surrogateescape", newline="") as f:
            text = self.strip(f.read())
        with open(target, "w", encoding="utf-8", errors="surrogateescape", newline="") as f:
            f.write(text)

    def _strip(self, match):
        scheme, login, host_port = (VARIABLE.sub(self._value, part) for part in match.groups())
        host_port = host_port.lower()
        user, _, password = login.partition(":")
        host, pair = host_port.partition(":")[0], (unquote(user), unquote(password))
        if self.found.setdefault(host, pair) != pair:
            raise Refused("index-password", "there are two different passwords for %s" % host, "give kis one of them for that host")
        self.addresses[host] = scheme + host_port
        return scheme + host_port

    def _value(self, variable):
        return self.environment.get(variable.group(1)) or variable.group(0)

    def write(self, path):
        """Write them down for pip, with what the deploying user has for other hosts: pip reads one such file."""
        own = user_netrc(self.environment["HOME"])
        write_durably(path, own + "".join("machine %s login %s password %s\n" % (host, netrc_token(user), netrc_token(password)) for host, (user, password) in self.found.items()))

    def require_netrc_support(self, path, pip):
        """Refuse where this host's pip does not find them in the file: then it could only be told in the open. Runs in a child."""
        os.environ["NETRC"] = path
        sys.path.insert(0, pip)
        from pip._vendor.requests.utils import get_netrc_auth

        for host, pair in self.found.items():
            if get_netrc_auth(self.addresses[host]) != pair:
                message = "the password of %s cannot be given to the pip of this host without showing it to every user there" % host
                raise Refused("index-password", message, HINT)
        return {}


def netrc_token(text):
    """A word of a netrc file. Quotes are read by Python 3.11 and later only."""
    if re.match(r"[^\s\"\\]+\Z", text):
        return text
    return '"%s"' % text.replace("\\", "\\\\").replace('"', '\\"')


def user_netrc(home):
    """The text of the user's own netrc, where pip would have read it."""
    for name in (".netrc", "_netrc"):
        path = os.path.join(home, name)
        try:
            netrc.netrc(path)
            with open(path, encoding="utf-8") as f:
                return f.read() + "\n"
        except (OSError, UnicodeDecodeError, netrc.NetrcParseError):
            continue
    return ""
