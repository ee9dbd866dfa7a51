"""python -m hello [--serve PORT]: answer one request here, or serve on the loopback interface."""
import sys

from hello import application


def main():
    if sys.argv[1:2] == ["--serve"]:
        from wsgiref.simple_server import make_server

        make_server("127.0.0.1", int(sys.argv[2]), application).serve_forever()
    for part in application({}, lambda status, headers: print(status)):
        sys.stdout.write(part.decode())


main()
