"""S3 stores that lack something: a proxy in front of a real one that ignores or refuses it."""

from __future__ import annotations

import http.client
import re
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import urlsplit

import boto3
from botocore.auth import S3SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.config import Config
from botocore.credentials import Credentials
from certificates import Certificate
from servers import S3Server

CHECKSUMS = r"x-amz-(sdk-)?checksum-"
_PASSED_ON = re.compile(
    r"x-amz-(?!date|content-sha256|security-token)|content-(md5|type)$|if-|range$"
)
_HOP = frozenset({"connection", "content-length", "transfer-encoding", "date", "server"})


@dataclass(frozen=True)
class Refusal:
    """The answer to a request that has a header (or is of an operation) that the store does not know.

    :ivar what: pattern of ``name: value`` of the header (or of ``:path``), also after
        an operation and a space, or name of the operation.
    :ivar after: number of such requests that pass before.
    """

    what: str
    status: int = 501
    code: str = "NotImplemented"
    times: int = 1 << 30
    after: int = 0


@dataclass(frozen=True)
class Quirks:
    """What is special about a store.

    :ivar ignores: pattern of the names of headers that it takes no notice of, or of ``operation name``.
    :ivar keeps_checksum: whether it keeps the CRC-32 of whole objects all the same.
    :ivar loses: bytes that go missing at the end of every body that it is sent.
    :ivar requires: a header that every body has to come with; others are refused with 403.
    :ivar hangs_up: whether it closes the connection instead of refusing these.
    :ivar idle: seconds after which it closes an idle connection.
    :ivar unsigned_only: whether it computes no SHA-256 of bodies, so that they cannot be signed.
    """

    ignores: str = ""
    refuses: tuple[Refusal, ...] = ()
    keeps_checksum: bool = False
    loses: int = 0
    requires: str = ""
    hangs_up: bool = False
    idle: float = 60
    unsigned_only: bool = False


@dataclass
class QuirkyS3:
    """A running one.

    :ivar seen: operation and headers of each request. :ivar proxied: hosts that it was asked for as a proxy.
    """

    upstream: S3Server
    quirks: Quirks
    url: str = ""
    seen: list[tuple[str, dict[str, str]]] = field(default_factory=list)
    proxied: list[str] = field(default_factory=list)
    refused: dict[str, int] = field(default_factory=dict)

    def client(self, *, verify=None, endpoint=None, token=None, **more):
        """A client as the operators make it, that tries once."""
        options = {
            "s3": {"addressing_style": "path", "payload_signing_enabled": False},
            "request_checksum_calculation": "when_required",
            "response_checksum_validation": "when_required",
            "retries": {"total_max_attempts": 1},
            "max_pool_connections": 17,
            **more,
        }
        return boto3.client(
            "s3",
            endpoint_url=endpoint or self.url,
            verify=verify,
            aws_session_token=token,
            aws_access_key_id=self.upstream.access_key,
            aws_secret_access_key=self.upstream.secret_key,
            region_name="us-east-1",
            config=Config(**options),
        )

    def count(self, operation: str) -> int:
        """Requests of this kind so far."""
        return sum(seen == operation for seen, _ in self.seen)


def operation(method: str, query: str) -> str:
    """What a request asks for."""
    if "uploadId=" in query:
        return {
            "PUT": "UploadPart", "GET": "ListParts", "DELETE": "Abort", "POST": "Complete"
        }[method]  # fmt: skip
    if re.match(r"uploads\b", query):
        return {"POST": "Create", "GET": "ListMultipartUploads"}[method]
    return {"PUT": "Put", "GET": "Get", "HEAD": "Head", "DELETE": "Delete", "POST": "Post"}[method]


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    s3: QuirkyS3

    def log_message(self, *args):
        pass

    def _serve(self):
        s3, quirks = self.s3, self.s3.quirks
        target = urlsplit(self.path)
        if target.netloc:
            s3.proxied.append(target.netloc)
        self.connection.settimeout(quirks.idle)
        body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        what = operation(self.command, target.query)
        headers = {name.lower(): value for name, value in self.headers.items()}
        s3.seen.append((what, headers))
        lines = [f"{name}: {value}" for name, value in {":path": target.path, **headers}.items()]
        for one in quirks.refuses:
            hit = one.what == what or any(
                re.match(f"({what} )?({one.what})", f"{what} {line}") for line in lines
            )
            if not hit:
                continue
            count = s3.refused[one.what] = s3.refused.get(one.what, 0) + 1
            if one.after < count <= one.after + one.times:
                self._answer(one.status, {}, _error(one.code))
                return
        if quirks.requires and what in ("Put", "UploadPart") and quirks.requires not in headers:
            if quirks.hangs_up:
                self.close_connection = True
            else:
                self._answer(403, {}, _error("AccessDenied"))
            return
        signed = headers.get("x-amz-content-sha256", "")
        if quirks.unsigned_only and signed != "UNSIGNED-PAYLOAD":
            self._answer(400, {}, _error("XAmzContentSHA256Mismatch"))
            return
        kept = {
            name: value
            for name, value in headers.items()
            if _PASSED_ON.match(name)
            and not (quirks.ignores and re.match(f"({what} )?({quirks.ignores})", f"{what} {name}"))
        }
        if quirks.loses and what in ("Put", "UploadPart"):
            body = body[: max(0, len(body) - quirks.loses)]
        status, answered, content = self._forward(target, kept, body)
        if quirks.ignores:
            answered = {n: v for n, v in answered.items() if not re.match(quirks.ignores, n)}
        self._answer(status, answered, content)

    def _forward(self, target, headers, body):
        s3 = self.s3
        path = f"{target.path}?{target.query}" if target.query else target.path
        request = AWSRequest(self.command, f"{s3.upstream.endpoint}{path}", headers, body)
        credentials = Credentials(s3.upstream.access_key, s3.upstream.secret_key)
        S3SigV4Auth(credentials, "s3", "us-east-1").add_auth(request)
        connection = http.client.HTTPConnection(urlsplit(s3.upstream.endpoint).netloc)
        try:
            connection.request(self.command, path, body, dict(request.headers.items()))
            response = connection.getresponse()
            found = {name.lower(): value for name, value in response.getheaders()}
            if self.command == "HEAD":
                return response.status, found, int(found.get("content-length", 0))
            return response.status, found, response.read()
        finally:
            connection.close()

    def _answer(self, status, headers, content):
        self.send_response(status)
        for name, value in headers.items():
            if name not in _HOP:
                self.send_header(name, value)
        # Of a HEAD, only the length is known.
        size = content if isinstance(content, int) else len(content)
        self.send_header("Content-Length", str(size))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(content)

    do_GET = do_PUT = do_POST = do_DELETE = do_HEAD = _serve  # noqa: N815  # as http.server wants them


def _error(code):
    return f"<Error><Code>{code}</Code><Message>not here</Message></Error>".encode()


@contextmanager
def quirky_s3(
    upstream: S3Server, quirks: Quirks, certificate: Certificate | None = None
) -> Iterator[QuirkyS3]:
    """*upstream* with *quirks*, with TLS if there is a certificate."""
    s3 = QuirkyS3(upstream, quirks)
    server = ThreadingHTTPServer(("127.0.0.1", 0), type("Handler", (_Handler,), {"s3": s3}))
    server.daemon_threads = True
    scheme = "http"
    if certificate:
        scheme, context = "https", certificate.server_context()
        server.socket = context.wrap_socket(server.socket, server_side=True)
    s3.url = f"{scheme}://127.0.0.1:{server.server_address[1]}"
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield s3
    finally:
        server.shutdown()
        server.server_close()
