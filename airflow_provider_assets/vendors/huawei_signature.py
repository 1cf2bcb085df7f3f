"""Huawei Cloud's signature of a request with an access key.

Source: the vendor's Python SDK 3.1.219 (huaweicloudsdkcore), whose signer is re-computed here.
"""

from __future__ import annotations

import hashlib
import hmac
from dataclasses import replace
from datetime import datetime, timezone
from urllib.parse import quote, unquote, urlsplit

from airflow_provider_assets.sansio.messages import HttpRequest

ALGORITHM = "SDK-HMAC-SHA256"
DEFAULT_PORTS = {"http": 80, "https": 443}


def sign(
    request: HttpRequest,
    *,
    access_key: str,
    secret_key: str,
    moment: float,
    project_id: str = "",
    security_token: str = "",
) -> HttpRequest:
    """*request* with ``Authorization`` by ``SDK-HMAC-SHA256``.

    :param moment: epoch seconds, for ``X-Sdk-Date``; the vendor refuses a date too far from its own.
    :param project_id: sent as ``X-Project-Id`` unless empty.
    :param security_token: sent as ``X-Security-Token`` unless empty: temporary keys are valid only with it.
    """
    date = datetime.fromtimestamp(moment, timezone.utc).strftime("%Y%m%dT%H%M%SZ")
    headers = [*request.headers, ("Host", _host(request.url)), ("X-Sdk-Date", date)]
    if project_id:
        headers.append(("X-Project-Id", project_id))
    if security_token:
        headers.append(("X-Security-Token", security_token))
    path = quote(unquote(urlsplit(request.url).path), safe="/~")
    signed = sorted((name.lower(), value.strip()) for name, value in headers)
    names = ";".join(name for name, _ in signed)
    canonical = "\n".join(
        [
            request.method.upper(),
            path if path.endswith("/") else f"{path}/",
            replace(request, params=tuple(sorted(request.params))).query,
            *(f"{name}:{value}" for name, value in signed),
            "",
            names,
            hashlib.sha256(request.body or b"").hexdigest(),
        ]
    )
    digest = hashlib.sha256(canonical.encode()).hexdigest()
    to_sign = f"{ALGORITHM}\n{date}\n{digest}"
    signature = hmac.new(secret_key.encode(), to_sign.encode(), hashlib.sha256).hexdigest()
    headers.append(
        (
            "Authorization",
            f"{ALGORITHM} Access={access_key}, SignedHeaders={names}, Signature={signature}",
        )
    )
    return replace(request, headers=tuple(headers))


def _host(url: str) -> str:
    """The ``Host`` header as HTTP clients send it: lower case, and no port that is the default."""
    parts = urlsplit(url)
    name = (parts.hostname or "") if ":" not in (parts.hostname or "") else f"[{parts.hostname}]"
    if parts.port in {None, DEFAULT_PORTS.get(parts.scheme)}:
        return name
    return f"{name}:{parts.port}"
