"""A small HTTP proxy on this machine: CONNECT and absolute-form, with or without a login."""

from __future__ import annotations

import http.client
import select
import socket
import threading
from base64 import b64encode
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import urlsplit


@dataclass
class Proxy:
    """A proxy that listens on a free port; ``login`` is user:password or ""."""

    port: int = 0
    login: str = ""
    seen: list[tuple[str, str]] = field(default_factory=list)

    @property
    def address(self) -> str:
        return f"127.0.0.1:{self.port}"


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    proxy: Proxy

    def log_message(self, *args: object) -> None:
        pass

    def do_CONNECT(self) -> None:
        if not self._is_allowed():
            return
        host, _, port = self.path.rpartition(":")
        with socket.create_connection((host, int(port))) as beyond:
            self.send_response(200)
            self.end_headers()
            self._relay(beyond)
        self.close_connection = True

    def do_GET(self) -> None:
        if not self._is_allowed():
            return
        parts = urlsplit(self.path)
        beyond = http.client.HTTPConnection(parts.netloc)
        headers = {k: v for k, v in self.headers.items() if not k.lower().startswith("proxy-")}
        beyond.request("GET", f"{parts.path}?{parts.query}".rstrip("?"), headers=headers)
        response = beyond.getresponse()
        self.send_response(response.status)
        for name, value in response.headers.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(response.read())
        beyond.close()

    def _is_allowed(self) -> bool:
        self.proxy.seen.append((self.command, self.path))
        wanted = "Basic " + b64encode(self.proxy.login.encode("latin-1")).decode()
        if not self.proxy.login or self.headers.get("Proxy-Authorization") == wanted:
            return True
        self.send_response(407)
        self.send_header("Proxy-Authenticate", 'Basic realm="test"')
        self.send_header("Content-Length", "0")
        self.end_headers()
        return False

    def _relay(self, beyond: socket.socket) -> None:
        ends = {self.connection: beyond, beyond: self.connection}
        while True:
            for end in select.select(list(ends), [], [])[0]:
                data = end.recv(1 << 16)
                if not data:
                    return
                ends[end].sendall(data)


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    block_on_close = False

    def handle_error(self, request: object, client_address: object) -> None:
        pass


@contextmanager
def http_proxy(login: str = "") -> Iterator[Proxy]:
    """A :class:`Proxy` that listens on a free port."""
    proxy = Proxy(login=login)
    server = _Server(("127.0.0.1", 0), type("Handler", (_Handler,), {"proxy": proxy}))
    proxy.port = server.server_address[1]
    threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True).start()
    try:
        yield proxy
    finally:
        server.shutdown()
        server.server_close()
