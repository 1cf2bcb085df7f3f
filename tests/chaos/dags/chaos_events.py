"""An export, and the DAG that its landings start."""

from __future__ import annotations

from datetime import datetime, timezone
from typing import Any

from airflow.sdk import DAG, Asset, task

from airflow_provider_assets.exports import asset_export

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
