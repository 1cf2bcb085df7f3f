"""An export, the DAG that its landings start, and one that a vendor's new items start."""

from __future__ import annotations

from datetime import datetime, timezone
from typing import Any

from airflow.sdk import DAG, Asset, AssetWatcher, task

from airflow_provider_assets.exports import asset_export
from airflow_provider_assets.triggers.archive import AssetArchiveEventTrigger

LANDED = Asset("asset-exports://chaos/landed")
START = datetime(2026, 1, 1, tzinfo=timezone.utc)

with DAG("producer", schedule=None, start_date=START):
    asset_export(
        "export",
        conn_id="{{ dag_run.conf['conn_id'] }}",
        window=("2026-01-09T00:00:00Z", "2026-01-10T00:00:00Z"),
        destination="{{ dag_run.conf['destination'] }}",
        poll_interval=0.5,
        landing_args={"outlets": [LANDED]},
    )

with DAG("consumer", schedule=[LANDED], start_date=START):

    @task
    def told(**context: Any) -> list[Any]:
        """What the landings say of themselves."""
        return [event.extra for event in context["triggering_asset_events"][LANDED]]

    told()


def watched(name: str) -> Asset:
    """An asset whose watcher equals that of the others, so that Airflow makes one trigger of them."""
    trigger = AssetArchiveEventTrigger(conn_id="watched", poll_interval=2, settle=1)
    return Asset(
        f"asset-exports://chaos/{name}", watchers=[AssetWatcher(name=name, trigger=trigger)]
    )


NEW = [watched("new"), watched("also_new")]

with DAG("watching", schedule=NEW, start_date=START):

    @task
    def announced(**context: Any) -> dict[str, Any]:
        """What the events of both say."""
        events = context["triggering_asset_events"]
        return {asset.uri: [event.extra["payload"] for event in events[asset]] for asset in NEW}

    announced()
