"""Every night: the day's Scenario assets into your storage, and what they show into a table of DuckDB."""

from __future__ import annotations

import os
from urllib.parse import unquote

import pendulum
from airflow.sdk import DAG, task

from airflow_provider_assets.exports import asset_export

with DAG(
    "export_to_warehouse",
    schedule="@daily",
    start_date=pendulum.datetime(2026, 1, 1),
    max_active_runs=1,  # a DuckDB file has one writer
) as dag:
    export = asset_export(
        "export",
        conn_id="scenario_default",
        destination=os.environ.get("EXPORT_TO", "s3://aws_default@my-bucket/scenario/"),
        metadata="parquet",
        retries=3,
    )

    @task
    def load(manifests: list[dict[str, str]]) -> None:
        """Insert the rows of the run; those of an earlier run of its window are replaced."""
        import duckdb

        with duckdb.connect(os.environ.get("WAREHOUSE", "warehouse.duckdb")) as warehouse:
            for manifest in manifests:
                path = unquote(manifest["metadata_uri"]).removeprefix("file://")
                warehouse.register("landed", warehouse.read_parquet(path))
                warehouse.sql("CREATE TABLE IF NOT EXISTS assets AS FROM landed LIMIT 0")
                warehouse.sql("DELETE FROM assets WHERE item_id IN (SELECT item_id FROM landed)")
                warehouse.sql("INSERT INTO assets FROM landed")

    load(export.output)
