"""Opaque page tokens, and empty pages with a token, which clients tend to stop at.

Source: Scenario's API reference of ``GET /jobs``: a page may be short or empty while a token is
present; continue until the token is absent.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Generic, TypeVar

from airflow_provider_assets.sandbox.scenario.views import error
from airflow_provider_assets.sandbox.vendor import Refused

T = TypeVar("T")
_PREFIX = "tok/"  # makes every token need percent-encoding
_MAX_PAGE = 100


@dataclass(frozen=True, slots=True)
class Page(Generic[T]):
    """One page and the token of the next, None on the last."""

    items: Sequence[T]
    token: str | None


def paginate(
    items: Sequence[T],
    query: Mapping[str, str],
    *,
    empty_every: int,
    empty_now: bool = False,
    default: int = 50,
) -> Page[T]:
    """The page that a query asks for; every ``empty_every``-th page has a token only."""
    size = _page_size(query, default=default)
    print_ = fingerprint(query)
    offset, number = _opened(query.get("paginationToken", ""), print_)
    blank = empty_now or (empty_every > 0 and number % empty_every == empty_every - 1)
    if blank and offset < len(items):
        return Page((), _token(offset, number + 1, print_))
    following = offset + size
    token = _token(following, number + 1, print_) if following < len(items) else None
    return Page(items[offset:following], token)


def fingerprint(query: Mapping[str, str]) -> str:
    """A digest of a query without its page."""
    kept = sorted(
        (key, value) for key, value in query.items() if key not in ("paginationToken", "pageSize")
    )
    return hashlib.sha256(json.dumps(kept).encode()).hexdigest()[:12]


def _page_size(query: Mapping[str, str], *, default: int = 50) -> int:
    text = query.get("pageSize", str(default))
    if not text.isdecimal() or not 1 <= int(text) <= _MAX_PAGE:
        raise Refused(error(400, "pageSize must be between 1 and 100"))
    return int(text)


def _token(offset: int, number: int, print_: str) -> str:
    return _PREFIX + base64.b64encode(f"{offset}/{number}/{print_}".encode()).decode() + "+="


def _opened(token: str, print_: str) -> tuple[int, int]:
    if not token:
        return 0, 0
    try:
        text = base64.b64decode(token.removeprefix(_PREFIX).removesuffix("+="))
        offset, number, made_for = text.decode().split("/")
        if made_for != print_:
            raise Refused(error(400, "paginationToken belongs to another query"))
        return int(offset), int(number)
    except (ValueError, binascii.Error) as problem:
        raise Refused(error(400, "paginationToken is not valid")) from problem
