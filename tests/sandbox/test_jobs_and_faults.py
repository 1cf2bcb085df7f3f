"""Jobs that are moved by polls, time or the tester, and faults of the API itself."""

from __future__ import annotations

from email.utils import parsedate_to_datetime
from urllib.error import HTTPError

import pytest
import requests
from sandbox_calls import call, every, submit

from airflow_provider_assets.sandbox import running
from airflow_provider_assets.sandbox.faults import parse_fault
from airflow_provider_assets.sandbox.lifecycle import Lifecycle


@pytest.fixture(scope="module")
def scenario():
    with running("--vendor", "scenario", "--items", "30", "--advance", "poll") as sandbox:
        yield sandbox


def accepted(sandbox, **body):
    ids = [one["id"] for one in sandbox.items("scenario") if one["exportable"]][:5]
    return submit(sandbox, ids, **body).json()["jobId"]


def status(sandbox, job_id):
    return call(sandbox, "GET", f"/assets/download/{job_id}").json()["jobStatus"]


def test_each_poll_moves_a_job_one_state_on(scenario):
    job_id = accepted(scenario)
    seen = [status(scenario, job_id) for _ in range(5)]
    assert seen == ["warming-up", "in-progress", "finalizing", "success", "success"]
    assert scenario.stats()["jobs"][job_id]["polls"] == 5


def test_bulk_polls_move_jobs_too_and_are_counted_apart(scenario):
    job_id = accepted(scenario)
    for _ in range(4):
        listed = call(
            scenario, "GET", "/jobs", params={"types": "assets-download", "pageSize": "100"}
        )
    state = {job["jobId"]: job["status"] for job in listed.json()["jobs"]}[job_id]
    assert state == "success"
    assert (
        scenario.stats()["jobs"][job_id] | {"polls": 0, "bulk_polls": 4}
        == scenario.stats()["jobs"][job_id]
    )


def test_the_tester_can_end_a_job_either_way(scenario):
    good, bad = accepted(scenario), accepted(scenario)
    scenario.job(good, "finish")
    scenario.job(bad, "fail", error="disk full")
    assert status(scenario, good) == "success"
    job = call(scenario, "GET", f"/jobs/{bad}").json()["job"]
    assert (job["status"], job["metadata"]["error"]) == ("failure", "disk full")


def test_a_stuck_job_never_ends_but_can_be_finished(scenario):
    scenario.fault("job:stuck:1")
    job_id = accepted(scenario)
    assert {status(scenario, job_id) for _ in range(9)} == {
        "warming-up",
        "in-progress",
        "finalizing",
    }
    scenario.job(job_id, "finish")
    assert status(scenario, job_id) == "success"


def test_jobs_can_be_made_to_fail_or_to_lack_files(scenario):
    scenario.fault("job:failed:1,error=broken")
    scenario.fault("job:partial=2:1")
    assert status(scenario, accepted(scenario)) == "failure"
    assert len(scenario.archive(accepted(scenario))["entries"]) == 3


def test_the_submission_is_echoed_unless_told_otherwise(scenario):
    for echo in (True, False):
        scenario.configure(echo_input=echo)
        options = {"fileNameTemplate": "<id>", "archiveName": f"our-tag-{echo}"}
        accepted(scenario, options=options)
        query = {"types": "assets-download", "pageSize": "100"}
        assert (f"our-tag-{echo}" in call(scenario, "GET", "/jobs", params=query).text) is echo


@pytest.mark.parametrize("change", [{"items": 3}, {"advance": "luck"}, {"url_seconds": "soon"}])
def test_only_behaviour_can_be_changed_while_it_runs(scenario, change):
    with pytest.raises(HTTPError, match="400"):
        scenario.configure(**change)


def test_an_accepted_job_can_have_its_answer_lost(scenario):
    scenario.fault("submit:accept-then-reset:1")
    with pytest.raises(requests.ConnectionError):
        accepted(scenario)
    totals = scenario.stats()["totals"]
    assert (totals["submits"], totals["accepted"]) == (1, 1)


def test_a_refused_submission_is_no_job(scenario):
    scenario.fault("submit:429:1,retry_after=3")
    reply = submit(scenario, ["asset_x"])
    assert (reply.status_code, reply.headers["Retry-After"]) == (429, "3")
    assert scenario.stats()["totals"]["accepted"] == 0
    scenario.fault("submit:plan-limit:1,remaining=9")
    assert submit(scenario, ["asset_x"]).json()["remainingSeconds"] == 9


def test_the_wait_can_be_told_as_a_date_or_in_milliseconds(scenario):
    scenario.fault("list:503:1,retry_at=9")
    scenario.fault("list:429:1,retry_after_ms=250")
    date = call(scenario, "GET", "/assets").headers["Retry-After"]
    assert parsedate_to_datetime(date).tzinfo is not None
    assert call(scenario, "GET", "/assets").headers["Retry-After-Ms"] == "250"


def test_replies_can_be_bent(scenario):
    job_id = accepted(scenario)
    scenario.job(job_id, "finish")
    scenario.fault("poll:status=resting:1")
    scenario.fault("poll:no-url:1")
    assert status(scenario, job_id) == "resting"
    assert "downloadUrl" not in call(scenario, "GET", f"/assets/download/{job_id}").json()
    assert "downloadUrl" in call(scenario, "GET", f"/assets/download/{job_id}").json()
    scenario.fault("submit:no-id:1")
    ids = [one["id"] for one in scenario.items("scenario") if one["exportable"]][:1]
    assert submit(scenario, ids).json() == {}


def test_a_fault_can_spare_the_first_and_name_the_route(scenario):
    scenario.fault("scenario.poll_*:502html:1,after=1")
    job_id = accepted(scenario)
    replies = [call(scenario, "GET", f"/jobs/{job_id}") for _ in range(3)]
    assert [reply.status_code for reply in replies] == [200, 502, 200]
    assert replies[1].text.startswith("<html>")
    assert scenario.stats()["routes"]["scenario.poll_job"]["statuses"] == {"200": 2, "502": 1}


def test_a_fault_can_hit_a_kind_of_request_of_one_vendor(scenario):
    scenario.fault("topaz.poll:500")
    scenario.fault("scenario.poll:503:2")
    job_id = accepted(scenario)
    paths = (f"/jobs/{job_id}", f"/assets/download/{job_id}", f"/jobs/{job_id}")
    replies = [call(scenario, "GET", path) for path in paths]
    assert [reply.status_code for reply in replies] == [503, 503, 200]


def test_a_deleted_item_is_in_the_trash_and_in_no_archive(scenario):
    kept, gone = scenario.add_items("scenario", "2025-06-06", 2)
    scenario.remove_item("scenario", gone)
    trash = call(scenario, "GET", "/assets", params={"deleted": "true"}).json()["assets"]
    assert [one["id"] for one in trash] == [gone]
    assert trash[0]["deletedAt"]
    listed = {one["id"] for one in every(scenario)}
    assert (kept in listed, gone in listed) == (True, False)
    job_id = submit(scenario, [kept, gone]).json()["jobId"]
    assert [one["item_id"] for one in scenario.archive(job_id)["entries"]] == [kept]


def test_late_items_come_to_exist_when_asked_for(scenario):
    before = len(scenario.items("scenario", start="2025-05-05", end="2025-05-06"))
    ids = scenario.add_items("scenario", "2025-05-05", 3)
    found = scenario.items("scenario", start="2025-05-05", end="2025-05-06")
    assert len(found) == before + 3
    assert set(ids) <= {one["id"] for one in found}


@pytest.mark.parametrize(
    "spec", ["submit", "submit:nonsense", "submit:429:x", ":429", "submit:999"]
)
def test_a_fault_that_means_nothing_is_refused(spec):
    with pytest.raises(ValueError, match="fault"):
        parse_fault(spec)


def test_a_fault_is_read_in_full():
    fault = parse_fault("download:reset@65536:1,after=2,match=/archives/,retry_after=4")
    assert (fault.route, fault.kind, fault.offset, fault.count) == ("download", "reset", 65536, 1)
    assert (fault.after, fault.match, fault.param("retry_after")) == (2, "/archives/", "4")


def test_time_moves_a_job_through_its_states_at_even_steps():
    life = Lifecycle(stages=("a", "b", "c"), begun=100.0, seconds=10.0)
    life.look(104.9, polled=True)
    assert (life.status, life.progress) == ("a", 0.0)
    life.look(105.0, polled=False)
    assert (life.status, life.updated) == ("b", 105.0)
    life.look(999.0, polled=False, ready=False)
    assert life.status == "b"
    life.look(999.0, polled=False)
    assert (life.status, life.over, life.progress) == ("c", True, 1.0)
