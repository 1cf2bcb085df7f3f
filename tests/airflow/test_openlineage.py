"""What OpenLineage's own listener writes of exports, through its transport to a file."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

import jsonschema
import pytest
from airflow_runs import Airflow, connect
from doc_pages import ROOT
from exported import CONN, archive, arm, export, exportable

from airflow_provider_assets.lineage import dataset_name
from airflow_provider_assets.sensors.archive import AssetArchiveSensor

pytestmark = pytest.mark.airflow
SCHEMA = json.loads((ROOT / "docs" / "openlineage-facets.json").read_text(encoding="utf-8"))
Events = Callable[[str], list[dict[str, Any]]]


@pytest.fixture
def events(lineage: Path) -> Events:
    """Function that gives the last event of each instance of a task."""

    def last(task_id: str) -> list[dict[str, Any]]:
        found = {
            event["run"]["runId"]: event
            for event in map(json.loads, lineage.read_text().splitlines())
            if event["job"]["name"].endswith(f".{task_id}")
        }
        return list(found.values())

    return last


def facet(owner: dict[str, Any]) -> dict[str, Any]:
    """Our facet of a run or a dataset, which fits its schema."""
    found = owner["facets"]["assetArchive"]
    name = found["_schemaURL"].rpartition("/")[2]
    jsonschema.validate(found, {**SCHEMA, "$ref": f"#/$defs/{name}"})
    return {key: value for key, value in found.items() if not key.startswith("_")}


@pytest.mark.parametrize("deferrable", [False, True], ids=["blocking", "deferred"])
def test_lineage_leads_from_the_vendors_window_to_the_object(
    airflow: Airflow, sandbox, folder, events, deferrable
):
    run = airflow(export(folder.as_uri(), deferrable=deferrable))
    (manifest,) = run.results("export.land")
    (reference,) = run.result("export.archive")
    (exported,), (landed,) = events("export.archive"), events("export.land")
    assert [exported["eventType"], landed["eventType"]] == ["COMPLETE", "COMPLETE"]
    for event in (exported, landed):
        (source,) = event["inputs"]
        api = urlsplit(sandbox.scenario["connection"]["extra"]["base_url"])
        assert source["namespace"] == f"{api.scheme}://{api.netloc}"
        assert source["name"].startswith("scenario/2026-01-06-")
        assert f"scenario-{source['name'].partition('/')[2]}" in manifest["uri"]
        assert facet(source) == {
            "vendor": "scenario",
            "connection": CONN,
            "window": manifest["facts"]["window"],
            "items": manifest["facts"]["items"],
        }
        assert facet(event["run"]) == {
            "vendor": "scenario",
            "connection": CONN,
            "items": manifest["facts"]["items"],
            "batches": 1,
            "jobs": [
                {
                    "batch": 1,
                    "items": manifest["facts"]["items"],
                    "jobId": reference["job"]["job_id"],
                    "state": "succeeded",
                }
            ],
        }
        query = event["run"]["facets"]["externalQuery"]
        assert query["externalQueryId"] == reference["job"]["job_id"]
    assert exported["outputs"] == []
    data, metadata = landed["outputs"]
    assert (data["namespace"], data["name"]) == ("file", unquote(urlsplit(manifest["uri"]).path))
    statistics = data["outputFacets"]["outputStatistics"]
    assert (statistics["rowCount"], statistics["size"]) == (manifest["entries"], manifest["bytes"])
    assert facet(data) == {
        "vendor": "scenario",
        "jobId": reference["job"]["job_id"],
        "window": manifest["facts"]["window"],
        "items": manifest["facts"]["items"],
        "sha256": manifest["sha256"],
        "crc32": manifest["crc32"],
        "verified": manifest["verified"],
        "manifestUri": manifest["manifest_uri"],
        "skipped": False,
    }
    assert sandbox.scenario["connection"]["password"] not in json.dumps([exported, landed])
    assert metadata["outputFacets"]["outputStatistics"]["rowCount"] == manifest["metadata_rows"]


@pytest.mark.parametrize("deferrable", [False, True], ids=["blocking", "deferred"])
def test_an_export_that_fails_names_its_source_and_its_job(airflow, sandbox, events, deferrable):
    arm(sandbox, "job:failed")
    run = airflow(lambda: archive(deferrable=deferrable))
    assert run.state == "failed"
    (failed,) = events("archive")
    assert failed["eventType"] == "FAIL"
    (source,) = failed["inputs"]
    assert source["name"].startswith("scenario/2026-01-06-")
    (job,) = facet(failed["run"])["jobs"]
    assert job["state"] == "failed"
    assert job["jobId"]


def test_a_landing_that_fails_names_what_has_landed_in_spite_of_it(
    airflow, sandbox, folder, events
):
    sandbox.fault("job:partial=2:1")
    run = airflow(export(folder.as_uri(), archive_args={"on_partial": "land"}))
    assert run.state == "failed", run.states
    (failed,) = events("export.land")
    assert failed["eventType"] == "FAIL"
    assert len(failed["inputs"]) == 1
    names = [output["name"] for output in failed["outputs"]]
    assert any(name.endswith(".zip") for name in names)


def test_a_task_that_fails_before_it_reads_its_connection_has_no_lineage(
    airflow, monkeypatch, events
):
    connect(monkeypatch, "scenario_default", {"conn_type": "http"})
    assert airflow(archive).state == "failed"
    (failed,) = events("archive")
    assert (failed["eventType"], failed["inputs"], failed["outputs"]) == ("FAIL", [], [])


@pytest.mark.parametrize("deferrable", [False, True], ids=["poking", "deferred"])
@pytest.mark.parametrize(("fault", "ends"), [(None, "succeeded"), ("job:failed", "failed")])
def test_a_sensor_names_what_it_waited_for(airflow, sandbox, events, fault, ends, deferrable):
    if fault:
        arm(sandbox, fault)

    def build():
        submitted = archive(wait_for_completion=False)
        AssetArchiveSensor(
            task_id="wait",
            archives=submitted.output,
            deferrable=deferrable,
            poke_interval=0.1,
        )

    airflow(build)
    (waited,) = events("wait")
    assert waited["eventType"] == ("COMPLETE" if ends == "succeeded" else "FAIL")
    (source,) = waited["inputs"]
    assert facet(source)["items"] == len(exportable(sandbox, "2026-01-06", "2026-01-07"))
    assert [job["state"] for job in facet(waited["run"])["jobs"]] == [ends]


@pytest.mark.parametrize(
    ("uri", "namespace", "name"),
    [
        ("s3://bucket/a/b#1.zip", "s3://bucket", "a/b#1.zip"),
        ("abfs://container/a/", "abfs://container", "a"),
        ("gs://bucket/", "gs://bucket", "/"),
        ("file:///srv/a%20b/c.zip", "file", "/srv/a b/c.zip"),
    ],
)
def test_a_stored_object_is_named_by_the_conventions_of_openlineage(uri, namespace, name):
    assert dataset_name(uri) == (namespace, name)
