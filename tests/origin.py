"""An HTTP or HTTPS server of byte strings whose faults are scripted."""

from __future__ import annotations

import os
import socket
import struct
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from certificates import Certificate


@dataclass
class Fault:
    """What goes wrong with one response.

    ``status``: answered instead of the file, with ``body``. ``cut``: bytes of the body after which the
    connection is closed, or ``reset``. ``silent``: it is reset before any byte. ``stall``: bytes after which
    nothing more comes for ``stalled`` seconds. ``location``: a redirect. ``delay``: seconds before anything
    is answered. ``extra``: bytes that follow the file. ``announced``: the length announced instead of its
    own. ``after``: what has to happen before the response. ``headers``: of the response. ``drip``: seconds
    between the bytes of the body, and with ``drip_head`` of the headers too. ``hang_up``: the connection is
    closed after the whole response, unannounced.
    """

    status: int | None = None
    body: bytes = b"refused"
    cut: int | None = None
    reset: bool = False
    stall: int | None = None
    stalled: float = 20.0
    location: str | None = None
    after: threading.Event | None = None
    delay: float = 0.0
    extra: bytes = b""
    announced: int | None = None
    silent: bool = False
    headers: dict[str, str] = field(default_factory=dict)
    drip: float = 0.0
    drip_head: bool = False
    hang_up: bool = False


@dataclass
class Seen:
    """One request as it came in."""

    method: str
    target: str
    headers: dict[str, str]
    start: int | None = None
    end: int | None = None


@dataclass
class Origin:
    """An HTTP server of byte strings, by path."""

    url: str = ""
    files: dict[str, bytes] = field(default_factory=dict)
    etags: dict[str, str] = field(default_factory=dict)
    ranged: bool = True
    announce_length: bool = True
    fault: Callable[[Seen, int], Fault | None] = lambda seen, number: None
    seen: list[Seen] = field(default_factory=list)
    sent: int = 0
    delay: float = 0.0
    rate: float | None = None
    lock: threading.Lock = field(default_factory=threading.Lock)
    closing: threading.Event = field(default_factory=threading.Event)


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    origin: Origin

    def log_message(self, *args: object) -> None:
        pass

    def do_HEAD(self) -> None:
        self._serve(body=False)

    def do_GET(self) -> None:
        self._serve(body=True)

    def _serve(self, *, body: bool) -> None:
        origin = self.origin
        seen = Seen(self.command, self.path, dict(self.headers))
        data = origin.files.get(self.path.partition("?")[0])
        etag = origin.etags.get(self.path.partition("?")[0], '"one"')
        spec = self.headers.get("Range", "")
        wanted = self.headers.get("If-Range")
        part = None
        if (
            data is not None
            and origin.ranged
            and spec.startswith("bytes=")
            and wanted in (None, etag)
        ):
            first, _, last = spec[6:].partition("-")
            seen.start = int(first)
            seen.end = min(int(last) if last else len(data) - 1, len(data) - 1)
            part = data[seen.start : seen.end + 1]
        with origin.lock:
            origin.seen.append(seen)
            number = len(origin.seen)
            fault = origin.fault(seen, number) or Fault()
        if fault.after:
            fault.after.wait(10)
        time.sleep(origin.delay + fault.delay)
        if fault.location:
            self._answer(302, b"", {"Location": fault.location})
        elif fault.status or data is None:
            self._answer(fault.status or 404, fault.body, fault.headers)
        elif part is not None and not part:
            self._answer(416, b"", {"Content-Range": f"bytes */{len(data)}"})
        elif part is not None:
            span = f"bytes {seen.start}-{seen.end}/{len(data)}"
            self._answer(206, part, {"Content-Range": span, "ETag": etag, **fault.headers}, fault)
        else:
            self._answer(200, data + fault.extra, {"ETag": etag, **fault.headers}, fault, body=body)

    def _answer(self, status, content, headers, fault=None, *, body=True) -> None:
        fault = fault or Fault()
        if fault.silent:
            self.close_connection = True
            self._break_off(reset=True)
            return
        dripping = _Dripping(self.wfile, fault.drip, self.origin.closing)
        if fault.drip_head:
            self.wfile = dripping
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name, value)
        if self.origin.announce_length or status != 200:
            size = len(content) if fault.announced is None else fault.announced
            self.close_connection |= size != len(content)
            self.send_header("Content-Length", str(size))
        else:
            self.close_connection = True
        self.end_headers()
        if fault.drip:
            self.wfile = dripping
        if body:
            self._answer_body(content, fault)

    def _answer_body(self, content: bytes, fault: Fault) -> None:
        stop = min(size for size in (len(content), fault.cut, fault.stall) if size is not None)
        self.close_connection |= fault.hang_up or stop < len(content)
        try:
            self._send(memoryview(content)[:stop])
            if fault.stall is not None:
                self.origin.closing.wait(fault.stalled)
        except OSError:
            self.close_connection = True
            return
        if stop < len(content):
            self._break_off(reset=fault.reset)

    def _break_off(self, *, reset: bool) -> None:
        if reset:
            time.sleep(0.02)  # what is not delivered by then is lost
            linger = struct.pack("ii", 1, 0)
            self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)
            os.close(self.connection.detach())
        else:
            socket.socket.shutdown(self.connection, socket.SHUT_RDWR)

    def _send(self, content: memoryview) -> None:
        origin = self.origin
        began = time.monotonic()
        for at in range(0, len(content), 1 << 16):
            piece = content[at : at + (1 << 16)]
            self.wfile.write(piece)
            with origin.lock:
                origin.sent += len(piece)
            if origin.rate:
                ahead = (at + len(piece)) / origin.rate - (time.monotonic() - began)
                if ahead > 0:
                    time.sleep(ahead)


class _Dripping:
    """Writes one byte at a time."""

    def __init__(self, target, seconds: float, closing: threading.Event) -> None:
        self.target, self.seconds, self.closing = target, seconds, closing

    def write(self, data: bytes) -> None:
        for byte in bytes(data):
            self.target.write(bytes([byte]))
            if self.seconds and self.closing.wait(self.seconds):
                raise ConnectionAbortedError

    def __getattr__(self, name: str):
        return getattr(self.target, name)


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    block_on_close = False
    request_queue_size = 128

    def handle_error(self, request: object, client_address: object) -> None:
        pass


@contextmanager
def http_origin(
    certificate: Certificate | None = None,
    *,
    host: str = "127.0.0.1",
    handled_by: type[Handler] | None = None,
) -> Iterator[Origin]:
    """An :class:`Origin` that listens on a free port; with a *certificate*, over TLS."""
    origin = Origin()
    handler = type("Handler", (handled_by or Handler,), {"origin": origin})
    server = _Server((host, 0), handler)
    if certificate:
        # The handshake is left to the thread that serves the connection.
        server.socket = certificate.server_context().wrap_socket(
            server.socket, server_side=True, do_handshake_on_connect=False
        )
    scheme = "https" if certificate else "http"
    origin.url = f"{scheme}://{host}:{server.server_address[1]}"
    thread = threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True)
    thread.start()
    try:
        yield origin
    finally:
        origin.closing.set()
        server.shutdown()
        server.server_close()
