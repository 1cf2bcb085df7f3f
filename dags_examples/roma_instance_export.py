"""Every night: the applications and tasks of a ROMA Connect instance that changed that day.

A package can be downloaded once and a user may run one export at a time: hence one active run, and a
pool with one slot (``airflow pools set roma_export 1 "one export a user"``) if several DAGs export.
"""

from __future__ import annotations

import os

import pendulum
from airflow.sdk import DAG

from airflow_provider_assets.exports import asset_export

with DAG(
    "roma_instance_export",
    schedule="@daily",
    start_date=pendulum.datetime(2026, 1, 1),
    max_active_runs=1,
    default_args={"retries": 2},
) as dag:
    asset_export(
        "export",
        conn_id="huawei_roma_default",
        destination=os.environ.get("EXPORT_TO", "s3://aws_default@my-bucket/roma/"),
        select={"apps": {}, "tasks": {"status": 1}},
        deferrable=True,
    )
