"""A WSGI application that says hello and its version."""


def application(environ, start_response):
    """The WSGI application (PEP 3333)."""
    from importlib.metadata import version  # takes longer to import than the rest of the application

    body = ("hello from version %s\n" % version("hello")).encode("ascii")
    start_response("200 OK", [("Content-Type", "text/plain"), ("Content-Length", str(len(body)))])
    return [body]
