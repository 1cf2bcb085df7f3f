"""The vendor's records of items: what its listing says about each, without what may be secret."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import NamedTuple

from airflow_provider_assets.sansio.jobs import Item
from airflow_provider_assets.sansio.strict_json import JSON

Record = dict[str, JSON]
OnRecord = Callable[[Item, Record], object]
# A scheme is short: without a limit, a long text of dots and letters would be scanned once per dot.
_URL = re.compile(
    r"""\b([a-z][a-z0-9+.-]{0,15}:\\?/\\?/)  # https:// or, in JSON within a string, https:\/\/
        (?:[^\s/?\#"'<>@]*@)?                # user and password
        ([^\s?\#"'<>]*)                      # host and path
        (?:[?\#][^\s"'<>]*)?                 # query and fragment: a signed URL has its signature here
    """,
    re.IGNORECASE | re.VERBOSE,
)


class Facts(NamedTuple):
    """The facts that a record states about an item besides its description.

    :param changed_at: epoch seconds of its last change, if the listing is by change.
    :param bytes: size of its file.
    :param moment: epoch seconds of the time by which it lies in a window, where the vendor cannot list one.
    """

    changed_at: float | None = None
    bytes: int | None = None
    moment: float | None = None


def ignore(item: Item, record: Record) -> None:
    """The :data:`OnRecord` of a caller that needs no records."""


def public(record: Mapping[str, JSON]) -> Record:
    """*record* without the query, fragment, user and password of every URL, at any depth.

    There is no telling a signed URL from another one, so all of them lose these parts.
    """
    return {_text(name): _public(value) for name, value in record.items()}


def _public(value: JSON) -> JSON:
    if isinstance(value, str):
        return _text(value)
    if isinstance(value, dict):
        return public(value)
    return [_public(one) for one in value] if isinstance(value, list) else value


def _text(text: str) -> str:
    # Most strings are not URLs, and a search for two characters costs a tenth of the expression.
    return _URL.sub(r"\1\2", text) if ":" in text and "/" in text else text
