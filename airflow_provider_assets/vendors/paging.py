"""Reading a listing to its end, page by page, with protection against listings without an end."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

from airflow_provider_assets.sansio.errors import ProtocolError
from airflow_provider_assets.sansio.flow import Flow
from airflow_provider_assets.sansio.strict_json import JSON

# Ten million entries, and more empty pages than any filter of a vendor would leave in a row.
MAX_PAGES = 100_000
MAX_EMPTY_PAGES = 1_000
Entry = TypeVar("Entry", bound="dict[str, JSON]")


def read_pages(
    fetch: Callable[[str], Flow[tuple[list[Entry], str]]],
    take: Callable[[list[Entry]], bool],
    *,
    listing: str,
) -> Flow[None]:
    """Hand every page of a listing to *take*, until it returns true or the listing ends.

    :param fetch: asks for the page that a token names, "" for the first; gives its entries, which may be
        none, and the token of the next page, "" on the last.
    :param listing: vendor and listing, for the error.
    :raises ProtocolError: if the listing would be read forever: a page token is returned twice, or there
        are too many pages, or too many empty ones in a row.
    """
    seen = {""}
    token, empty = "", 0
    while len(seen) <= MAX_PAGES:
        entries, token = yield from fetch(token)
        if take(entries) or not token:
            return
        if token in seen:
            raise ProtocolError(f"{listing}: pagination loop, a page token was returned twice")
        seen.add(token)
        empty = 0 if entries else empty + 1
        if empty >= MAX_EMPTY_PAGES:
            raise ProtocolError(
                f"{listing}: {empty} pages in a row are empty, and each names another one"
            )
    raise endless(listing, f"{MAX_PAGES} pages")


def endless(listing: str, read: str) -> ProtocolError:
    """The error for a listing that has no end in what was *read* of it."""
    return ProtocolError(f"{listing}: no end after {read}; narrow the selection or the window")
