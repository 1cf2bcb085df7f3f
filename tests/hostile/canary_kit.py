"""Secrets to be looked for, the places where a run leaves something, and the search."""

from __future__ import annotations

import base64
import json
import os
import threading
from collections.abc import AsyncIterator, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, quote, quote_plus, unquote, urlsplit

import pytest
from airflow._shared.secrets_masker import secrets_masker as server_masker
from airflow.sdk._shared.secrets_masker import secrets_masker as task_masker
from airflow.triggers.base import BaseTrigger, TriggerEvent

from airflow_provider_assets.hooks.base import AssetArchiveHook
from airflow_provider_assets.vendors.base import Vendor

_LENGTH = 24  # of a long secret, its beginning is looked for: messages cut texts
_SHORTEST = 8  # shorter values, such as the name of a region, are none
PUBLIC_HEADERS = {
    "accept", "accept-encoding", "connection", "content-length", "content-type", "host", "range",
    "user-agent", "x-project-id", "x-sdk-date",
}  # fmt: skip


def forms(secret: str) -> dict[str, bytes]:
    """Every form in which *secret* is looked for, by its name."""
    raw = secret[:_LENGTH].encode()
    found = {
        "raw": raw,
        "percent-encoded": quote(secret, safe="")[:_LENGTH].encode(),
        "form-encoded": quote_plus(secret)[:_LENGTH].encode(),
        "as JSON": json.dumps(secret)[1:-1][:_LENGTH].encode(),
    }
    for before in range(3):
        # Base64 has three alignments. What depends on neighbours is left out.
        text = base64.b64encode(b"\0" * before + raw)
        inner = text[(before * 8 + 5) // 6 : (before + len(raw)) * 8 // 6]
        found[f"in base64 after {before} bytes"] = inner
        found[f"in web-safe base64 after {before} bytes"] = inner.translate(
            bytes.maketrans(b"+/", b"-_")
        )
    return found


@dataclass
class Canaries:
    """What may be seen nowhere, and how often it was looked for.

    :ivar secrets: secret -> its description.
    :ivar searched: bytes that have been searched.
    """

    secrets: dict[str, str] = field(default_factory=dict)
    searched: int = 0

    def add(self, description: str, secret: str) -> None:
        if len(secret) >= _SHORTEST:
            self.secrets.setdefault(secret, description)

    def add_connection(self, connection: dict[str, Any]) -> None:
        kind = connection["conn_type"]
        login, password = connection.get("login", ""), connection["password"]
        self.add(f"{kind} password", password)
        if kind == "scenario":
            self.add("scenario key", login)
            pair = base64.b64encode(f"{login}:{password}".encode()).decode()
            self.add("scenario basic header", pair)

    def add_link(self, url: str) -> None:
        """Every value of the query of *url* that is long enough for a secret."""
        for name, value in parse_qsl(urlsplit(url).query):
            if name not in {"Key-Pair-Id", "response-content-disposition"}:
                self.add(f"{name} of a link", value)

    def watch(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """Note what requests and links carry from now on: headers, tokens and signatures."""
        authorized, link = Vendor.authorized, AssetArchiveHook.link

        def noting_headers(vendor: Vendor, request):
            made = yield from authorized(vendor, request)
            for name, value in made.headers:
                if name.lower() not in PUBLIC_HEADERS:
                    # The signature of a request is the last word of its header.
                    self.add(f"{vendor.spec.name} {name}", value.rpartition("Signature=")[2])
            return made

        def noting_link(hook: AssetArchiveHook, *args, **options):
            made = link(hook, *args, **options)
            for url in filter(None, (made.url, made.head_url)):
                self.add_link(url)
            return made

        monkeypatch.setattr(Vendor, "authorized", noting_headers)
        monkeypatch.setattr(AssetArchiveHook, "link", noting_link)

    def kinds(self) -> set[str]:
        return set(self.secrets.values())

    def found_in(self, haystack: bytes) -> list[str]:
        """Which secrets *haystack* holds, and how they are written there; never the secrets themselves."""
        self.searched += len(haystack)
        return sorted(
            {
                f"{description}, {form}"
                for secret, description in self.secrets.items()
                for form, needle in forms(secret).items()
                if needle in haystack
            }
        )


def without_masks(monkeypatch: pytest.MonkeyPatch) -> None:
    """Switch off Airflow's masks, and ours with them: they could hide what is looked for."""
    for masker in (server_masker, task_masker):
        monkeypatch.setattr(masker.SecretsMasker, "add_mask", lambda *_: None)


def home() -> bytes:
    """The whole metadata database and the logs, as they are on the disk."""
    files = [path for path in Path(os.environ["AIRFLOW_HOME"]).rglob("*") if path.is_file()]
    return b"".join(path.read_bytes() for path in files if path.name != "airflow.cfg")


def told(errors: Iterable[BaseException]) -> str:
    """Text, repr, fields and notes of *errors* and of all that they come from, even if that is suppressed."""
    return "\n".join(_told(one) for error in errors for one in _chain(error, set()))


def _chain(error: BaseException | None, seen: set[int]) -> Iterator[BaseException]:
    if error is not None and id(error) not in seen:
        seen.add(id(error))
        yield error
        yield from _chain(error.__cause__, seen)
        yield from _chain(error.__context__, seen)


def _told(error: BaseException) -> str:
    notes = getattr(error, "__notes__", ())
    return "\n".join([str(error), repr(error), repr(error.args), repr(vars(error)), *notes])


class Planted(BaseTrigger):
    """A trigger that tells a secret, in its arguments and in its event."""

    def __init__(self, key: str) -> None:
        super().__init__()
        self.key = key

    def serialize(self) -> tuple[str, dict[str, Any]]:
        return f"{__name__}.Planted", {"key": self.key}

    async def run(self) -> AsyncIterator[TriggerEvent]:
        yield TriggerEvent({"told": self.key})


class _Telling(BaseHTTPRequestHandler):
    """Answers with what it was sent, in every field that an error may be read from."""

    server: Telling

    def do_GET(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length", 0))).decode()
        secret = [v for k, v in self.headers.items() if k.lower() not in PUBLIC_HEADERS]
        code = (secret or [self.path.partition("=")[2]])[-1].rpartition("Signature=")[2]
        sent = f"{code} {body[:200]} {self.path} {dict(self.headers)}"
        fields = {
            "message": sent,
            "error_msg": sent,
            "code": code,
            "error_code": code,
            "trace_id": code,
        }
        answer = json.dumps({**fields, "error": {"message": sent, "code": code}})
        if self.path.startswith("/a.zip"):
            answer = (
                f"<Error><Code>{code}</Code><Message>{code} {unquote(self.path)}</Message></Error>"
            )
        status, token = self.server.status, {}
        if self.path.startswith("/v3/auth/tokens") and status not in (400, 401):
            status, token = 201, {"X-Subject-Token": "MII" + "canary-of-a-token" * 9}
            project = {"id": "0a1b2c3d4e5f60718293a4b5c6d7e8f9"}
            answer = json.dumps(
                {"token": {"project": project, "expires_at": "2040-01-01T00:00:00Z"}}
            )
        self.send_response(status)
        headers = token | {
            "X-Request-Id": code,
            "Location": f"https://x.example.com/?key={quote(code)}",
        }
        headers |= {"Content-Length": str(len(answer.encode()))}
        for name, value in headers.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(answer.encode())

    do_POST = do_GET  # noqa: N815  # named by http.server

    def log_message(self, *args: object) -> None:
        pass


class Telling(ThreadingHTTPServer):
    """A server that answers every request with *status* and with what the request told it."""

    daemon_threads = True
    status = 200

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_address[1]}"


@contextmanager
def telling() -> Iterator[Telling]:
    """A :class:`Telling` server on a free port."""
    server = Telling(("127.0.0.1", 0), _Telling)
    thread = threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True)
    thread.start()
    try:
        yield server
    finally:
        server.shutdown()
        server.server_close()
        thread.join(5)
