"""Every Sunday: everything a ROMA Connect instance can export, no matter when it was last changed.

``window="all"`` has no bounds. The package is named after the run's date, so every week lands one of
its own. It is not a full backup: the vendor leaves secrets, authorisations, data source connections and
policies out of an export.
"""

from __future__ import annotations

import os

import pendulum
from airflow.sdk import DAG

from airflow_provider_assets.exports import asset_export

with DAG(
    "roma_export_everything",
    schedule="@weekly",
    start_date=pendulum.datetime(2026, 1, 1),
    max_active_runs=1,  # a user may run one export at a time
) as dag:
    asset_export(
        "export",
        conn_id="huawei_roma_default",
        destination=os.environ.get("EXPORT_TO", "s3://aws_default@my-bucket/roma-everything/"),
        window="all",
        deferrable=True,
        retries=2,
    )
