"""HTTPS for health checks. Not every Python has TLS: this module is imported where a check needs it."""
import http.client
import ssl


class Tls(http.client.HTTPSConnection):
    """HTTPS to an address of this host, with the certificate of the name that clients ask for."""

    def __init__(self, address, port, name, timeout):
        self.context = ssl.create_default_context()
        super().__init__(address, port, timeout=timeout, context=self.context)
        self.name = name

    def connect(self):
        http.client.HTTPConnection.connect(self)
        self.sock = self.context.wrap_socket(self.sock, server_hostname=self.name)
