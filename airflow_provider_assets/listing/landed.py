"""The landings under a destination, as a comparison needs them."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from airflow_provider_assets.destinations import Destination
from airflow_provider_assets.landing.inventory import Inventory, RecordedLanding
from airflow_provider_assets.landing.manifest import Manifest
from airflow_provider_assets.sansio.reconcile import Comparison, Problem
from airflow_provider_assets.sansio.strict_json import JSON
from airflow_provider_assets.vendors.base import VendorSpec


def add_landings(
    comparison: Comparison,
    spec: VendorSpec,
    target: Destination,
    verify: str,
    *,
    may_hold: Callable[[str], bool] = lambda key: True,
    required_facts: Mapping[str, JSON] | None = None,
) -> None:
    """Add the landings under *target* to *comparison*, which knows what is listed.

    :param may_hold: as in :class:`Inventory`.
    :param required_facts: facts, and the ``layout``, that a landing must have; by default it may have any.
        A fact that an earlier release did not record counts as equal.
    """

    def wanted(recorded: RecordedLanding) -> bool:
        is_ours = recorded.manifest.facts.get("vendor") in (spec.name, None)
        return (
            is_ours
            and _has_facts(recorded.manifest, required_facts or {})
            and comparison.concerns(recorded.landing)
        )

    for found in Inventory(target.store, target.prefix, verify, wanted, may_hold).read():
        if isinstance(found, Problem):
            comparison.note(found.uri, found.why)
        else:
            comparison.add(found.landing)


def _has_facts(record: Manifest, facts: Mapping[str, JSON]) -> bool:
    known = {**record.facts, "layout": record.layout}
    return all(known.get(name, value) == value for name, value in facts.items())
