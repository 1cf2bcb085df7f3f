"""Every night: the day of three vendors in one bucket, by the same task group with three connections."""

from __future__ import annotations

import os

import pendulum
from airflow.sdk import DAG

from airflow_provider_assets.exports import asset_export

BUCKET = os.environ.get("EXPORT_TO", "s3://aws_default@my-bucket/")

with DAG(
    "three_vendors_one_bucket",
    schedule="@daily",
    start_date=pendulum.datetime(2026, 1, 1),
    max_active_runs=1,  # ROMA Connect allows a user one export at a time
) as dag:
    for vendor in ("scenario", "topaz", "huawei_roma"):
        asset_export(
            vendor,
            conn_id=f"{vendor}_default",
            destination=f"{BUCKET.rstrip('/')}/{vendor}/",
            deferrable=True,
            retries=3,
        )
