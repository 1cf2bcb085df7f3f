"""The check of an ``SDK-HMAC-SHA256`` signature.

Source: Huawei Cloud's "API Request Signing Guide" and the signer of its Python SDK. The path is
signed with a trailing slash that is not sent; the secret key is used as it is. The tolerance for
the caller's clock is not documented; 15 minutes are usual.
"""

from __future__ import annotations

import datetime as dt
import hashlib
import hmac
import re
import time
from urllib.parse import parse_qsl, quote, unquote

from aiohttp import web

from airflow_provider_assets.sandbox.roma.accounts import User, by_access_key

_ALGORITHM = "SDK-HMAC-SHA256"
_AUTHORIZATION = re.compile(
    rf"{_ALGORITHM} Access=(?P<ak>[^,]+), SignedHeaders=(?P<names>[^,]+), "
    r"Signature=(?P<signature>[0-9a-f]{64})"
)
_UNSIGNED = "UNSIGNED-PAYLOAD"
_SKEW_SECONDS = 15 * 60
_REQUIRED = frozenset({"host", "x-sdk-date"})


class BadSignatureError(Exception):
    """The signature is not valid; the message says why."""


async def signer_of(request: web.Request) -> User:
    """The user who signed a request.

    :raises BadSignatureError: if there is no signature, or it is not valid.
    """
    found = _AUTHORIZATION.fullmatch(request.headers.get("Authorization", ""))
    if found is None:
        raise BadSignatureError("no signature")
    user = by_access_key(found["ak"])
    if user is None:
        raise BadSignatureError("access key not found")
    names = found["names"].split(";")
    if missing := _REQUIRED.difference(names):
        raise BadSignatureError(f"not signed: {', '.join(sorted(missing))}")
    date = request.headers.get("X-Sdk-Date", "")
    _check_date(date)
    canonical = _canonical(request, names, await request.read())
    text = "\n".join((_ALGORITHM, date, hashlib.sha256(canonical.encode()).hexdigest()))
    right = hmac.new(user.secret_key.encode(), text.encode(), hashlib.sha256).hexdigest()
    if not hmac.compare_digest(right, found["signature"]):
        raise BadSignatureError("verify aksk signature fail")
    return user


def _check_date(text: str) -> None:
    try:
        stamp = dt.datetime.strptime(text, "%Y%m%dT%H%M%SZ").replace(tzinfo=dt.timezone.utc)
    except ValueError as error:
        raise BadSignatureError("X-Sdk-Date is not a date") from error
    # The machine's clock, not the sandbox's: a test that moves that one does not move the caller's.
    if abs(stamp.timestamp() - time.time()) > _SKEW_SECONDS:
        raise BadSignatureError("timestamp out of range")


def _canonical(request: web.Request, names: list[str], body: bytes) -> str:
    path, _, query = request.raw_path.partition("?")
    encoded = "/".join(_encode(part) for part in unquote(path).split("/"))
    pairs = sorted(parse_qsl(query, keep_blank_values=True))
    headers = "".join(f"{name}:{_header(request, name)}\n" for name in names)
    return "\n".join(
        (
            request.method,
            encoded if encoded.endswith("/") else encoded + "/",
            "&".join(f"{_encode(key)}={_encode(value)}" for key, value in pairs),
            headers,
            ";".join(names),
            _payload(request, body),
        )
    )


def _header(request: web.Request, name: str) -> str:
    value = request.headers.get(name)
    if value is None:
        raise BadSignatureError(f"signed header {name} is missing")
    return value.strip()


def _payload(request: web.Request, body: bytes) -> str:
    told = request.headers.get("X-Sdk-Content-Sha256")
    right = hashlib.sha256(body).hexdigest()
    if not body or told is None or told == right:
        return right
    if told == _UNSIGNED:
        return _UNSIGNED
    raise BadSignatureError("X-Sdk-Content-Sha256 does not match the body")


def _encode(text: str) -> str:
    return quote(text, safe="~")
