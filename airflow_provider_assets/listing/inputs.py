"""Checks the inputs of an export before any request to the vendor."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from airflow_provider_assets.sansio.arguments import positive_int, require_choice, require_mapping
from airflow_provider_assets.sansio.errors import InvalidRequestError
from airflow_provider_assets.sansio.jobs import ARCHIVE, LINKS
from airflow_provider_assets.sansio.strict_json import JSON
from airflow_provider_assets.vendors.base import Vendor, VendorSpec
from airflow_provider_assets.vendors.parsing import check_names, strings


def check_mode(mode: str, spec: VendorSpec) -> None:
    """Refuse a mode that *spec*'s vendor does not have.

    :raises InvalidRequestError: naming those that it has.
    """
    require_choice(mode, "mode", (ARCHIVE, LINKS))
    if mode not in spec.modes:
        none = "" if spec.submits else "; its files are downloaded one by one, and no job is made"
        raise InvalidRequestError(
            f"mode={mode!r}: {spec.title} has no such mode; it has {' and '.join(map(repr, spec.modes))}"
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
                raise InvalidRequestError(
                    "items and select are mutually exclusive; give one of them"
                )
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
    def remarks(self) -> list[str]:
        """Remarks for the log: options that are sent in another form, and those of the vendor."""
        changes = [
            f"options.{name}: {value!r} is sent as {self.archive_options[name]!r}"
            for name, value in self.options.items()
            if name in self.archive_options and self.archive_options[name] != value
        ]
        return [*changes, *self.vendor.remarks(self.archive_options)]
