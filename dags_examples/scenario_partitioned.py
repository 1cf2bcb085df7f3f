"""Every night as a partition: the key of a run names the day that it exports (Airflow 3.2)."""

from __future__ import annotations

import os

import pendulum
from airflow.sdk import DAG, Asset, CronPartitionTimetable

from airflow_provider_assets.exports import asset_export

LANDED = Asset("s3://my-bucket/scenario/")

with DAG(
    "scenario_partitioned",
    # A run gets the period that has ended; without run_offset it would get the one that begins.
    schedule=CronPartitionTimetable(
        "0 0 * * *", timezone="UTC", run_offset=-1, key_format="%Y-%m-%d"
    ),
    start_date=pendulum.datetime(2026, 1, 1),
) as dag:
    asset_export(
        "export",
        conn_id="scenario_default",
        destination=os.environ.get("EXPORT_TO", "s3://aws_default@my-bucket/scenario/"),
        landing_args={"outlets": [LANDED]},
        deferrable=True,
        retries=3,
    )
