"""A WSGI application that says hello and its version."""
import importlib.metadata

__version__ = importlib.metadata.version("hello")


def application(environ, start_response):
    """The WSGI application (PEP 3333)."""
    body = ("hello from version %s\n" % __version__).encode("ascii")
    start_response("200 OK", [("Content-Type", "text/plain"), ("Content-Length", str(len(body)))])
    return [body]
