"""Items that the vendors finish or list some time after their creation."""

from __future__ import annotations

from urllib.error import HTTPError

import pytest
import requests
from roma_client import Caller
from sandbox_calls import call

from airflow_provider_assets.sandbox import running

CREATED = "2026-01-09T23:59:00.000Z"
WHILE_PENDING = "2026-01-10T00:01:00Z"
AFTERWARDS = "2026-01-10T00:03:00Z"


@pytest.fixture
def sandbox():
    with running("--items", "0", "--empty-pages", "0") as started:
        started.set_clock(CREATED)
        yield started


def assets(sandbox):
    return call(sandbox, "GET", "/assets").json()["assets"]


@pytest.mark.parametrize("touched", [True, False])
def test_an_asset_is_pending_until_it_is_finished(sandbox, touched):
    item = sandbox.add_late_item("scenario", CREATED, finish_after=150, touched=touched)
    sandbox.set_clock(WHILE_PENDING)
    (pending,) = assets(sandbox)
    assert (pending["id"], pending["status"]) == (item, "pending")
    assert pending["createdAt"] == pending["updatedAt"] == CREATED
    sandbox.set_clock(AFTERWARDS)
    (finished,) = assets(sandbox)
    assert (finished["status"], finished["createdAt"]) == ("success", CREATED)
    assert finished["updatedAt"] == ("2026-01-10T00:01:30.000Z" if touched else CREATED)


def test_an_asset_is_in_no_answer_before_it_is_listed_and_may_be_finished_by_then(sandbox):
    item = sandbox.add_late_item("scenario", CREATED, finish_after=60, list_after=120)
    assert assets(sandbox) == sandbox.items("scenario") == []
    assert call(sandbox, "GET", f"/assets/{item}").status_code == 404
    sandbox.set_clock(AFTERWARDS)
    (listed,) = assets(sandbox)
    assert (listed["status"], listed["createdAt"]) == ("success", CREATED)
    assert listed["updatedAt"] == "2026-01-10T00:00:00.000Z"


def test_an_item_of_the_future_comes_to_exist_when_its_time_has_come(sandbox):
    item = sandbox.add_late_item("scenario", WHILE_PENDING)
    assert assets(sandbox) == []
    sandbox.set_clock(AFTERWARDS)
    assert [one["id"] for one in assets(sandbox)] == [item]


def topaz(sandbox, path):
    part = sandbox.topaz
    key = {"X-API-Key": part["connection"]["password"]}
    return requests.get(part["base_url"] + path, headers=key, timeout=10)


def test_a_process_runs_past_midnight_and_is_shown_late(sandbox):
    item = sandbox.add_late_item("topaz", CREATED, finish_after=120, list_after=60)
    assert topaz(sandbox, "/status").json() == []
    assert topaz(sandbox, f"/status/{item}").status_code == 404
    sandbox.set_clock("2026-01-10T00:00:30Z")
    (running_one,) = topaz(sandbox, "/status").json()
    assert (running_one["process_id"], running_one["status"]) == (item, "Processing")
    sandbox.set_clock(AFTERWARDS)
    (ended,) = topaz(sandbox, "/status").json()
    assert ended["status"] == "Completed"
    assert ended["modification_time"] - ended["creation_time"] == 120


def test_an_application_is_listed_late_but_never_unfinished(sandbox):
    item = sandbox.add_late_item("roma", CREATED, list_after=120)
    caller = Caller(sandbox)
    assert caller.call("GET", f"{caller.base}/apps").json()["apps"] == []
    sandbox.set_clock(AFTERWARDS)
    (listed,) = caller.call("GET", f"{caller.base}/apps").json()["apps"]
    assert (listed["id"], listed["update_time"]) == (item, "2026-01-09T23:59:00Z")
    with pytest.raises(HTTPError, match="400"):
        sandbox.add_late_item("roma", CREATED, finish_after=1)
