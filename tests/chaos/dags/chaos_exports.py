"""Exports whose connection, items and destination come with each run."""

from __future__ import annotations

from datetime import datetime, timedelta, timezone

from airflow.sdk import DAG

from airflow_provider_assets.exports import asset_export

WINDOW = ("2026-01-09T00:00:00Z", "2026-01-10T00:00:00Z")


def export_dag(
    name: str, *, retries: int = 9, timeout: float = 3600.0, cancel: bool = False
) -> None:
    """``blocking_<name>`` and ``deferred_<name>``."""
    for mode in ("blocking", "deferred"):
        with DAG(
            f"{mode}_{name}",
            schedule=None,
            start_date=datetime(2026, 1, 1, tzinfo=timezone.utc),
            default_args={"retries": retries, "retry_delay": timedelta(seconds=1)},
            render_template_as_native_obj=True,
        ):
            asset_export(
                "export",
                conn_id="{{ dag_run.conf['conn_id'] }}",
                items="{{ dag_run.conf.get('items') }}",
                select="{{ none if dag_run.conf.get('items') else {} }}",
                window=WINDOW,
                destination="{{ dag_run.conf['destination'] }}",
                deferrable=mode == "deferred",
                poll_interval=0.5,
                timeout=timeout,
                archive_args={"cancel_on_kill": cancel or None},
            )


export_dag("export")
export_dag("cancelled", cancel=True)
export_dag("hurry", retries=0, timeout=6.0, cancel=True)
