"""The vendor's own client, rejecting every malformed reply, against the sandbox."""

from __future__ import annotations

import io
import time
import zipfile

import pytest
import requests

from airflow_provider_assets.sandbox import running

scenario_sdk = pytest.importorskip("scenario_sdk")

NO_IDS = {"inference_ids": [], "model_ids": []}


@pytest.fixture(scope="module")
def scenario():
    with running(
        "--vendor", "scenario", "--items", "300", "--day", "2026-01-09=120", "--job-seconds", "0.2"
    ) as sandbox:
        yield sandbox


@pytest.fixture
def client(scenario):
    login = scenario.scenario["connection"]
    with scenario_sdk.Scenario(
        api_key=login["login"],
        api_secret=login["password"],
        base_url=scenario.scenario["base_url"],
        max_retries=0,
        _strict_response_validation=True,
    ) as client:
        yield client


def listed(client, **filters):
    found, more = [], {}
    while True:
        page = client.assets.list(page_size=100, **filters, **more)
        found += page.assets
        if not page.next_pagination_token:
            return found
        more = {"pagination_token": page.next_pagination_token}


def finished(client, job_id):
    for _ in range(200):
        status = client.assets.download.get_status(job_id)
        if status.download_url:
            return status
        time.sleep(0.05)
    raise AssertionError(status)


def test_the_sdk_lists_every_asset_through_empty_pages(client, scenario):
    expected = {
        one["id"] for one in scenario.items("scenario", start="2026-01-09", end="2026-01-10")
    }
    found = listed(
        client,
        sort_by="createdAt",
        sort_direction="asc",
        created_after="2026-01-08T23:59:59.999Z",
        created_before="2026-01-10T00:00:00.000Z",
    )
    assert len(found) == 120
    assert {one.id for one in found} == expected
    assert [one.created_at for one in found] == sorted(one.created_at for one in found)


def test_the_sdk_accepts_every_kind_of_asset_the_sandbox_has(client):
    assert len(listed(client, sort_by="updatedAt")) > 350
    assert all(one.privacy == "public" for one in listed(client, privacy="public"))


def test_the_sdk_reads_metadata_in_bulk_and_one_by_one(client):
    ids = [one.id for one in client.assets.list(page_size=100).assets][:50]
    assert [one.id for one in client.assets.get_bulk(asset_ids=ids).assets] == ids
    assert client.assets.retrieve(ids[0]).asset.id == ids[0]


def test_the_sdk_submits_polls_and_gets_an_archive(client, scenario):
    ids = [one.id for one in listed(client, sort_by="createdAt") if one.status == "success"][:60]
    job_id = client.assets.download.request_batch(
        options={"file_name_template": "<description>-<id>", "flat": True, "archive_name": "tag-1"},
        query={"asset_ids": ids, **NO_IDS},
    ).job_id
    status = finished(client, job_id)
    with zipfile.ZipFile(
        io.BytesIO(requests.get(status.download_url, timeout=10).content)
    ) as archive:
        assert archive.testzip() is None
        assert len(archive.namelist()) == 60
    job = client.jobs.retrieve(job_id).job
    assert job.status == "success"
    assert job.metadata.model_extra["archiveUrl"].startswith("http://localhost:")
    assert job.metadata.input["options"]["archiveName"] == "tag-1"
    bulk = client.jobs.list(
        types=["assets-download"], page_size=100, updated_after="2026-01-01T00:00:00Z"
    )
    assert job_id in {one.job_id for one in bulk.jobs}


def test_the_sdk_gets_a_link_to_one_asset(client):
    asset = client.assets.list(page_size=1).assets[0]
    assert client.assets.download.request(asset.id, target_format="webp").mime_type == "image/webp"
    original = client.assets.download.request(asset.id)
    assert original.mime_type == asset.mime_type == "image/png"
    assert len(requests.get(original.url, timeout=10).content) == asset.properties.size
    with pytest.raises(scenario_sdk.BadRequestError, match="Invalid target format"):
        client.assets.download.request(asset.id, target_format="docx")


def test_the_sdk_is_refused_the_cancelling_of_an_archive_but_not_of_an_inference(client):
    asset = next(one for one in client.assets.list(page_size=100).assets if one.status == "success")
    job_id = client.assets.download.request_batch(
        options={"file_name_template": "<id>"}, query={"asset_ids": [asset.id], **NO_IDS}
    ).job_id
    with pytest.raises(scenario_sdk.BadRequestError, match="Cannot cancel this type of job"):
        client.jobs.trigger_action(job_id, action="cancel")
    running_one = next(
        job for job in client.jobs.list(type="inference").jobs if job.status == "finalizing"
    )
    assert client.jobs.trigger_action(running_one.job_id, action="cancel").job.status == "canceled"


def test_the_sdk_reads_the_selection_helpers(client):
    assert client.search.asset_search(query="kite", limit=5).hits
    assert client.collections.list().collections[0].asset_count > 0
    assert client.teams.retrieve_limits("team_sandbox").limits.download_assets > 0


@pytest.mark.parametrize(
    ("spec", "error"),
    [
        ("list:401", "AuthenticationError"),
        ("list:403", "PermissionDeniedError"),
        ("list:404", "NotFoundError"),
        ("list:429", "RateLimitError"),
        ("list:500html", "InternalServerError"),
        ("list:reset", "APIConnectionError"),
    ],
)
def test_the_sdk_sees_an_injected_fault_as_its_own_error(client, scenario, spec, error):
    scenario.fault(f"{spec}:1")
    with pytest.raises(getattr(scenario_sdk, error)):
        client.assets.list()
    assert client.assets.list().assets
