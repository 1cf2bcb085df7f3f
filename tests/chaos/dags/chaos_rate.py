"""Listings of the six parts of a day, in a pool that comes with each run."""

from __future__ import annotations

from datetime import datetime, timezone
from itertools import pairwise

from airflow.sdk import DAG

from airflow_provider_assets.operators.archive import AssetArchiveOperator

HOURS = [f"2026-01-09T{hour:02d}:00:00Z" for hour in range(0, 24, 4)] + ["2026-01-10T00:00:00Z"]

for slots in (2, 6):
    with DAG(
        f"listings_in_{slots}_slots",
        schedule=None,
        start_date=datetime(2026, 1, 1, tzinfo=timezone.utc),
    ):
        AssetArchiveOperator.partial(
            task_id="list", conn_id="scenario_limited", dry_run=True, pool=f"vendor_{slots}"
        ).expand(window=[list(pair) for pair in pairwise(HOURS)])
