"""What every DAG file pays that names an operator, the sensor and the transfer."""

from __future__ import annotations

import json
import subprocess
import sys

import pytest

pytestmark = [pytest.mark.airflow, pytest.mark.long]  # an interpreter for each
CODE = """
import json, sys
import airflow.sdk
from airflow.sdk import BaseHook, BaseOperator, BaseSensorOperator, DAG, conf
before = set(sys.modules)
import airflow_provider_assets.exports
import airflow_provider_assets.operators.archive
import airflow_provider_assets.sensors.archive
import airflow_provider_assets.transfers.archive_to_object_storage
print(json.dumps(sorted(set(sys.modules) - before)))
"""
HEAVY = (
    "aiohttp",
    "boto3",
    "botocore",
    "fsspec",
    "openlineage",
    "pandas",
    "requests",
    "yarl",
    "zipfile",
)


def test_parsing_a_dag_adds_small_modules_of_our_own_and_few_of_others():
    done = subprocess.run([sys.executable, "-c", CODE], capture_output=True, text=True, check=True)
    added = json.loads(done.stdout.splitlines()[-1])
    assert "airflow_provider_assets.operators.archive" in added
    assert len(added) < 60, added
    others = [name for name in added if not name.startswith("airflow_provider_assets")]
    assert len(others) < 10, others
    assert [name for name in added if name.partition(".")[0] in HEAVY] == []


def test_no_older_release_of_common_compat_keeps_the_operators_from_being_imported():
    """Its ``sdk`` lacks more the older it is, and an Airflow's constraints pin it."""
    absent = "import sys; sys.modules['airflow.providers.common.compat.sdk'] = None\n"
    subprocess.run([sys.executable, "-c", absent + CODE], check=True)


def test_the_triggerer_imports_nothing_of_the_landing():
    code = "import sys, airflow_provider_assets.triggers.archive as t; print(*sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert "airflow_provider_assets.landing" not in done.stdout
