"""Every night: what has been made or changed since the last run, however long ago that was."""

from __future__ import annotations

import os

import pendulum
from airflow.sdk import DAG, Asset

from airflow_provider_assets.exports import asset_export

EXPORT_TO = os.environ.get("EXPORT_TO", "s3://aws_default@my-bucket/changes/")

with DAG(
    "scenario_incremental",
    schedule="@daily",
    start_date=pendulum.datetime(2026, 1, 1),
    max_active_runs=1,  # two runs at a time would start from the same watermark
) as dag:
    asset_export(
        "export",
        conn_id="scenario_default",
        destination=EXPORT_TO,
        select={"by": "updatedAt"},
        window="since_last",
        archive_args={"inlets": [Asset("s3://my-bucket/changes/")]},
        deferrable=True,
        retries=3,
    )
