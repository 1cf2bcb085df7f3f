"""Runs one example DAG for one day in this process and prints what its landings returned, as JSON."""

from __future__ import annotations

import json
import sys
from importlib import import_module
from pathlib import Path
from typing import Any

import pendulum
from airflow.utils.db import initdb

from airflow_provider_assets.sansio.jobs import ArchiveReference

DAGS = Path(__file__).parent.parent


def main(dag_id: str, day: str) -> int:
    """Run *dag_id* for the nightly run that ends *day* (YYYY-MM-DD)."""
    initdb()
    sys.path.insert(0, str(DAGS))
    dag = import_module(dag_id).dag
    run = dag.test(logical_date=pendulum.parse(day, tz="UTC").add(days=1))
    landed: list[dict[str, Any]] = []
    jobs: dict[tuple[str, int], str] = {}
    for ti in run.get_task_instances():
        result = ti.xcom_pull(task_ids=ti.task_id, map_indexes=ti.map_index)
        if isinstance(result, dict) and "manifest_uri" in result:
            took = (ti.end_date - ti.start_date).total_seconds() if ti.end_date else 0.0
            landed.append({**result, "seconds": took})
        for reference in result if isinstance(result, list) else ():
            known = ArchiveReference.from_dict(reference)
            jobs[known.request.vendor, known.request.index] = known.job.job_id
    for manifest in landed:  # what is there already tells the job that it landed from
        facts = manifest["facts"]
        manifest["job_id"] = jobs[facts["vendor"], facts["batch"] - 1]
    sys.stdout.write(f"\nRESULT {json.dumps(landed)}\n")
    return 0 if run.state == "success" else 1


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
