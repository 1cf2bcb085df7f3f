"""Exports to Google Cloud Storage and Azure through the hooks of Airflow's own providers.

They run where the extras ``[gcs]`` and ``[azure]`` are installed. The S3 ones are in the other tests.
"""

from __future__ import annotations

import secrets
from collections.abc import Callable, Iterator

import pytest
from airflow_runs import connect
from exported import archives, assert_as_served, export, exportable, ids_in

from airflow_provider_assets.destinations import open_destination

pytestmark = pytest.mark.airflow

Look = Callable[[], dict[str, bytes]]


@pytest.fixture
def gs(gcs_address, monkeypatch: pytest.MonkeyPatch) -> tuple[str, Look]:
    """A destination in a bucket, and what stands in it."""
    pytest.importorskip("airflow.providers.google", reason="the [gcs] extra is not installed")
    from google.auth.credentials import AnonymousCredentials
    from google.cloud import storage

    monkeypatch.setenv("STORAGE_EMULATOR_HOST", gcs_address)
    extra = {"is_anonymous": True, "project": "p"}
    connect(monkeypatch, "gcs_test", {"conn_type": "google_cloud_platform", "extra": extra})
    client = storage.Client("p", credentials=AnonymousCredentials())
    bucket = client.create_bucket(f"exports{secrets.token_hex(4)}")
    return (
        f"gs://gcs_test@{bucket.name}/nightly/",
        lambda: {blob.name: blob.download_as_bytes() for blob in client.list_blobs(bucket)},
    )


@pytest.fixture
def abfs(azure_account, monkeypatch: pytest.MonkeyPatch) -> Iterator[tuple[str, Look]]:
    """A destination in a container, and what stands in it."""
    pytest.importorskip("airflow.providers.microsoft.azure", reason="the [azure] extra is missing")
    from azure.storage.blob import BlobServiceClient

    extra = {"connection_string": azure_account}
    connect(monkeypatch, "azure_test", {"conn_type": "wasb", "extra": extra})
    service = BlobServiceClient.from_connection_string(azure_account)
    with service.create_container(f"exports{secrets.token_hex(4)}") as container:
        yield (
            f"abfs://azure_test@{container.container_name}/nightly/",
            lambda: {
                blob.name: container.download_blob(blob.name).readall()
                for blob in container.list_blobs()
            },
        )


@pytest.fixture(params=["gs", "abfs"])
def place(request: pytest.FixtureRequest) -> tuple[str, Look]:
    return request.getfixturevalue(request.param)


@pytest.mark.parametrize("layout", ["archive", "files"])
def test_an_export_lands_in_the_cloud_and_a_second_run_moves_nothing(
    airflow, sandbox, place, layout
):
    destination, look = place
    dag = airflow.dag(export(destination, landing_args={"layout": layout}))
    run = airflow.run(dag)
    assert run.state == "success", run.tries
    (manifest,) = run.results("export.land")
    stored = look()
    assert all(key.startswith("nightly/") for key in stored)
    wanted = exportable(sandbox, "2026-01-06", "2026-01-07")
    if layout == "archive":
        assert_as_served(manifest, stored, sandbox)
        (data,) = archives(stored).values()
        assert sorted(ids_in(data)) == wanted
    else:
        names = [key.rpartition("/")[2].partition(".")[0] for key in archives(stored)]
        assert sorted(names) == wanted
    (again,) = airflow.run(dag).results("export.land")
    steady = {"facts": {}}
    assert {**again, **steady} == {**manifest, "skipped": True, **steady}
    # Only the plan of the second run is new.
    assert {key: data for key, data in look().items() if key in stored} == stored
    assert all(".plans/" in key for key in look().keys() - stored.keys())


def test_a_bucket_that_does_not_exist_is_named(airflow, sandbox, place):
    destination, _ = place
    conn = destination.partition("@")[0]
    run = airflow(export(f"{conn}@nowhere-{secrets.token_hex(4)}/"))
    assert run.state == "failed"
    assert "nowhere-" in str(run.tries[-1].error)


def test_a_signature_in_an_azure_connection_is_in_no_link(monkeypatch):
    connect(
        monkeypatch,
        "wasb_links",
        {
            "conn_type": "wasb",
            "host": "https://account.blob.core.windows.net",
            "extra": {"sas_token": "https://account.blob.core.windows.net/c?sv=1&sig=hidden"},
        },
    )
    pytest.importorskip("airflow.providers.microsoft.azure", reason="the [azure] extra is missing")
    target = open_destination("abfs://wasb_links@c/a/")
    assert target.browser_url("m 1") == "https://account.blob.core.windows.net/c/a/m%201"
