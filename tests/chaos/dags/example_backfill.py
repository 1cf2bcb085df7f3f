"""The example DAG of a backfill, as it is."""

from __future__ import annotations

import runpy
from pathlib import Path

from airflow.sdk import DAG

EXAMPLE = Path(__file__).parents[3] / "dags_examples" / "scenario_backfill.py"
dag: DAG = runpy.run_path(str(EXAMPLE))["dag"]
