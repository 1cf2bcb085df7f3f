"""Checks the inputs of the operator, and turns them into batches."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, cast

from airflow_provider_assets.hooks.base import AssetArchiveHook
from airflow_provider_assets.sansio.arguments import positive_int, require_choice, require_mapping
from airflow_provider_assets.sansio.batching import Batches
from airflow_provider_assets.sansio.errors import InvalidRequestError
from airflow_provider_assets.sansio.jobs import ARCHIVE, LINKS, ArchiveRequest, fingerprint
from airflow_provider_assets.sansio.records import OnRecord
from airflow_provider_assets.sansio.strict_json import JSON
from airflow_provider_assets.sansio.window import Window
from airflow_provider_assets.vendors.base import Vendor, VendorSpec
from airflow_provider_assets.vendors.parsing import check_names, strings

if TYPE_CHECKING:
    from airflow_provider_assets.operators.listing_spool import ListingSpool
    from airflow_provider_assets.operators.lookback import Lookback


def check_mode(mode: str, spec: VendorSpec) -> None:
    """Refuse a mode that *spec*'s vendor does not have.

    :raises InvalidRequestError: naming those that it has.
    """
    require_choice(mode, "mode", (ARCHIVE, LINKS))
    if mode not in spec.modes:
        none = "" if spec.submits else "; its files are downloaded one by one, and no job is made"
        raise InvalidRequestError(
            f"mode={mode!r}: {spec.title} has no such mode, but {' and '.join(map(repr, spec.modes))}"
            f"{none}"
        )


@dataclass(slots=True)
class ExportInputs:
    """The checked inputs of one export.

    :param items: named items, or None to select from the vendor's listing. They may include an option
        (``kind`` of Topaz).
    :raises InvalidRequestError: naming the field and the remedy; nothing has been submitted then.
    """

    vendor: Vendor
    items: Mapping[str, JSON] | None
    select: Mapping[str, JSON] | None
    options: Mapping[str, object]
    max_items: int | None = None
    mode: str = ARCHIVE
    archive_options: dict[str, JSON] = field(default_factory=dict, init=False)

    def __post_init__(self) -> None:
        """Check everything that can be checked without asking the vendor."""
        spec = self.vendor.spec
        check_mode(self.mode, spec)
        options = require_mapping(self.options, "options")
        if self.max_items is not None:
            self.max_items = positive_int(self.max_items, "max_items")
        if self.items is not None:
            if self.select is not None:
                raise InvalidRequestError("items and select exclude each other; give one of them")
            items = require_mapping(self.items, "items")
            options |= {name: items.pop(name) for name in spec.options & set(items)}
            check_names(items, spec.kinds, "items")
            for kind, ids in items.items():
                strings(ids, f"items.{kind}")
            self.items = items
        else:
            self.select = require_mapping({} if self.select is None else self.select, "select")
            check_names(self.select, spec.filters, "select")
        check_names(options, spec.options, "options")
        if self.mode == ARCHIVE:
            self.archive_options = dict(self.vendor.validate(options=options))
        elif options:
            raise InvalidRequestError(
                f"options: {', '.join(sorted(options))} describe an archive, and mode={self.mode!r} "
                "makes none; leave them out"
            )
        else:
            self.archive_options = {"mode": self.mode}

    @property
    def notes(self) -> list[str]:
        """Remarks for the log: options that are sent in another form, and those of the vendor."""
        changes = [
            f"options.{name}: {value!r} is sent as {self.archive_options[name]!r}"
            for name, value in self.options.items()
            if name in self.archive_options and self.archive_options[name] != value
        ]
        return [*changes, *self.vendor.remarks(self.archive_options)]

    def requests(
        self,
        hook: AssetArchiveHook,
        window: Window | None,
        run_date: str,
        spool: ListingSpool,
        lookback: Lookback | None = None,
    ) -> tuple[Batches, list[str]]:
        """The batches, and the ids of items that the vendor has not finished; asks its listing.

        :param window: the span to select from; None where items are named, or for all there are.
        :param run_date: the date of the run (ISO); it distinguishes the batches of two nights.
        :param spool: holds items and records; the batches are read from it.
        :param lookback: what is listed before the window, and how to leave out what has landed. Items that
            are pending there are none of this run: a later run may find them finished.
        """
        asked = self.select if self.items is None else self.items
        on_record: OnRecord = spool.describe
        spool.clear()
        if lookback and window:
            on_record = lookback.noting(self.select or {}, on_record)
            self._list(hook, lookback.overlap(window), spool, on_record)
        pending = self._list(hook, window, spool, on_record)
        spool.choose()
        identity: list[JSON] = [hook.conn_id, dict(asked or {}), self.archive_options]
        if lookback and window:
            lookback.leave_out_landed(spool, window)
            # Whenever it is run, the window may have other items: they need an object of their own.
            identity.append(spool.digest())
        if self.max_items is not None and len(spool) > self.max_items:
            raise InvalidRequestError(
                f"{len(spool)} items are selected, more than max_items={self.max_items}; "
                "narrow select or window, or raise max_items"
            )
        common = ArchiveRequest(
            self.vendor.spec.name,
            {},
            options=self.archive_options,
            window=window.iso() if window else None,
            query_id=fingerprint(identity),
            run_date=run_date,
        )
        return Batches(spool, spool.between, common, self.vendor.spec.max_batch), pending

    def _list(
        self,
        hook: AssetArchiveHook,
        window: Window | None,
        spool: ListingSpool,
        on_record: OnRecord,
    ) -> list[str]:
        """Put the items into *spool*; returns the ids of those that are pending."""
        if self.items is not None:
            named = cast("dict[str, list[str]]", self.items)
            spool.add(hook.run(self.vendor.expand(named, on_record=on_record)))
            return []
        pending: dict[float, list[str]] = {}
        for listed in hook.slices(dict(self.select or {}), window, on_record=on_record):
            spool.add(listed.selected.items, listed.start)
            pending[listed.start] = listed.selected.pending
        return [one for start in sorted(pending) for one in pending[start]]
