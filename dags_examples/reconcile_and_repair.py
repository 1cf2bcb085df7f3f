"""Every Sunday: compare the last 30 days with what has landed, and export again what is not there."""

from __future__ import annotations

import os
from datetime import timedelta

import pendulum
from airflow.sdk import DAG, task

from airflow_provider_assets.operators.archive import AssetArchiveOperator
from airflow_provider_assets.operators.reconcile import AssetReconcileOperator
from airflow_provider_assets.transfers.archive_to_object_storage import (
    ArchiveToObjectStorageOperator,
)

CONN = "scenario_default"
TO = os.environ.get("EXPORT_TO", "s3://aws_default@my-bucket/scenario/")


@task
def flatten(archives: list[list[dict]]) -> list[dict]:
    return [one for many in archives for one in many]


with DAG(
    "reconcile_and_repair", schedule="@weekly", start_date=pendulum.datetime(2026, 1, 1)
) as dag:
    reconcile = AssetReconcileOperator(
        task_id="reconcile", conn_id=CONN, destination=TO, window=timedelta(days=30), verify="sizes"
    )
    # One mapped task per batch of gaps; all are skipped if there are none.
    archive = AssetArchiveOperator.partial(task_id="archive", conn_id=CONN, plans=TO).expand(
        items=reconcile.output
    )
    land = ArchiveToObjectStorageOperator.partial(task_id="land", destination=TO)
    land.expand(archive=flatten(archive.output))
