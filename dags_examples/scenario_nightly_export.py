"""Every night: the day's Scenario assets, archived by the vendor, landed in your storage, and reported."""

from __future__ import annotations

import os

import pendulum
from airflow.sdk import DAG

from airflow_provider_assets.exports import asset_export

with DAG(
    "scenario_nightly_export", schedule="@daily", start_date=pendulum.datetime(2026, 1, 1)
) as dag:
    asset_export(
        "export",
        conn_id="scenario_default",
        destination=os.environ.get("EXPORT_TO", "s3://aws_default@my-bucket/scenario/"),
        deferrable=True,
        retries=3,
        report=True,
    )
