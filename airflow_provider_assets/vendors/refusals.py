"""The parts of the error for an answer that refuses a request: its class, its words and the remedy."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping

from airflow_provider_assets.sansio.errors import (
    AssetsError,
    AuthenticationError,
    InvalidRequestError,
    QuotaExceededError,
    RateLimitedError,
    VendorUnavailableError,
)
from airflow_provider_assets.sansio.messages import HttpResponse, without_queries
from airflow_provider_assets.sansio.strict_json import JSON
from airflow_provider_assets.vendors.connection import VendorConnection
from airflow_provider_assets.vendors.parsing import brief

Detail = tuple[str | None, str]

_ID = re.compile(r"[\w.:+/=-]{1,128}")
ERRORS: Mapping[int, type[AssetsError]] = {
    401: AuthenticationError,
    402: QuotaExceededError,
    403: AuthenticationError,
    408: VendorUnavailableError,
    425: RateLimitedError,
    429: RateLimitedError,
}


def class_of(status: int) -> type[AssetsError]:
    """The usual class of error for *status*."""
    default = VendorUnavailableError if status >= 500 else InvalidRequestError
    return ERRORS.get(status) or default


def detail_of(
    data: Mapping[str, JSON], of_nested: Callable[[Mapping[str, JSON]], Detail]
) -> Detail:
    """The error code and the message from an error body of any usual shape; None and "" if it has none.

    :param of_nested: returns those of a nested body, by the vendor's own reading of other shapes.
    """
    for key in ("message", "reason", "error", "detail", "error_msg"):
        value = data.get(key)
        if isinstance(value, dict):
            return of_nested(value)
        if isinstance(value, str) and value:
            code = data.get("code", data.get("error_code"))
            more = data.get("error_details")
            whole = f"{value}: {more}" if isinstance(more, str) and more else value
            return (None if code is None else brief(code)), whole
    return None, ""


def names_of(response: HttpResponse, code: str | None, data: JSON) -> str:
    """The data that a vendor's support asks for: its error code and its id of the request.

    Sources: ROMA Connect and IAM send ``request_id`` in the body and ``X-Request-Id``, Scenario's plugin
    reads ``trace_id`` or ``traceId``; Topaz documents none.
    """
    body = data if isinstance(data, dict) else {}
    given = [body.get(key) for key in ("request_id", "trace_id", "traceId")]
    known = [*given, response.headers.get("x-request-id")]
    names = [f"code {code}"] if code and code != str(response.status) else []
    names += [f"request id {one}" for one in known if isinstance(one, str) and _ID.fullmatch(one)][
        :1
    ]
    return f" ({without_queries(', '.join(names))})" if names else ""


def remedy_of(kind: type[AssetsError], connection: VendorConnection) -> str:
    """The end of the message for an error of *kind*: what to do about it, if that is known."""
    if kind is AuthenticationError:
        project = ", and its project_id" if connection.text("project_id") else ""
        return (
            f"; check the credentials and permissions of connection {connection.conn_id!r}{project}"
        )
    if kind is QuotaExceededError:
        return "; the plan's ceiling is reached or its credits are used up"
    return ""
