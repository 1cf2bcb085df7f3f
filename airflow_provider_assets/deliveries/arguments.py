"""The arguments of a landing: checked when it starts and, as far as they are known, before a job is paid."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from airflow_provider_assets.sansio.arguments import (
    Check,
    at_least,
    check_arguments,
    choice_of,
    or_none,
    require_choice,
    require_flag,
    require_string,
    require_text,
)
from airflow_provider_assets.sansio.verdict import ON_PARTIAL

if TYPE_CHECKING:
    from airflow_provider_assets.landing import ObjectOptions
    from airflow_provider_assets.landing.stores.base import Store
    from airflow_provider_assets.vendors.base import Vendor

CHECKS: Mapping[str, Check] = {
    "layout": choice_of("archive", "files"),
    "name": or_none(require_string),
    **dict.fromkeys(("overwrite", "verify", "report"), require_flag),
    "sha256": or_none(require_flag),
    **dict.fromkeys(
        ("concurrency", "part_size", "max_entries", "max_unpacked", "max_ratio"),
        or_none(at_least(1)),
    ),
    "max_memory": at_least(1),
    "max_reexports": at_least(0),
    "target_format": or_none(require_text),
    "on_partial": choice_of(*ON_PARTIAL),
}
# The budgets of the engine, which checks them too.
BUDGETS = (
    *("concurrency", "part_size", "max_memory", "sha256"),
    *("max_entries", "max_unpacked", "max_ratio"),
)
# The arguments of which nothing is known where they hold a template or the result of a task.
_TEMPLATE = re.compile(r"\{[{%#]")
TEMPLATES = ("destination", "name", "target_format", "object_options")


def check_landing(given: Mapping[str, Any]) -> ObjectOptions:
    """Check all arguments, whose templates have been rendered.

    :returns: the typed form of ``object_options``.
    :raises InvalidRequestError: naming the first that is wrong.
    """
    from airflow_provider_assets.destinations import check_destination
    from airflow_provider_assets.landing import ObjectOptions
    from airflow_provider_assets.metadata import check_format

    check_arguments(given, CHECKS)
    check_destination(given["destination"], "destination")
    check_format(given["metadata"])
    return ObjectOptions.parse(given["object_options"])


def budgets(given: Mapping[str, Any]) -> dict[str, Any]:
    """The budgets among the arguments, as far as the defaults of the engine do not hold."""
    return {name: given[name] for name in BUDGETS if given[name] is not None}


def check_ahead(given: Mapping[str, Any], vendor: Vendor) -> None:
    """Check, before *vendor* is given a job, what is known of the arguments of the landing that follows.

    Parquet, and the store of the destination, may be available only where the landing runs.

    :param given: the arguments as the DAG file has them.
    :raises InvalidRequestError: naming the first that is wrong.
    """
    from airflow_provider_assets.destinations import check_destination
    from airflow_provider_assets.landing import LandingOptions, ObjectOptions
    from airflow_provider_assets.metadata import FORMATS

    known = {
        name: value for name, value in given.items() if name not in TEMPLATES or is_literal(value)
    }
    check_arguments(known, {name: check for name, check in CHECKS.items() if name in known})
    require_choice(given["metadata"], "metadata", FORMATS)
    LandingOptions(**budgets(given))
    options = ObjectOptions.parse(_literal_parts(given["object_options"]))
    if "destination" in known:
        check_destination(known["destination"], "destination")
        if options.given and (store := _store_of(known["destination"])):
            store.check(options)
    if (target_format := known.get("target_format")) is not None:
        vendor.check_target_format(target_format)


def _store_of(destination: Any) -> Store | None:
    """The store of *destination*; None where only the landing can open it."""
    from airflow_provider_assets.destinations import open_destination

    try:
        return open_destination(destination).store
    except Exception:  # noqa: BLE001  # its extra, connection or credentials may be on another worker
        return None


def is_literal(value: object) -> bool:
    """Whether *value* holds no template, and nothing that Airflow resolves when the task runs."""
    if isinstance(value, Mapping):
        return all(map(is_literal, value.values()))
    return not hasattr(value, "iter_references") and not _TEMPLATE.search(str(value))


def _literal_parts(given: object) -> object:
    """``object_options`` without those whose values are not known yet; names are never templates."""
    from airflow_provider_assets.landing.stores.object_options import NAMES

    if not isinstance(given, Mapping):
        return given if is_literal(given) else None
    return {name: value for name, value in given.items() if name not in NAMES or is_literal(value)}
