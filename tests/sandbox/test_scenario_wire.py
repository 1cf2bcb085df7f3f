"""What Scenario's documents say about a request, and what must be refused."""

from __future__ import annotations

import base64

import pytest
from sandbox_calls import OPTIONS, call, every, submit

from airflow_provider_assets.sandbox import running

DAY = "2026-01-09"


@pytest.fixture(scope="module")
def scenario():
    with running("--vendor", "scenario", "--items", "400", "--day", f"{DAY}=40") as sandbox:
        yield sandbox


@pytest.mark.parametrize(
    ("header", "status"),
    [
        (None, 401),
        ("Basic " + base64.b64encode(b"sandbox-key:wrong").decode(), 401),
        ("Basic %%%", 401),
        ("Bearer wrong", 401),
        ("Bearer sandbox-jwt", 200),
    ],
)
def test_only_the_right_credentials_are_let_in(scenario, header, status):
    headers = {"Authorization": header} if header else {}
    reply = call(scenario, "GET", "/assets", auth=None, headers=headers)
    assert reply.status_code == status
    if status == 401:
        assert reply.json()["code"] == "AUTHENTICATION_FAILED"


def test_a_foreign_project_is_refused_with_the_other_error_shape(scenario):
    reply = call(scenario, "GET", "/assets", params={"projectId": "proj_of_somebody"})
    assert (reply.status_code, reply.json()["reason"]) == (403, "Forbidden")


def test_the_public_token_sees_public_assets_only(scenario):
    reply = call(
        scenario, "GET", "/assets", auth=None, headers={"Authorization": "public-auth-token"}
    )
    assert {one["privacy"] for one in reply.json()["assets"]} == {"public"}
    other = call(
        scenario, "GET", "/jobs", auth=None, headers={"Authorization": "public-auth-token"}
    )
    assert other.status_code == 401


def test_bounds_are_exclusive_to_the_millisecond(scenario):
    inside = every(
        scenario,
        sortBy="createdAt",
        createdAfter=f"{DAY}T00:00:00.000Z",
        createdBefore=f"{DAY}T23:59:59.999Z",
    )
    around = every(
        scenario,
        sortBy="createdAt",
        createdAfter="2026-01-08T23:59:59.999Z",
        createdBefore="2026-01-10T00:00:00Z",
    )
    assert (len(inside), len(around)) == (38, 40)


@pytest.mark.parametrize(
    "query",
    [
        {"createdAfter": f"{DAY}T00:00:00Z"},
        {"createdBefore": f"{DAY}T00:00:00Z", "sortBy": "updatedAt"},
        {"updatedAfter": f"{DAY}T00:00:00Z", "sortBy": "createdAt"},
        {"createdAfter": DAY, "sortBy": "createdAt"},
        {"createdAfter": "yesterday", "sortBy": "createdAt"},
        {"pageSize": "0"},
        {"pageSize": "101"},
        {"type": "upscale", "types": "upscale"},
        {"sortBy": "name"},
        {"sortDirection": "up"},
        {"privacy": "secret"},
        {"paginationToken": "made-up"},
        {"deleted": "true", "tags": "hero"},
    ],
)
def test_a_listing_against_the_rules_is_a_400(scenario, query):
    reply = call(scenario, "GET", "/assets", params=query)
    assert reply.status_code == 400
    assert reply.json()["code"] == "INVALID_PARAMETER"


@pytest.mark.parametrize(
    ("name", "read"),
    [
        ("modelId", lambda one: one["metadata"].get("modelId")),
        ("inferenceId", lambda one: one["metadata"].get("inferenceId")),
        ("authorId", lambda one: one["authorId"]),
        ("parentAssetId", lambda one: one["metadata"].get("parentId")),
        ("rootAssetId", lambda one: one["metadata"].get("rootParentId")),
        ("type", lambda one: one["metadata"]["type"]),
        ("privacy", lambda one: one["privacy"]),
    ],
)
def test_an_exact_filter_finds_all_and_only_its_own(scenario, name, read):
    everything = every(scenario)
    value = next(read(one) for one in everything if read(one))
    expected = {one["id"] for one in everything if read(one) == value}
    assert {one["id"] for one in every(scenario, **{name: value})} == expected


def test_list_filters_take_commas(scenario):
    everything = every(scenario)
    tagged = {one["id"] for one in everything if {"hero", "wip"} & set(one["tags"])}
    assert {one["id"] for one in every(scenario, tags="hero,wip")} == tagged
    kinds = {one["metadata"]["type"] for one in every(scenario, types="upscale,uploaded")}
    assert kinds == {"upscale", "uploaded"}
    collected = {one["id"] for one in everything if "col_icons" in one["collectionIds"]}
    assert {one["id"] for one in every(scenario, collectionId="col_icons")} == collected


def test_public_means_every_organisation(scenario):
    assert {one["ownerId"] for one in every(scenario)} == {"proj_sandbox"}
    assert "proj_elsewhere" in {one["ownerId"] for one in every(scenario, privacy="public")}


def test_an_empty_page_may_have_a_token_and_the_token_needs_encoding(scenario):
    scenario.fault("list:empty-page:1")
    page = call(scenario, "GET", "/assets").json()
    assert page["assets"] == []
    assert "/" in page["nextPaginationToken"]
    rest = call(scenario, "GET", "/assets", params={"paginationToken": page["nextPaginationToken"]})
    assert len(rest.json()["assets"]) == 50


def test_a_token_is_good_for_its_own_query_only(scenario):
    token = call(scenario, "GET", "/assets").json()["nextPaginationToken"]
    query = {"paginationToken": token, "authorId": "user_ada"}
    assert call(scenario, "GET", "/assets", params=query).status_code == 400


def test_metadata_is_given_for_200_assets_at_most_and_unknown_ones_are_left_out(scenario):
    ids = [one["id"] for one in every(scenario)][:200]
    reply = call(scenario, "POST", "/assets/get-bulk", json={"assetIds": [*ids[:199], "asset_no"]})
    assert len(reply.json()["assets"]) == 199
    more = call(scenario, "POST", "/assets/get-bulk", json={"assetIds": [*ids, "asset_no"]})
    assert more.status_code == 400


@pytest.mark.parametrize(
    "body",
    [
        {"query": {"assetIds": ["asset_x"] * 3}},
        {"query": {"assetIds": [], "inferenceIds": [], "modelIds": []}},
        {"query": {"assetIds": [f"a{n}" for n in range(1001)], "inferenceIds": [], "modelIds": []}},
        {"options": {"flat": True}},
        {"query": None},
    ],
)
def test_a_submission_against_the_rules_is_a_400_and_no_job(scenario, body):
    assert submit(scenario, ["asset_x"], **body).status_code == 400
    assert scenario.stats()["totals"]["accepted"] == 0


def test_a_dry_run_is_answered_with_269_and_is_no_job(scenario):
    ids = [scenario.items("scenario")[0]["id"]]
    body = {"query": {"assetIds": ids, "inferenceIds": [], "modelIds": []}, "options": OPTIONS}
    reply = call(scenario, "POST", "/assets/download", params={"dryRun": "true"}, json=body)
    assert reply.status_code == 269
    assert scenario.stats()["totals"]["accepted"] == 0


def test_the_guide_only_path_wraps_the_job(scenario):
    ids = [scenario.items("scenario", start=DAY)[0]["id"]]
    reply = call(scenario, "POST", "/assets/archive", json={"query": {"assetIds": ids}})
    job_id = reply.json()["job"]["jobId"]
    assert call(scenario, "GET", f"/jobs/{job_id}").json()["job"]["jobType"] == "assets-download"


def test_inferences_and_models_expand_to_their_assets(scenario):
    asset = next(one for one in every(scenario) if "inferenceId" in one["metadata"])
    inference = asset["metadata"]["inferenceId"]
    query = {"assetIds": [], "inferenceIds": [inference], "modelIds": []}
    job_id = submit(scenario, [], query=query).json()["jobId"]
    expected = {
        one["id"] for one in every(scenario, inferenceId=inference) if one["status"] == "success"
    }
    assert {one["item_id"] for one in scenario.archive(job_id)["entries"]} == expected


def test_what_an_archive_cannot_have_is_left_out_and_told_to_the_tester(scenario):
    ids = [one["id"] for one in scenario.items("scenario", start=DAY)][:3]
    job_id = submit(scenario, [*ids, "asset_gone"]).json()["jobId"]
    assert [one["item_id"] for one in scenario.archive(job_id)["entries"]] == ids
    assert next(job for job in scenario.jobs() if job["id"] == job_id)["missing"] == ["asset_gone"]


def test_a_job_listing_takes_the_bound_that_goes_with_its_order(scenario):
    query = {"types": "assets-download", "createdAfter": f"{DAY}T00:00:00Z"}
    assert call(scenario, "GET", "/jobs", params=query).status_code == 400
    assert (
        call(scenario, "GET", "/jobs", params={"updatedAfter": query["createdAfter"]}).status_code
        == 400
    )
    future = {"types": "assets-download", "updatedAfter": "2100-01-01T00:00:00Z"}
    assert call(scenario, "GET", "/jobs", params=future).json() == {"jobs": []}


def test_unknown_jobs_and_assets_are_404(scenario):
    for path in ("/jobs/job_x", "/assets/download/job_x", "/assets/asset_x"):
        assert call(scenario, "GET", path).json()["code"] == "NOT_FOUND"
    assert call(scenario, "POST", "/assets/asset_x/download", json={}).status_code == 404
