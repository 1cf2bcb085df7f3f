"""Every night: what Topaz Labs finished that day, collected image by image before its 7 days are over."""

from __future__ import annotations

import os

import pendulum
from airflow.sdk import DAG

from airflow_provider_assets.exports import asset_export

with DAG(
    "topaz_collect_outputs", schedule="@daily", start_date=pendulum.datetime(2026, 1, 1)
) as dag:
    asset_export(
        "export",
        conn_id="topaz_default",
        destination=os.environ.get("EXPORT_TO", "s3://aws_default@my-bucket/topaz/"),
        select={"status": "Completed", "by": "modification_time"},
        layout="files",
        deferrable=True,
        retries=3,
    )
