"""Reading a listing to its end, page by page, with protection against listings without an end."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

from airflow_provider_assets.sansio.errors import ProtocolError
from airflow_provider_assets.sansio.flow import Flow
from airflow_provider_assets.sansio.messages import JSON

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
    :raises ProtocolError: if a page token is returned twice: the listing would be read for ever.
    """
    seen = {""}
    token = ""
    while True:
        entries, token = yield from fetch(token)
        if take(entries) or not token:
            return
        if token in seen:
            raise ProtocolError(f"{listing}: pagination loop, a page token was returned twice")
        seen.add(token)
