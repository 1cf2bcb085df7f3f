"""Writes bodies without the work that botocore repeats for every request.

botocore validates the parameters of each request, resolves its endpoint and passes it to dozens of event
handlers: several milliseconds of processor time, which is most of what a small object costs. So the first
request of a kind is left to botocore. After the store has accepted it, later ones are made from it with
another key, body and checksum. They are signed by the client's own signer and sent through its own HTTP
session, so that endpoint, credentials, proxies, certificates, timeouts and connections are the client's.
A request that fails in this way is repeated by the client, and its retries and its error are the ones that
count. If the client then succeeds where the copy was refused, copies do not suit the store and are given up.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal
from urllib.parse import quote

from airflow_provider_assets.landing.stores.s3.errors import error_in
from airflow_provider_assets.sansio.errors import AuthenticationError, InvalidRequestError

if TYPE_CHECKING:
    from mypy_boto3_s3.client import S3Client

Operation = Literal["PutObject", "UploadPart"]
_Kind = tuple[str, frozenset[tuple[str, str | None]]]
_METHODS = {"PutObject": "put_object", "UploadPart": "upload_part"}
# Parameters that differ between requests of one kind, and their places in a request. The key is the path.
_HEADERS = {
    "ChecksumCRC32": "x-amz-checksum-crc32",
    "ContentMD5": "content-md5",
    "ContentType": "content-type",
    "IfNoneMatch": "if-none-match",
}
_QUERY = {"partNumber": "PartNumber", "uploadId": "UploadId"}
_VARYING = {*_HEADERS, *_QUERY.values(), "Key"}
# Headers that botocore may have computed from the body, beyond those above.
_OF_THE_BODY = (
    "content-encoding",
    "content-length",
    "transfer-encoding",
    "x-amz-checksum-",
    "x-amz-trailer",
)
_ANSWER = {
    "ETag": "ETag",
    "ChecksumCRC32": "x-amz-checksum-crc32",
    "ChecksumType": "x-amz-checksum-type",
}
_TRIALS = 3  # connections that may break before the first copy has been accepted
_log = logging.getLogger(__name__)


class View:
    """A buffer as the file that botocore expects, which is sent in one piece and without a copy.

    :meth:`read` ignores the requested size: urllib3 would ask for 16 KiB at a time, and each of them costs a
    system call and a change of threads.
    """

    def __init__(self, data: memoryview | bytes) -> None:
        self._data = memoryview(data)
        self._at = 0

    def __len__(self) -> int:
        return len(self._data)

    def read(self, _size: int = -1) -> memoryview:
        """All bytes that are left."""
        left = self._data[self._at :]
        self._at = len(self._data)
        return left

    def tell(self) -> int:
        """The position of the next byte."""
        return self._at

    def seek(self, offset: int, whence: int = 0) -> int:
        """Move to another position; return it."""
        self._at = offset + (0, self._at, len(self._data))[whence]
        return self._at


@dataclass(slots=True)
class _Pattern:
    """The part of an accepted request that later ones of its kind share.

    :ivar base: URL before the key. :ivar query: names of its query, in their order.
    :ivar is_proven: whether the store has accepted a request that was made from it.
    :ivar trial: held by the thread that makes the first of these requests.
    """

    endpoint: Any
    operation: Any
    base: str
    query: tuple[str, ...]
    headers: Mapping[str, str]
    context: Mapping[str, Any]
    is_proven: bool = False
    trial: threading.Lock = field(default_factory=threading.Lock)

    def request(self, params: Mapping[str, Any], body: View) -> Any:
        """A signed request with *params* and *body*."""
        headers = {_HEADERS[name]: given for name, given in params.items() if name in _HEADERS}
        request = {
            "method": "PUT",
            "url": self.base + _target(params, self.query),
            "headers": {**self.headers, **headers},
            "body": body,
            "context": dict(self.context),
        }
        return self.endpoint.create_request(request, self.operation)


@dataclass(slots=True)
class DirectWrites:
    """The writes to one bucket through *client*. Thread-safe.

    :param client: writes the first request of every kind, and whatever fails here.
    """

    client: S3Client = field(repr=False)
    _patterns: dict[_Kind, _Pattern | None] = field(default_factory=dict)
    _asked: threading.local = field(default_factory=threading.local)
    _broken: int = 0
    _is_refused: bool = False

    def __post_init__(self) -> None:
        """Listen to the requests of the client."""
        for operation in _METHODS:
            self.client.meta.events.register(f"needs-retry.s3.{operation}", self._learn)

    def write(
        self, operation: Operation, data: memoryview | bytes, **params: Any
    ) -> Mapping[str, Any]:
        """Write *data*, and return the answer as the client does.

        :param params: parameters of the operation. Those that differ from object to object are the key, the
            part, the content type and the options of :class:`.dialect.Dialect`.
        :raises ClientError, BotoCoreError: exactly as the client does.
        """
        pattern = None if self._is_refused else self._patterns.get(_kind(operation, params))
        is_trial = False
        if pattern and not pattern.is_proven:
            is_trial = pattern.trial.acquire(blocking=False)
            pattern = pattern if is_trial else None
        try:
            refusal = None
            if pattern:
                answer, refusal = self._copy(pattern, params, data)
                if answer:
                    pattern.is_proven = True
                    return answer
            answer = self._through_client(operation, params, data)
            if refusal and not self._is_refused:
                self._is_refused = True
                _log.info("Writes to this store take more processor time from now on (%s)", refusal)
            return answer
        finally:
            if pattern and is_trial:
                pattern.trial.release()

    def _copy(
        self, pattern: _Pattern, params: Mapping[str, Any], data: memoryview | bytes
    ) -> tuple[Mapping[str, Any] | None, str | None]:
        """The answer to a request that is made from *pattern*; without one, the reason if it was refused."""
        from botocore.exceptions import BotoCoreError, ClientError
        from botocore.hooks import first_non_none_response

        event = f"before-send.s3.{pattern.operation.name}"
        try:
            request = pattern.request(params, View(data))
            # A client whose requests are answered by its handlers (moto) must not reach the network.
            answered = first_non_none_response(self.client.meta.events.emit(event, request=request))
            response = answered or pattern.endpoint.http_session.send(request)
        except (BotoCoreError, OSError) as broken:
            # A broken connection says nothing about the request, unless that happens to all of them.
            self._broken += not pattern.is_proven
            is_rule = not pattern.is_proven and self._broken >= _TRIALS
            return None, type(broken).__name__ if is_rule else None
        except Exception as failed:  # noqa: BLE001  # another version of botocore may want other requests
            return None, type(failed).__name__
        if response.status_code == 200 and response.headers.get("ETag"):
            found = {name: response.headers.get(header) for name, header in _ANSWER.items()}
            return found, None
        parsed = _parsed(response, pattern.operation)
        error = error_in(parsed)
        if error.code == "PreconditionFailed":  # nothing is gained by asking again
            raise ClientError(parsed, pattern.operation.name)
        is_refusal = isinstance(error, (AuthenticationError, InvalidRequestError))
        return None, str(error.code or error.status) if is_refusal else None

    def _through_client(
        self, operation: Operation, params: Mapping[str, Any], data: memoryview | bytes
    ) -> Mapping[str, Any]:
        self._asked.params = params
        try:
            answer: Mapping[str, Any] = getattr(self.client, _METHODS[operation])(
                Body=View(data), **params
            )
        finally:
            self._asked.params = None
        return answer

    def _learn(self, **event: Any) -> None:
        """Keep the pattern of the request that this thread has made, if the store has accepted it."""
        params, response = getattr(self._asked, "params", None), event.get("response")
        if params is None or response is None or response[0].status_code != 200:
            return
        endpoint, operation = event["endpoint"], event["operation"]
        kind = _kind(operation.name, params)
        if kind in self._patterns:
            return
        try:
            self._patterns[kind] = _pattern(endpoint, operation, event["request_dict"], params)
        except (AttributeError, LookupError, TypeError):  # another version of botocore
            self._patterns[kind] = None


def _kind(operation: str, params: Mapping[str, Any]) -> _Kind:
    """Equal for requests that share a pattern: their constant parameters have the same values."""
    constant = (None if name in _VARYING else repr(value) for name, value in params.items())
    return operation, frozenset(zip(params, constant, strict=True))


def _pattern(
    endpoint: Any, operation: Any, request: Mapping[str, Any], params: Mapping[str, Any]
) -> _Pattern | None:
    """The pattern of *request*; None if it has anything that others of its kind would not share."""
    query = tuple(request["query_string"])
    target = _target(params, query) if _QUERY.keys() >= set(query) else "?"
    headers = {
        name: value for name, value in request["headers"].items() if name.lower() != "expect"
    }
    varying = {header for name, header in _HEADERS.items() if name in params}
    constant = {name: value for name, value in headers.items() if name.lower() not in varying}
    if (
        not request["url"].endswith(target)
        or len(headers) - len(constant) != len(varying)
        or any(name.lower().startswith((*_OF_THE_BODY, *_HEADERS.values())) for name in constant)
        or "checksum" in request["context"]
    ):
        return None
    context = {
        name: value
        for name, value in request["context"].items()
        if name not in ("retries", "timestamp", "input_params", "s3_redirect")
    }
    base = request["url"].removesuffix(target)
    return _Pattern(endpoint, operation, base, query, constant, context)


def _target(params: Mapping[str, Any], query: tuple[str, ...]) -> str:
    """The part of the URL that *params* determine."""
    asked = "&".join(f"{name}={quote(str(params[_QUERY[name]]), safe='')}" for name in query)
    return f"/{quote(params['Key'], safe='/~')}" + (f"?{asked}" if asked else "")


def _parsed(response: Any, operation: Any) -> Any:
    """An answer as the client returns it."""
    from botocore.parsers import create_parser

    given = {
        "status_code": response.status_code,
        "headers": response.headers,
        "body": response.content,
    }
    return create_parser("rest-xml").parse(given, operation.output_shape)
