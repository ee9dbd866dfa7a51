"""A web application that says which version of it answers, and from where."""
import importlib.metadata
import os
import sys

from flask import Flask

app = Flask(__name__)


@app.get("/")
def index():
    return "greeter %s in %s\n" % (importlib.metadata.version("greeter"), os.path.dirname(os.path.abspath(__file__)))


def main():
    """greeter PORT: serve on the loopback interface."""
    app.run(host="127.0.0.1", port=int(sys.argv[1]))
