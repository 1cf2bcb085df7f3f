"""The network in front of a sandbox: doors over http and https, behind which requests fare badly on demand.

A door passes a request on to the vendors' APIs or to their download host, both of one sandbox, and turns the
addresses of download links into its own. What goes wrong is a :class:`Trouble`.
"""

from __future__ import annotations

import http.client
import re
import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field, replace
from typing import Any
from urllib.parse import urlsplit

from certificates import Certificate
from origin import Fault, Handler, Origin, http_origin

from airflow_provider_assets.sandbox.client import Sandbox

# What each stage of an export asks for, as "METHOD path".
SUBMIT = r"POST /v1/assets/(download|archive)$|POST .*/assets/export$"
POLL = r"GET /v1/(assets/download/|jobs)|GET /image/v1/status|GET .*/assets/jobs/"
LIST = r"(GET|POST) /v1/(assets|search/assets)$|GET /image/v1/status$|GET /v2/.*/(apps|tasks)$"
DOWNLOAD = r"GET (/scenario/|/topaz/|.*/assets/archives/)"
_STORED = re.compile(r"/(scenario|topaz)/")  # paths of the download host
_LINK = re.compile(rb"http://localhost:\d+/")
_HOP = frozenset({"connection", "content-length", "transfer-encoding", "date", "server"})


@dataclass(frozen=True)
class Reply:
    """The vendor's answer as the door will send it."""

    status: int
    headers: dict[str, str]
    content: bytes
    how: Fault = field(default_factory=Fault)


@dataclass(frozen=True)
class Asked:
    """A request that is hit.

    :ivar number: the how many-th of its kind it is, from 1. :ivar link: number of the link that it uses.
    :ivar whole: fetches the whole file that it asks a range of.
    """

    number: int
    link: int
    headers: dict[str, str]
    whole: Callable[[], bytes]


Spoil = Callable[[Reply, Asked], Reply]


@dataclass
class Trouble:
    """What goes wrong with requests to *what*.

    :param instead: the answer that they get; they do not reach the vendor.
    :param spoil: makes of the vendor's answer another one.
    :param times: number of requests that it hits; None for all.
    """

    what: str
    instead: Fault | None = None
    spoil: Spoil | None = None
    times: int | None = None
    after: int = 0
    hits: int = 0
    _seen: int = 0
    _links: dict[str, list[str]] = field(default_factory=dict)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def take(self, method: str, path: str) -> tuple[int, int]:
        """The numbers of the request and of its link; zeros if it is not hit."""
        path, _, query = path.partition("?")
        if not re.match(self.what, f"{method} {path}"):
            return 0, 0
        with self._lock:
            links = self._links.setdefault(path, [])
            if query not in links:
                links.append(query)
            self._seen += 1
            if self._seen <= self.after or self.hits == self.times:
                return 0, 0
            self.hits += 1
            return self._seen, links.index(query) + 1


@dataclass
class Front:
    """All doors of a sandbox.

    :ivar images: ids of the images of Topaz Labs that are there from the beginning.
    :ivar trouble: of the present attempt. :ivar links_to: the address in download links; None: the door's
        own through which they were asked for.
    """

    sandbox: Sandbox
    api: str
    doors: dict[str, str] = field(default_factory=dict)
    images: list[str] = field(default_factory=list)
    trouble: Trouble | None = None
    links_to: str | None = None
    store: str = ""

    @property
    def ports(self) -> set[int]:
        return {urlsplit(url).port or 0 for url in self.doors.values()}

    def backend(self, path: str) -> str:
        return self.store if _STORED.match(path) else self.api


class _Door(Handler):
    front: Front
    url: str

    do_POST = do_PUT = do_DELETE = Handler.do_GET  # noqa: N815  # as http.server wants them

    def _serve(self, *, body: bool) -> None:
        sent = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        trouble = self.front.trouble
        number, link = trouble.take(self.command, self.path) if trouble else (0, 0)
        if trouble and number and trouble.instead:
            given = trouble.instead
            self._answer(given.status or 200, given.body, given.headers, given, body=body)
            return
        headers = dict(self.headers.items())
        reply = self._asked(headers, sent)
        if trouble and number and trouble.spoil:
            asked = Asked(number, link, headers, lambda: self._whole(headers))
            reply = trouble.spoil(reply, asked)
        self._answer(reply.status, reply.content, reply.headers, reply.how, body=body)

    def _whole(self, headers: dict[str, str]) -> bytes:
        rest = {name: text for name, text in headers.items() if "range" not in name.lower()}
        return self._asked(rest, b"").content

    def _asked(self, given: dict[str, str], sent: bytes) -> Reply:
        front, path = self.front, self.path.partition("?")[0]
        connection = http.client.HTTPConnection(front.backend(path), timeout=60)
        try:
            connection.putrequest(
                self.command, self.path, skip_host=True, skip_accept_encoding=True
            )
            for name, value in given.items():
                connection.putheader(name, value)
            connection.endheaders(sent or None)
            got = connection.getresponse()
            content = got.read()
        finally:
            connection.close()
        headers = {name: value for name, value in got.headers.items() if name.lower() not in _HOP}
        if "json" in headers.get("Content-Type", ""):
            if found := _LINK.search(content):
                front.store = urlsplit(found[0].decode()).netloc
            content = _LINK.sub(f"{front.links_to or self.url}/".encode(), content)
        # The length of a HEAD is that of the file.
        size = got.headers["Content-Length"] if self.command == "HEAD" else None
        how = Fault(announced=int(size)) if size else Fault()
        return Reply(got.status, headers, content, how)


@contextmanager
def front_of(sandbox: Sandbox, certificates: dict[str, Certificate]) -> Iterator[Front]:
    """The doors ``http``, one for each of *certificates*, ``cut`` (in the handshake) and ``closed``."""
    api = urlsplit(str(sandbox.ready["admin_url"])).netloc
    front = Front(sandbox, api)
    front.images = [str(one["id"]) for one in sandbox.items("topaz", start="2026-02")]
    with ExitStack() as stack:
        for name, certificate in {"http": None, **certificates}.items():
            door = type("Door", (_Door,), {"front": front})
            origin: Origin = stack.enter_context(http_origin(certificate, handled_by=door))
            front.doors[name] = door.url = origin.url
        front.doors["cut"] = stack.enter_context(_cut_off())
        with socket.create_server(("127.0.0.1", 0)) as closed:
            front.doors["closed"] = f"http://127.0.0.1:{closed.getsockname()[1]}"
        yield front


@contextmanager
def _cut_off() -> Iterator[str]:
    """A host that ends each connection after the first bytes of its client."""
    over = threading.Event()

    def serve() -> None:
        while not over.is_set():
            try:
                connection, _ = server.accept()
            except OSError:
                return
            with connection:
                connection.recv(64)

    with socket.create_server(("127.0.0.1", 0)) as server:
        thread = threading.Thread(target=serve, name="serve_forever", daemon=True)
        thread.start()
        try:
            yield f"https://127.0.0.1:{server.getsockname()[1]}"
        finally:
            over.set()
            server.shutdown(socket.SHUT_RDWR)
            thread.join(5)


def sent(**changes: Any) -> Spoil:
    """A spoiler that sends the vendor's answer in the way of ``Fault(**changes)``."""
    return lambda reply, asked: replace(reply, how=Fault(**changes))
