"""The error for a request that got no answer, and the reason in plain words."""

from __future__ import annotations

import asyncio
import socket
import ssl
from collections.abc import Iterator

from airflow_provider_assets.sansio.errors import (
    AssetsError,
    InvalidRequestError,
    VendorUnavailableError,
)
from airflow_provider_assets.sansio.messages import HttpRequest

# Reasons in plain words, the most specific first; both libraries wrap their causes several times.
_REASONS: tuple[tuple[type[BaseException], str], ...] = (
    (socket.gaierror, "the name of the host could not be resolved"),
    (ConnectionRefusedError, "the host refused the connection"),
    (ssl.SSLError, "no TLS connection could be made"),
    (ConnectionError, "the connection was closed"),
    (asyncio.TimeoutError, "the time limit was reached"),
    (TimeoutError, "the time limit was reached"),  # another class than asyncio's below Python 3.11
)


def unanswered(request: HttpRequest, error: Exception) -> AssetsError:
    """The error for *request*, which ended with *error* of the library that sent it."""
    causes = list(_causes(error))
    for cause in causes:
        # aiohttp's own error is one of these too, without the attribute.
        if isinstance(cause, ssl.SSLCertVerificationError) and hasattr(cause, "verify_message"):
            return InvalidRequestError(
                f"{request}: the certificate of its host cannot be verified ({cause.verify_message}); if "
                "your network has a certificate authority of its own, set REQUESTS_CA_BUNDLE to its "
                "certificates"
            )
    # The library's own text may quote the URL with its query; its type and our reason say enough.
    reasons = [why for kind, why in _REASONS if any(isinstance(one, kind) for one in causes)]
    why = f"{reasons[0]}, " if reasons else ""
    return VendorUnavailableError(
        f"{request} got no answer ({why}{type(error).__name__}); "
        "check the connection's base_url, the network and any proxy"
    )


def _causes(error: BaseException | None) -> Iterator[BaseException]:
    while error is not None:
        yield error
        error = error.__cause__ or error.__context__
