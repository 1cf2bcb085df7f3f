"""The vendor's listing of what an export selects, as batches."""

from __future__ import annotations

from typing import TYPE_CHECKING, cast

from airflow_provider_assets.hooks.base import AssetArchiveHook
from airflow_provider_assets.sansio.batching import Batches
from airflow_provider_assets.sansio.errors import InvalidRequestError
from airflow_provider_assets.sansio.fingerprints import fingerprint
from airflow_provider_assets.sansio.jobs import ArchiveRequest
from airflow_provider_assets.sansio.records import OnRecord
from airflow_provider_assets.sansio.strict_json import JSON
from airflow_provider_assets.sansio.window import Window

if TYPE_CHECKING:
    from airflow_provider_assets.listing.inputs import ExportInputs
    from airflow_provider_assets.listing.lookback import Lookback
    from airflow_provider_assets.listing.spool import ListingSpool


def list_batches(
    hook: AssetArchiveHook,
    inputs: ExportInputs,
    window: Window | None,
    run_date: str,
    spool: ListingSpool,
    *,
    lookback: Lookback | None = None,
) -> tuple[Batches, list[str]]:
    """The batches, and the ids of items that the vendor has not finished; asks its listing.

    :param window: the span to select from; None where items are named, or for all there are.
    :param run_date: the date of the run (ISO); it distinguishes the batches of two nights.
    :param spool: holds items and records; the batches are read from it.
    :param lookback: what is listed before the window, and how to leave out what has landed. Items that
        are pending there do not concern this run: a later run may find them finished.
    :raises InvalidRequestError: if more items are selected than the inputs allow.
    """
    asked = inputs.select if inputs.items is None else inputs.items
    on_record: OnRecord = spool.describe
    spool.clear()
    if lookback and window:
        on_record = lookback.noting(inputs.select or {}, on_record)
        _list(hook, inputs, lookback.overlap(window), spool, on_record)
    pending = _list(hook, inputs, window, spool, on_record, lookback=lookback)
    spool.choose()
    identity: list[JSON] = [hook.conn_id, dict(asked or {}), inputs.archive_options]
    if lookback and window:
        lookback.leave_out_landed(spool, window)
        # Whenever it is run, the window may have other items: they need an object of their own.
        identity.append(spool.digest())
    if inputs.max_items is not None and len(spool) > inputs.max_items:
        raise InvalidRequestError(
            f"{len(spool)} items are selected, more than max_items={inputs.max_items}; "
            "narrow select or window, or raise max_items"
        )
    common = ArchiveRequest(
        inputs.vendor.spec.name,
        {},
        options=inputs.archive_options,
        window=window.iso() if window else None,
        query_id=fingerprint(identity),
        run_date=run_date,
    )
    spec = inputs.vendor.spec
    return Batches(spool, spool.between, common, spec.max_batch, spec.single), pending


def _list(
    hook: AssetArchiveHook,
    inputs: ExportInputs,
    window: Window | None,
    spool: ListingSpool,
    on_record: OnRecord,
    *,
    lookback: Lookback | None = None,
) -> list[str]:
    """Put the items into *spool*; returns the ids of those that are pending."""
    if inputs.items is not None:
        named = cast("dict[str, list[str]]", inputs.items)
        found = hook.run(inputs.vendor.expand(named, on_record=on_record))
        spool.add(found.items)
        return found.pending
    pending: dict[float, list[str]] = {}
    for listed in hook.slices(dict(inputs.select or {}), window, on_record=on_record):
        spool.add(listed.selected.items, listed.start)
        if lookback:
            lookback.keep(listed.selected.undated)
        pending[listed.start] = listed.selected.pending
    return [one for start in sorted(pending) for one in pending[start]]
