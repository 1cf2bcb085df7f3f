"""A name service that lies, an internet that is this machine, and servers that never end an answer."""

from __future__ import annotations

import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field

import pytest

PUBLIC = "93.184.216.34"


@dataclass
class Internet:
    """Every connection of this process to a public address ends at the same port of this machine.

    :ivar names: the addresses of a name, by look-up: the last answer is repeated.
    :ivar dialled: the addresses to which a connection was tried.
    """

    names: dict[str, list[list[str]]] = field(default_factory=dict)
    dialled: list[str] = field(default_factory=list)

    def patch(self, monkeypatch: pytest.MonkeyPatch) -> None:
        look_up, connect = socket.getaddrinfo, socket.create_connection

        def getaddrinfo(host, port, *args: int, **options: int):
            answers = self.names.get(host)
            if not answers:
                options["flags"] = options.get("flags", 0) | socket.AI_NUMERICHOST
                return look_up(host, port, *args, **options)
            addresses = answers.pop(0) if len(answers) > 1 else answers[0]
            kind = socket.SOCK_STREAM, socket.IPPROTO_TCP, ""
            return [(socket.AF_INET, *kind, (address, port)) for address in addresses]

        def create_connection(address, *args, **options):
            host, port = address
            self.dialled.append(host)
            return connect(("127.0.0.1", port), *args, **options)

        monkeypatch.setattr(socket, "getaddrinfo", getaddrinfo)
        monkeypatch.setattr(socket, "create_connection", create_connection)


@dataclass
class Endless:
    """A server that begins each answer with *head* and repeats *unit* until the client leaves.

    :ivar sent: bytes of each answer, the buffers of the system included.
    """

    head: bytes
    unit: bytes
    pause: float = 0.0
    sent: list[int] = field(default_factory=list)
    url: str = ""

    def serve(
        self, accept: Callable[[], tuple[socket.socket, object]], closing: threading.Event
    ) -> None:
        while True:
            try:
                client = accept()[0]
            except OSError:
                return
            threading.Thread(target=self._answer, args=(client, closing), daemon=True).start()

    def _answer(self, client: socket.socket, closing: threading.Event) -> None:
        self.sent.append(0)
        mine, piece = len(self.sent) - 1, self.unit if self.pause else self.unit * 500
        with client, suppress(OSError):
            client.recv(1 << 16)
            client.sendall(self.head)
            while not closing.wait(self.pause):
                client.sendall(piece)
                self.sent[mine] += len(piece)


@contextmanager
def endless(head: bytes, unit: bytes, *, pause: float = 0.0) -> Iterator[Endless]:
    """An :class:`Endless` server on a free port."""
    server, closing, listener = (
        Endless(head, unit, pause),
        threading.Event(),
        socket.create_server(("127.0.0.1", 0)),
    )
    server.url = f"http://127.0.0.1:{listener.getsockname()[1]}"
    thread = threading.Thread(target=server.serve, args=(listener.accept, closing), daemon=True)
    thread.start()
    try:
        yield server
    finally:
        closing.set()
        listener.shutdown(socket.SHUT_RDWR)
        listener.close()
        thread.join(5)
