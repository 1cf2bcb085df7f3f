"""The Topaz Image API: every reply against its schema, and every rule of the contract."""

from __future__ import annotations

import hashlib

import jsonschema
import pytest
import requests
import topaz_schemas as schemas

from airflow_provider_assets.sandbox import running

MISSING = "00000000-0000-4000-8000-000000000000"
DAY = 86_400


@pytest.fixture(scope="module")
def topaz():
    with running("--vendor", "topaz", "--items", "150", "--advance", "poll") as sandbox:
        yield sandbox


def call(sandbox, method, path, schema=None, status=200, **how):
    how.setdefault("headers", {"X-API-Key": sandbox.topaz["connection"]["password"]})
    reply = requests.request(method, sandbox.topaz["base_url"] + path, timeout=10, **how)
    assert reply.status_code == status, reply.text
    if schema:
        jsonschema.validate(reply.json(), schema)
    return reply


def submitted(sandbox, **form):
    form = form or {"source_url": "https://example.test/kite.png"}
    reply = call(sandbox, "POST", "/enhance/async", schemas.SUBMITTED, data=form)
    assert reply.headers["X-Process-ID"] == reply.json()["process_id"]
    return reply.json()["process_id"]


def finished(sandbox, **form):
    process = submitted(sandbox, **form)
    sandbox.job(process, "finish")
    return process


def everything(sandbox, limit=40):
    found, query = [], {"paginated": "true", "limit": limit}
    while True:
        page = call(sandbox, "GET", "/status", schemas.PAGE, params=query).json()
        found += page["data"]
        if not page["pagination"]["has_next_page"]:
            assert "next_cursor" not in page["pagination"]
            return found
        query["cursor"] = page["pagination"]["next_cursor"]


@pytest.mark.parametrize("headers", [{}, {"X-API-Key": "wrong"}, {"Authorization": "Bearer x"}])
def test_only_the_right_key_is_let_in(topaz, headers):
    call(topaz, "GET", "/status", schemas.ERROR, 401, headers=headers)


def test_the_paged_listing_is_the_bare_one_in_pages(topaz):
    bare = call(topaz, "GET", "/status", schemas.STATUSES).json()
    paged = everything(topaz)
    assert {one["process_id"] for one in paged} == {one["process_id"] for one in bare}
    assert len(paged) == len(bare)


def test_only_the_last_seven_days_are_listed(topaz):
    kept = {one["id"] for one in topaz.items("topaz") if one["kept"]}
    old = [one["id"] for one in topaz.items("topaz") if not one["kept"]]
    assert {one["process_id"] for one in everything(topaz, limit=100)} == kept
    assert old
    call(topaz, "GET", f"/status/{old[0]}", schemas.ERROR, 404)
    call(topaz, "GET", f"/download/{old[0]}", schemas.ERROR, 404)
    call(topaz, "GET", f"/download/input/{old[0]}", schemas.ERROR, 404)


def test_every_state_exists_and_refunds_failures(topaz):
    listed = everything(topaz)
    assert {"Completed", "Failed", "Cancelled"} <= {one["status"] for one in listed}
    assert {one["credits"] for one in listed if one["status"] == "Failed"} == {0}


@pytest.mark.parametrize("query", [{"limit": "0"}, {"limit": "101"}, {"cursor": "no"}])
def test_a_listing_against_the_rules_is_a_400(topaz, query):
    call(topaz, "GET", "/status", schemas.ERROR, 400, params={"paginated": "true"} | query)


def test_an_empty_page_may_have_a_cursor(topaz):
    topaz.fault("bulk_poll:empty-page:1")
    page = call(topaz, "GET", "/status", schemas.PAGE, params={"paginated": "true"}).json()
    assert page["data"] == []
    assert page["pagination"]["has_next_page"]


def test_a_process_advances_with_each_poll_and_is_not_ready_before_its_end(topaz):
    process = submitted(topaz)
    seen = []
    for _ in range(3):
        call(topaz, "GET", f"/download/{process}", schemas.ERROR, 409)
        seen.append(call(topaz, "GET", f"/status/{process}", schemas.STATUS).json()["status"])
        if seen[-1] == "Completed":
            break
    assert seen == ["Processing", "Completed"]
    call(topaz, "GET", f"/download/{process}", schemas.LINKS)


def test_a_failed_process_is_a_409_that_looks_like_one_not_ready(topaz):
    topaz.fault("job:failed:1")
    failed, waiting = submitted(topaz), submitted(topaz)
    one = call(topaz, "GET", f"/download/{failed}", schemas.ERROR, 409)
    two = call(topaz, "GET", f"/download/{waiting}", schemas.ERROR, 409)
    assert one.json() == two.json()
    assert call(topaz, "GET", f"/status/{failed}").json()["status"] == "Failed"


def test_the_head_link_is_for_head_and_the_download_link_for_get(topaz):
    process = finished(topaz)
    links = call(topaz, "GET", f"/download/{process}", schemas.LINKS).json()
    length = int(requests.head(links["head_url"], timeout=10).headers["Content-Length"])
    body = requests.get(links["download_url"], timeout=10).content
    truth = topaz.archive(process)
    assert length == len(body) == truth["bytes"]
    assert hashlib.sha256(body).hexdigest() == truth["sha256"]
    assert requests.get(links["head_url"], timeout=10).status_code == 403
    assert requests.head(links["download_url"], timeout=10).status_code == 403


def test_an_uploaded_input_comes_back_byte_for_byte(topaz):
    image = b"\x89PNG\r\n\x1a\n\x00\x00\x00\rIHDR\x00\x00\x00\x10\x00\x00\x00\x20" + b"rest" * 99
    reply = call(
        topaz, "POST", "/sharpen/async", schemas.SUBMITTED, files={"image": ("my.png", image)}
    )
    process = reply.json()["process_id"]
    links = call(topaz, "GET", f"/download/input/{process}", schemas.LINKS).json()
    assert requests.get(links["download_url"], timeout=10).content == image
    status = call(topaz, "GET", f"/status/{process}", schemas.STATUS).json()
    assert (status["input_width"], status["input_height"]) == (16, 32)
    again = submitted(topaz, source_id=reply.json()["source_id"])
    assert call(topaz, "GET", f"/status/{again}").json()["filename"] == "my.png"


def test_one_dimension_alone_keeps_the_proportions(topaz):
    form = {
        "source_url": "https://example.test/a.tif",
        "output_width": "100",
        "output_format": "png",
    }
    status = call(topaz, "GET", f"/status/{submitted(topaz, **form)}", schemas.STATUS).json()
    assert (status["output_width"], status["output_height"]) == (100, 100)
    assert status["output_format"] == "png"


@pytest.mark.parametrize(
    ("form", "status"),
    [
        ({}, 400),
        ({"source_url": "https://e.test/a.png", "source_id": MISSING}, 400),
        ({"source_url": "https://e.test/a.png", "output_format": "gif"}, 400),
        ({"source_url": "https://e.test/a.docx"}, 415),
        ({"source_url": "https://e.test/a.png", "output_width": "40000"}, 422),
        ({"source_id": MISSING}, 404),
    ],
)
def test_a_submission_against_the_rules_is_refused(topaz, form, status):
    call(topaz, "POST", "/enhance/async", schemas.ERROR, status, data=form)
    assert topaz.stats()["totals"]["accepted"] == 0


def test_links_expire_after_an_hour_and_new_ones_can_be_had(start):
    sandbox = start("--vendor", "topaz", "--items", "10")
    process = finished(sandbox)
    old = call(sandbox, "GET", f"/download/{process}").json()
    sandbox.advance(3601)
    assert requests.get(old["download_url"], timeout=10).status_code == 403
    new = call(sandbox, "GET", f"/download/{process}").json()
    assert requests.get(new["download_url"], timeout=10).status_code == 200
    assert new["expiry"] - old["expiry"] >= 3601


def test_after_seven_days_a_process_is_unknown(start):
    sandbox = start("--vendor", "topaz", "--items", "10")
    process = finished(sandbox)
    sandbox.advance(7 * DAY + 1)
    for path in (f"/status/{process}", f"/download/{process}", f"/download/input/{process}"):
        call(sandbox, "GET", path, schemas.ERROR, 404)
    assert call(sandbox, "GET", "/status").json() == []


def test_only_what_runs_can_be_cancelled(topaz):
    process = submitted(topaz)
    call(topaz, "DELETE", f"/cancel/{process}", status=204)
    assert call(topaz, "GET", f"/status/{process}").json()["status"] == "Cancelled"
    call(topaz, "DELETE", f"/cancel/{process}", schemas.ERROR, 409)
    call(topaz, "DELETE", f"/cancel/{MISSING}", schemas.ERROR, 404)


def test_statuses_can_be_deleted_one_by_one_or_all_at_once(start):
    sandbox = start("--vendor", "topaz", "--items", "20", "--advance", "poll")
    running_one, done = submitted(sandbox), finished(sandbox)
    call(sandbox, "DELETE", f"/status/{running_one}", schemas.ERROR, 409)
    call(sandbox, "DELETE", f"/status/{done}", status=204)
    call(sandbox, "GET", f"/status/{done}", schemas.ERROR, 404)
    call(sandbox, "DELETE", "/status", schemas.DELETED)
    assert [one["process_id"] for one in call(sandbox, "GET", "/status").json()] == [running_one]


@pytest.mark.parametrize("status", [402, 409, 412, 425, 429, 500])
def test_every_error_can_be_had_in_the_vendors_shape(topaz, status):
    topaz.fault(f"link:{status}:1")
    reply = call(topaz, "GET", f"/download/{MISSING}", schemas.ERROR, status)
    assert reply.json()["code"] == status


def test_a_day_can_be_filled_and_the_balance_read(topaz):
    made = topaz.add_items("topaz", topaz.items("topaz")[-1]["created"][:10], 5)
    listed = {one["process_id"]: one["status"] for one in everything(topaz)}
    assert {listed[one] for one in made} == {"Completed"}
    balance = requests.get(
        topaz.topaz["base_url"].replace("/image/v1", "/account/v1/credits/balance"),
        headers={"X-API-Key": topaz.topaz["connection"]["password"]},
        timeout=10,
    )
    jsonschema.validate(balance.json(), schemas.BALANCE)
