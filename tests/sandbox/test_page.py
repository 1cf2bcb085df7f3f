"""The page of the sandbox, as a browser shows it and as its faults are armed by a click."""

from __future__ import annotations

import asyncio

import pytest
import requests
from browser import launched, needs_chromium, opened
from sandbox_calls import call, submit

from airflow_provider_assets.sandbox import running
from airflow_provider_assets.sandbox.faults import parse_fault
from airflow_provider_assets.sandbox.page import FILES


@pytest.fixture(scope="module")
def all_three():
    with running("--items", "20", "--advance", "poll") as sandbox:
        yield sandbox


def snapshot(sandbox):
    return sandbox.ask("GET", "snapshot")


def accepted(sandbox):
    ids = [one["id"] for one in sandbox.items("scenario") if one["exportable"]][:5]
    return submit(sandbox, ids).json()["jobId"]


def test_the_page_names_nothing_outside_of_the_sandbox(all_three):
    for name in FILES:
        reply = requests.get(f"{all_three.ready['admin_url']}/page/{name}", timeout=5)
        assert reply.status_code == 200
        assert "default-src 'none'" in reply.headers["Content-Security-Policy"]
        text = reply.text.replace("http://www.w3.org/2000/svg", "")  # a name, which nobody asks for
        assert "//" not in "".join(line.partition("// ")[0] for line in text.splitlines())
    for other in ("__init__.py", "..%2Fadmin.py"):
        reply = requests.get(f"{all_three.ready['admin_url']}/page/{other}", timeout=5)
        assert reply.status_code == 404


def test_the_snapshot_has_the_requests_from_their_arrival_and_what_became_of_them(all_three):
    all_three.reset()
    all_three.fault("scenario.list:503empty:1")
    all_three.fault("scenario.metadata:drop:1")
    call(all_three, "GET", "/assets")
    with pytest.raises(requests.ConnectionError):
        call(all_three, "GET", "/assets/asset_1")
    call(all_three, "GET", "/assets")
    newest = snapshot(all_three)["requests"][:3]
    assert [(one["status"], one["route"], one["fault"]) for one in newest] == [
        (200, "scenario.assets", ""),
        (0, "scenario.asset", "scenario.metadata:drop:1"),
        (503, "scenario.assets", "scenario.list:503empty:1"),
    ]
    (scenario, *others) = snapshot(all_three)["vendors"]
    assert (scenario["requests"], scenario["errors"]) == (3, 2)
    assert sum(scenario["rates"]) >= 3
    assert [one["requests"] for one in others] == [0, 0]


def test_the_snapshot_has_jobs_with_their_progress_and_polls(all_three):
    all_three.reset()
    job_id = accepted(all_three)
    for _ in range(2):
        call(all_three, "GET", f"/jobs/{job_id}")
    (job,) = snapshot(all_three)["jobs"]
    assert (job["vendor"], job["id"], job["status"]) == ("scenario", job_id, "in-progress")
    assert (job["progress"], job["polls"]) == (0.5, 2)


def test_time_moves_the_jobs_of_the_snapshot_although_nobody_polls(all_three):
    all_three.reset()
    all_three.configure(advance="time", job_seconds=1000.0)
    job_id = accepted(all_three)
    all_three.archive(job_id)  # is complete
    all_three.advance(600)
    (job,) = snapshot(all_three)["jobs"]
    assert (job["status"], job["progress"], job["polls"]) == ("in-progress", 0.5, 0)


def test_every_fault_of_the_menu_can_be_armed(all_three):
    vendors = snapshot(all_three)["vendors"]
    menus = {one["name"]: [entry["title"] for entry in one["menu"]] for one in vendors}
    assert "Token" in menus["roma"]
    assert "Token" not in menus["scenario"]
    assert {"Submit", "Job", "Poll", "Download"} <= set.intersection(*map(set, menus.values()))
    for vendor in vendors:
        for entry in vendor["menu"]:
            assert entry["route"].startswith(f"{vendor['name']}.")
            for choice in entry["choices"]:
                params = choice["params"] and f",{choice['params']}"
                fault = parse_fault(f"{entry['route']}:{choice['kind']}:1{params}")
                assert fault.count == 1


def test_one_fault_is_cleared_without_the_others(all_three):
    all_three.reset()
    for spec in ("scenario.*poll:500:1", "list:500,match=a b&c"):
        all_three.fault(spec)
    requests.delete(
        f"{all_three.ready['admin_url']}/faults",
        params={"spec": "list:500,match=a b&c"},
        timeout=5,
    )
    assert [one["spec"] for one in snapshot(all_three)["faults"]] == ["scenario.*poll:500:1"]


ARMED = "document.querySelector('#armed code')?.textContent"
SCREENS = [(390, 844), (1280, 900)]


@needs_chromium
def test_a_browser_shows_what_happens_and_a_click_arms_what_the_next_request_meets(
    all_three, tmp_path
):
    all_three.reset()
    job_id = accepted(all_three)
    call(all_three, "GET", f"/jobs/{job_id}")

    async def look(devtools):
        async with opened(devtools, all_three.ready["page_url"]) as page:
            await page.until("document.querySelectorAll('#requests [data-key]').length > 1")
            text = await page.run("document.body.innerText")
            for shown in (job_id, "warming-up", "1 poll ", "POST /v1/assets/download", "202"):
                assert shown in text, shown
            for width, height in SCREENS:
                for scheme in ("light", "dark"):
                    check(await page.screen(width, height, scheme), scheme)
                    wide = await page.run("document.documentElement.scrollWidth")
                    assert wide <= width

            # A job moves while somebody watches.
            call(all_three, "GET", f"/jobs/{job_id}")
            await page.until("document.querySelector('#jobs .word').textContent === 'in-progress'")

            await page.click("[data-fault='scenario.submit:429']")
            spec = await page.until(ARMED)
            assert spec == "scenario.submit:429:1,retry_after=2"
            assert submit(all_three, ["asset_1"]).status_code == 429
            await page.until("document.querySelector('#armed li').className === 'spent'")
            await page.click("#clear")
            await page.until(f"!{ARMED}")
            assert all_three.ask("GET", "faults") == []

            await page.click("#pick [data-vendor='topaz']")
            await page.click("[data-fault='topaz.*poll:502html']")
            assert await page.until(ARMED) == "topaz.*poll:502html:1"
            assert page.complaints == []

            await page.run("document.querySelector('#spec').value = 'nonsense'")
            await page.click("#own button")
            refused = await page.until("document.querySelector('#refused').textContent")
            assert "cannot read the fault 'nonsense'" in refused

    with launched(tmp_path) as devtools:
        asyncio.run(look(devtools))


def check(image, scheme):
    """A screen with many colours, whose background is that of the scheme."""
    width, height = image.size
    colors = image.getcolors(width * height)
    assert len(colors) > 100
    assert (sum(max(colors)[1]) < 200) is (scheme == "dark")
