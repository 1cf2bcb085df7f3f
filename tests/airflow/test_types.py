"""The types that DAG files see: a checker accepts the recipes, results of tasks, templates and ``land``."""

from __future__ import annotations

import pytest
from doc_pages import ROOT, blocks

from airflow_provider_assets.airflow_compat import AIRFLOW_V_3_3_PLUS

DAG_FILE = """
from typing import Any

from airflow.sdk import DAG, task

from airflow_provider_assets.exports import land
from airflow_provider_assets.operators.archive import AssetArchiveOperator
from airflow_provider_assets.operators.reconcile import AssetReconcileOperator
from airflow_provider_assets.sensors.archive import AssetArchiveSensor
from airflow_provider_assets.transfers.archive_to_object_storage import (
    ArchiveToObjectStorageOperator,
)

with DAG("typed", schedule=None):

    @task
    def found() -> dict[str, Any]:
        return {}

    result = found()
    AssetArchiveOperator(task_id="items", conn_id="c", items=result, max_items="{{ params.most }}")
    AssetArchiveOperator(task_id="span", conn_id="c", window=result, select=result, options=result)
    AssetReconcileOperator(
        task_id="compared", conn_id="c", destination="s3://b/", window=result, select=result
    )
    AssetArchiveSensor(task_id="jobs", conn_id="c", job_ids=result)
    ArchiveToObjectStorageOperator(task_id="land", archive=result, destination="s3://b/")

    @task
    def uri(archive: dict[str, Any]) -> str:
        return str(land(archive, "s3://b/")["uri"])
"""


@pytest.mark.long
@pytest.mark.skipif(not AIRFLOW_V_3_3_PLUS, reason="earlier releases are typed in other ways")
def test_a_type_checker_accepts_recipes_and_results_of_tasks(tmp_path):
    check = pytest.importorskip("mypy.api").run
    recipes = [text for page, text in blocks("python") if page == "docs/recipes.md"]
    files = []
    for number, text in enumerate([DAG_FILE, *recipes]):
        files.append(tmp_path / f"dag_{number}.py")
        files[-1].write_text(text)
    # The options of the package, so that a run of mypy before this one has made the cache.
    found, trouble, _ = check(["--config-file", str(ROOT / "pyproject.toml"), *map(str, files)])
    assert (trouble, found.count("error:")) == ("", 0), found
