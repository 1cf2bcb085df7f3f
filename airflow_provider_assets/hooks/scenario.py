"""Hook for Scenario."""

from __future__ import annotations

from collections.abc import Sequence

from airflow_provider_assets.hooks.base import AssetArchiveHook
from airflow_provider_assets.sansio.strict_json import JSON
from airflow_provider_assets.vendors.scenario import Scenario


class ScenarioHook(AssetArchiveHook):
    """Scenario: login is the API key, password the API secret (or a JWT without a login)."""

    conn_type = "scenario"
    default_conn_name = "scenario_default"
    hook_name = "Scenario"

    def asset_metadata(self, asset_ids: Sequence[str]) -> dict[str, dict[str, JSON]]:
        """Asset id -> the vendor's record (prompt, model, seed, …); unknown ids are left out."""
        vendor = self.vendor
        if not isinstance(vendor, Scenario):
            raise TypeError(f"connection {self.conn_id!r} is not a Scenario connection")
        return self.run(vendor.metadata(asset_ids))
