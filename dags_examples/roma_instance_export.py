"""Every night: the applications and tasks of a ROMA Connect instance that changed that day.

A user may run one export at a time, hence one active run. If several DAGs export, make a pool of one
slot, ``airflow pools set roma_export 1 "one export per user" --include-deferred``, and give it to the
archive tasks: ``archive_args={"pool": "roma_export"}``.
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
