"""Package indexes with a password, without the password on any command line.

pip repeats the URLs of its indexes on the command line of the pip that installs build requirements,
where every user of the host can read them. So pip gets URLs without credentials, and finds these in
a netrc file that only the deploying user can read. It looks there before each request to that host.
"""
import netrc
import os
import re
import sys
from urllib.parse import unquote

from kisagent.store import write_durably
from kisagent.wire import Refused

# A URL with a user, or a user and a password. URLs of version control (git+https://…) are not pip's
# to read.
URL_CREDENTIALS = re.compile(r"(?<![\w+.-])(https?://)([^\s/?#]+)@([^\s/?#@]+)")
VARIABLE = re.compile(r"\$\{([A-Z0-9_]+)\}")  # pip expands environment variables
HINT = """pip before 20.3 cannot: remove user and password from the URL, and add them to ~/.netrc of the deploying user on that host
Python before 3.11 cannot where the password is empty or contains spaces, quotes or backslashes: choose another password"""


class Credentials:
    """The credentials that were removed from URLs, by host."""

    def __init__(self, environment):
        self.environment = environment
        self.found = {}  # host: (user, password)
        self.addresses = {}  # host: a URL on it

    def strip(self, text):
        """The text with the credentials removed from its URLs."""
        return URL_CREDENTIALS.sub(self._strip, text)

    def copy(self, source, target):
        """Copy a requirements file without credentials, otherwise byte for byte: its encoding is
        for pip to interpret."""
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
            raise Refused("index-password", "two different passwords are given for %s" % host, "give kis one password for that host")
        self.addresses[host] = scheme + host_port
        return scheme + host_port

    def _value(self, variable):
        return self.environment.get(variable.group(1)) or variable.group(0)

    def write(self, path):
        """Write a netrc file for pip, including the deploying user's own entries: pip reads one
        file only."""
        own = user_netrc(self.environment["HOME"])
        entries = ["machine %s login %s password %s\n" % (host, netrc_token(user), netrc_token(password)) for host, (user, password) in self.found.items()]
        write_durably(path, own + "".join(entries))

    def require_netrc_support(self, path, pip):
        """Refuse where this host's pip does not read the credentials from the file: they could then
        only be passed on a command line. For a child: it changes os.environ and sys.path."""
        os.environ["NETRC"] = path
        sys.path.insert(0, pip)
        from pip._vendor.requests.utils import get_netrc_auth

        for host, pair in self.found.items():
            if get_netrc_auth(self.addresses[host]) != pair:
                message = "pip on this host cannot be given the password of %s without showing it to every user of the host" % host
                raise Refused("index-password", message, HINT)
        return {}


def netrc_token(text):
    """A token of a netrc file. Only Python 3.11 and later reads quoted ones."""
    if re.match(r"[^\s\"\\]+\Z", text):
        return text
    return '"%s"' % text.replace("\\", "\\\\").replace('"', '\\"')


def user_netrc(home):
    """The text of the deploying user's own netrc file, from where pip would have read it."""
    for name in (".netrc", "_netrc"):
        path = os.path.join(home, name)
        try:
            netrc.netrc(path)
            with open(path, encoding="utf-8") as f:
                return f.read() + "\n"
        except (OSError, UnicodeDecodeError, netrc.NetrcParseError):
            continue
    return ""
