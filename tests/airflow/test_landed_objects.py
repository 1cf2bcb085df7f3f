"""``object_options`` of an export, from the DAG to the store."""

from __future__ import annotations

import secrets

import pytest
from airflow_runs import connect
from exported import export

from airflow_provider_assets.sansio.errors import InvalidRequestError

pytestmark = pytest.mark.airflow
GIVEN = {
    "storage_class": "STANDARD_IA",
    "tags": {"day": "{{ ds }}", "team": "art"},
    "metadata": {"dag": "{{ dag.dag_id }}"},
}


@pytest.fixture
def bucket(moto_server, monkeypatch) -> str:
    """A bucket of moto, behind the connection ``moto``."""
    name = f"objects{secrets.token_hex(4)}"
    moto_server.client().create_bucket(Bucket=name)
    extra = {"endpoint_url": moto_server.endpoint, "region_name": "us-east-1"}
    extra["config_kwargs"] = {"s3": {"addressing_style": "path"}}
    connection = {"conn_type": "aws", "login": "k", "password": "s", "extra": extra}
    connect(monkeypatch, "moto", connection)
    return name


def test_templated_options_reach_the_data_and_nothing_beside_it(
    airflow, sandbox, moto_server, bucket
):
    how = {"layout": "files", "report": True, "object_options": GIVEN}
    run = airflow(export(f"s3://moto@{bucket}/nightly/", **how))
    assert run.state == "success", run.tries
    client, types = moto_server.client(), {}
    for item in client.list_objects_v2(Bucket=bucket)["Contents"]:
        at = {"Bucket": bucket, "Key": item["Key"]}
        found = client.head_object(**at)
        tags = {one["Key"]: one["Value"] for one in client.get_object_tagging(**at)["TagSet"]}
        told = (found.get("StorageClass"), tags, found["Metadata"])
        is_data = item["Key"].count("/") == 1 and not item["Key"].endswith(".manifest.json")
        assert told == (
            ("STANDARD_IA", {"day": "2026-01-07", "team": "art"}, {"dag": run.dag_run.dag_id})
            if is_data
            else (None, {}, {})
        ), item["Key"]
        types.setdefault(is_data, set()).add(found["ContentType"])
    assert types[True] <= {"image/png", "image/jpeg", "image/webp"}
    assert types[False] == {
        "application/json",
        "application/jsonl",
        "application/gzip",
        "text/html",
    }


def test_an_option_that_the_destination_lacks_fails_before_the_download(airflow, sandbox, folder):
    run = airflow(export(folder.as_uri(), object_options={"tags": {"a": "b"}}))
    assert isinstance(run.error, InvalidRequestError)
    assert "a local folder has no 'tags'" in str(run.error)
    assert sandbox.stats()["archives"] == {}
