"""An export whose trigger is still waiting when Airflow's own limit ends the deferral."""

from __future__ import annotations

from datetime import datetime, timedelta, timezone

from airflow.sdk import DAG

from airflow_provider_assets.batches import waiting
from airflow_provider_assets.exports import asset_export

# Airflow's limit stands behind our deadline; here it comes first, as if the triggerer had hung.
waiting.BACKSTOP = timedelta(seconds=-3600)

with DAG(
    "deferred_backstop",
    schedule=None,
    start_date=datetime(2026, 1, 1, tzinfo=timezone.utc),
    default_args={"retries": 0},
    render_template_as_native_obj=True,
):
    asset_export(
        "export",
        conn_id="{{ dag_run.conf['conn_id'] }}",
        items="{{ dag_run.conf.get('items') }}",
        select="{{ none if dag_run.conf.get('items') else {} }}",
        window=("2026-01-09T00:00:00Z", "2026-01-10T00:00:00Z"),
        destination="{{ dag_run.conf['destination'] }}",
        deferrable=True,
        poll_interval=0.5,
        timeout=3606.0,
        archive_args={"cancel_on_kill": True},
    )
