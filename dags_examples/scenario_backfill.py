"""Years of Scenario assets, one day per run, newest first, next to what is exported every night.

    airflow backfill create --dag-id scenario_backfill \
        --from-date 2023-01-02 --to-date 2026-01-01 --run-backwards --max-active-runs 4

The run of a date exports the day before it. A day that failed is exported again by the same command with
``--reprocess-behavior failed``; a day that has landed is not.
"""

from __future__ import annotations

import os

import pendulum
from airflow.sdk import DAG

from airflow_provider_assets.exports import asset_export

with DAG(
    "scenario_backfill",
    schedule="@daily",
    start_date=pendulum.datetime(2023, 1, 1),
    catchup=False,  # history is exported when somebody asks for it
) as dag:
    asset_export(
        "export",
        conn_id="scenario_default",
        destination=os.environ.get("EXPORT_TO", "s3://aws_default@my-bucket/scenario/"),
        deferrable=True,
        retries=3,
    )
