"""Every reply has each field of the recorded sample, with the same JSON type."""

from __future__ import annotations

import pytest
from roma_client import Caller, ready, token_of
from sandbox_calls import OPTIONS, call, submit
from wire_samples import IAM, ROMA, SCENARIO, lacking

from airflow_provider_assets.sandbox import running


@pytest.fixture(scope="module")
def scenario():
    with running("--vendor", "scenario", "--items", "90", "--advance", "poll") as sandbox:
        yield sandbox


@pytest.fixture(scope="module")
def roma():
    with running("--vendor", "roma", "--items", "20", "--advance", "poll") as sandbox:
        yield sandbox


def test_scenario_submits_and_polls_like_the_samples(scenario):
    ids = [one["id"] for one in scenario.items("scenario") if one["exportable"]][:3]
    accepted = submit(scenario, ids).json()
    assert not lacking(accepted, SCENARIO["submit"])
    body = {"query": {"assetIds": ids}, "options": OPTIONS}
    wrapped = call(scenario, "POST", "/assets/archive", json=body).json()
    assert not lacking(wrapped, SCENARIO["submit_archive"])
    job_id = accepted["jobId"]
    poll, job = f"/assets/download/{job_id}", f"/jobs/{job_id}"
    assert not lacking(call(scenario, "GET", poll).json(), SCENARIO["running"])
    scenario.job(job_id, "finish")
    assert not lacking(call(scenario, "GET", poll).json(), SCENARIO["success"])
    assert not lacking(call(scenario, "GET", job).json(), SCENARIO["job_success"])
    scenario.job(job_id, "fail")
    assert not lacking(call(scenario, "GET", job).json(), SCENARIO["job_failure"])


def test_scenario_lists_and_links_like_the_samples(scenario):
    assert not lacking(call(scenario, "GET", "/jobs").json(), SCENARIO["jobs"])
    scenario.fault("bulk_poll:empty-page:1")
    assert not lacking(call(scenario, "GET", "/jobs").json(), SCENARIO["empty_page"])
    query = {"collectionId": "col_icons", "tags": "batch-7", "pageSize": "1"}
    assets = call(scenario, "GET", "/assets", params=query).json()
    assert not lacking(assets, SCENARIO["assets"])
    link = call(scenario, "POST", f"/assets/{assets['assets'][0]['id']}/download", json={})
    assert not lacking(link.json(), SCENARIO["link"])


@pytest.mark.parametrize(
    ("fault", "sample"),
    [("401", "error"), ("404", "error"), ("429", "error"), ("403", "error_reason"),
     ("plan-limit", "plan_limit")],
)  # fmt: skip
def test_scenario_words_its_errors_like_the_samples(scenario, fault, sample):
    scenario.fault(f"list:{fault}:1")
    assert not lacking(call(scenario, "GET", "/assets").json(), SCENARIO[sample])


def test_roma_exports_like_the_samples(roma):
    caller = Caller(roma)
    accepted = caller.export(roma.roma["apps"][:1]).json()
    assert not lacking(accepted, ROMA["submit"])
    assert not lacking(caller.job(accepted["job_id"]), ROMA["running"])
    assert not lacking(caller.export(roma.roma["apps"][:1]).json(), ROMA["error"])
    roma.job(accepted["job_id"], "finish")
    assert not lacking(caller.job(accepted["job_id"]), ROMA["success"])
    roma.configure(roma_dialect="nested")
    job_id, archive_id = ready(roma)
    assert not lacking(caller.job(job_id), ROMA["success_nested"])
    caller.download(archive_id)
    assert not lacking(caller.job(job_id), ROMA["finished"])
    assert not lacking(caller.download(archive_id).json(), ROMA["error"])
    failed = caller.export(["no-such-app"]).json()["job_id"]
    assert not lacking(caller.job(failed), ROMA["failed"])


def test_roma_lists_and_refuses_like_the_samples(roma):
    caller = Caller(roma)
    assert not lacking(caller.call("GET", f"{caller.base}/apps").json(), ROMA["apps"])
    assert not lacking(caller.call("GET", f"{caller.fdi}/tasks").json(), ROMA["tasks"])
    for status in (400, 401, 403, 404, 429, 500):
        roma.fault(f"list:{status}:1")
        assert not lacking(caller.call("GET", f"{caller.base}/apps").json(), ROMA["error"])


def test_iam_answers_like_the_samples(roma):
    assert not lacking(token_of(roma).json(), IAM["token"])
    assert not lacking(token_of(roma, password="no").json(), IAM["error"])
    projects = Caller(roma).call("GET", "/v3/projects", name="sandbox-1")
    assert not lacking(projects.json(), IAM["projects"])


def test_a_reply_that_lacks_something_is_found_out():
    sample = {"a": [{"b": 1}], "c": "x", "d": True}
    assert lacking({"a": [{"b": 2.5}], "c": "", "d": False, "e": None}, sample) == []
    assert len(lacking({"a": [{"b": "1"}], "c": None}, sample)) == 3
    assert lacking({"a": [], "c": "", "d": False}, sample)
