"""``--history``: an account of a million assets, none of which is in memory."""

from __future__ import annotations

from itertools import pairwise

import pytest
import requests
from sandbox_calls import call, every, submit

from airflow_provider_assets.sandbox import running

DAY = "2024-02-09"
COUNT = 1_000_000


@pytest.fixture(scope="module")
def scenario():
    with running(
        *("--vendor", "scenario", "--items", "0", "--history", str(COUNT), "--day", f"{DAY}=7")
    ) as sandbox:
        yield sandbox


def between(sandbox, start, end, **query):
    return every(sandbox, sortBy="createdAt", createdAfter=start, createdBefore=end, **query)


def test_a_million_assets_are_spread_evenly_over_the_years(scenario):
    query = {"sortBy": "createdAt", "sortDirection": "asc", "pageSize": "1"}
    first = call(scenario, "GET", "/assets", params=query).json()["assets"][0]
    query["sortDirection"] = "desc"
    last = call(scenario, "GET", "/assets", params=query).json()["assets"][0]
    assert (first["createdAt"], last["createdAt"]) == (
        "2023-01-02T00:00:00.000Z",
        "2025-12-31T23:58:25.392Z",
    )
    assert call(scenario, "GET", f"/assets/{last['id']}").json()["asset"]["id"] == last["id"]
    day = between(scenario, "2024-03-01T00:00:00Z", "2024-03-02T00:00:00Z")
    assert len(day) in (913, 914)  # a million in 1095 days


def test_adjacent_windows_hold_every_asset_once_and_in_order(scenario):
    hours = [f"{DAY}T{hour:02d}:00:00.000Z" for hour in range(8)]
    whole = between(scenario, hours[0], hours[-1], sortDirection="asc")
    times = [one["createdAt"] for one in whole]
    assert times == sorted(times)
    assert len({one["id"] for one in whole}) == len(whole)
    back = between(scenario, hours[0], hours[-1], sortDirection="desc")
    assert [one["id"] for one in back] == [one["id"] for one in whole][::-1]
    parts = [between(scenario, start, end) for start, end in pairwise(hours)]
    # Bounds are exclusive: an asset of the very hour is in neither of its windows.
    inner = [one["id"] for one in whole if one["createdAt"] not in hours]
    assert sorted(one["id"] for part in parts for one in part) == sorted(inner)


def test_assets_of_a_day_lie_between_those_of_the_history(scenario):
    whole = between(scenario, "2024-02-08T23:59:59.999Z", "2024-02-10T00:00:00Z")
    assert len([one for one in whole if not one["id"].startswith("asset_history")]) == 7
    assert len(whole) in (7 + 913, 7 + 914)


def test_other_filters_look_at_each_asset_of_the_window(scenario):
    whole = between(scenario, "2024-03-01T00:00:00Z", "2024-03-01T06:00:00Z")
    kinds = [one["id"] for one in whole if one["metadata"]["type"] == "uploaded"]
    found = between(scenario, "2024-03-01T00:00:00Z", "2024-03-01T06:00:00Z", type="uploaded")
    assert kinds
    assert [one["id"] for one in found] == kinds


def test_assets_of_a_history_are_archived_and_downloaded_like_others(scenario):
    one, two = between(scenario, "2024-03-01T00:00:00Z", "2024-03-02T00:00:00Z")[:2]
    assert requests.get(one["url"], timeout=5).content.startswith(b"\x89PNG")
    job = submit(scenario, [one["id"], two["id"]]).json()["jobId"]
    scenario.job(job, "finish")
    assert len(scenario.archive(job)["entries"]) == 2


def test_an_asset_beyond_the_history_does_not_exist(scenario):
    for name in (f"asset_history{COUNT:015d}", "asset_history1", "asset_history00000000000000x"):
        assert call(scenario, "GET", f"/assets/{name}").status_code == 404
