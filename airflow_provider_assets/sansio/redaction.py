"""Keeps secrets out of text that others write: a vendor or a store may repeat what a request contained."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Iterator
from urllib.parse import parse_qsl, quote, urlsplit

from airflow_provider_assets.sansio.strict_json import JSON

_SECRET_HEADER = re.compile(r"auth|token|key|secret|cookie|signature", re.IGNORECASE)
_SHORTEST = 8  # a shorter secret would also hide parts of words
_SHORTEST_PART = 16  # names within a header, such as that of a method, are shorter


def redacted(text: str, secrets: Iterable[str]) -> str:
    """*text* with ``***`` for each of *secrets*, as it is or percent-encoded."""
    forms = {
        form for one in secrets if len(one) >= _SHORTEST for form in (one, quote(one, safe=""))
    }
    for form in sorted(forms, key=len, reverse=True):
        text = text.replace(form, "***")
    return text


def redacted_json(value: JSON, secrets: Collection[str]) -> JSON:
    """*value* with ``***`` for each of *secrets* in its strings."""
    if isinstance(value, str):
        return redacted(value, secrets)
    if isinstance(value, list):
        return [redacted_json(one, secrets) for one in value]
    if isinstance(value, dict):
        return {name: redacted_json(one, secrets) for name, one in value.items()}
    return value


def secrets_of_headers(headers: Iterable[tuple[str, str]]) -> Iterator[str]:
    """Credentials in *headers* of a request, whole and in parts: a scheme or a signature may be cut off."""
    for name, value in headers:
        if _SECRET_HEADER.search(name):
            yield value
            for part in re.split(r"[\s,]+", value):
                yield from (
                    one for one in (part, part.partition("=")[2]) if len(one) >= _SHORTEST_PART
                )


def secrets_of_url(url: str) -> Iterator[str]:
    """The parts that sign *url*: its query, and the longer values in it."""
    query = urlsplit(url).query
    yield query
    yield from (value for _, value in parse_qsl(query) if len(value) >= _SHORTEST_PART)
