"""The environment variables of everything the agent starts.

Nothing is inherited by accident: a login shell's PYTHONPATH or PATH must not decide what a package
becomes. What sites set on purpose (proxies, certificates, where pip gets packages) is passed on.
"""
import os
import pwd

from kisagent.settings import is_passed

PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
PASSED = (
    "TZ",
    "SSL_CERT_FILE",
    "SSL_CERT_DIR",
    "REQUESTS_CA_BUNDLE",
    "CURL_CA_BUNDLE",
    "XDG_RUNTIME_DIR",
    "DBUS_SESSION_BUS_ADDRESS",
)


def step_variables(run, mark, temporary, pip_settings):
    """The variables of a step. mark identifies this agent's processes. temporary is the run's own
    directory, because /tmp may be full or mounted noexec. pip_settings are the names of the settings of
    pip that are passed on."""
    out = {}
    for name, value in os.environ.items():
        if name in PASSED or name.startswith("PIP_") and is_passed(name, pip_settings) or name.lower() in ("http_proxy", "https_proxy", "no_proxy", "all_proxy"):
            out[name] = value
    try:
        user = pwd.getpwuid(os.geteuid())
        out.update(HOME=user.pw_dir, USER=user.pw_name, LOGNAME=user.pw_name)
    except KeyError:
        out.update(HOME="/", USER=str(os.geteuid()), LOGNAME=str(os.geteuid()))
    out.update(
        PATH=PATH,
        LC_ALL="C.UTF-8",
        LANG="C.UTF-8",
        TMPDIR=temporary,
        KIS_RUN=run,
        KIS_AGENT=mark,
        PYTHONDONTWRITEBYTECODE="1",
        PYTHONUNBUFFERED="1",
        PIP_DISABLE_PIP_VERSION_CHECK="1",
        PIP_NO_INPUT="1",
    )
    return out
