from __future__ import annotations

from datetime import datetime, timedelta, timezone

import pytest
from topaz_samples import PAGE, A, B, C, job_of, page, status
from vendor_script import NOW, Clock, Script, reply

from airflow_provider_assets.sansio.errors import (
    AuthenticationError,
    InvalidRequestError,
    ProtocolError,
    QuotaExceededError,
    RateLimitedError,
    VendorUnavailableError,
)
from airflow_provider_assets.sansio.jobs import Item, JobState
from airflow_provider_assets.sansio.window import Window
from airflow_provider_assets.vendors.connection import VendorConnection
from airflow_provider_assets.vendors.topaz import Topaz


@pytest.fixture
def script():
    return Script(Topaz(VendorConnection("t", "topaz", password="the-key"), clock=Clock()))


def test_a_connection_without_a_key_is_refused():
    with pytest.raises(InvalidRequestError, match=r"'t'.*API key"):
        Topaz(VendorConnection("t", "topaz"), clock=Clock())


def test_the_key_is_a_header_of_every_request(script):
    assert script.run(script.vendor.check(), ("GET /status?paginated=true&limit=1", page()))
    assert script.seen[0].headers == (("X-API-Key", "the-key"), ("Accept", "application/json"))


def test_outputs_are_meant_unless_inputs_are_asked_for(script):
    assert script.vendor.validate(options={}) == {"kind": "output"}
    assert script.vendor.validate(options={"kind": "input"}) == {"kind": "input"}


@pytest.mark.parametrize("kind", ["both", ["input"], 1])
def test_any_other_kind_is_refused(script, kind):
    with pytest.raises(InvalidRequestError, match=r"options\.kind"):
        script.vendor.validate(options={"kind": kind})


@pytest.mark.parametrize(
    ("status", "error"),
    [
        (401, AuthenticationError),
        (402, QuotaExceededError),
        (412, AuthenticationError),
        (425, RateLimitedError),
        (429, RateLimitedError),
        (500, VendorUnavailableError),
    ],
)
def test_an_error_reply_becomes_the_class_that_says_what_to_do(script, status, error):
    refusal = reply({"message": "the vendor's words"}, status)
    with pytest.raises(error, match="the vendor's words"):
        script.run(script.vendor.check(), ("GET /status?paginated=true&limit=1", refusal))


# --- what to export ---


def test_explicit_processes_are_taken_once_each(script):
    found = script.run(script.vendor.expand({"process_ids": [A, B, A]}))
    assert found.items == [Item("process_ids", A), Item("process_ids", B)]


@pytest.mark.parametrize("wrong", ["1", A[:-1], f"{A}0", f"{{{A}}}", A.replace("-", ""), f"../{A}"])
def test_a_process_id_that_is_no_uuid_is_refused_before_any_request(script, wrong):
    with pytest.raises(InvalidRequestError, match=rf"items\.process_ids\[1\]: {wrong!r}.*UUID"):
        script.run(script.vendor.expand({"process_ids": [A.upper(), wrong]}))


def test_completed_processes_are_selected_over_all_pages_oldest_first(script):
    found = script.run(
        script.vendor.select({}, None),
        (PAGE, page(status(A, modification_time=20), status(B, "Failed"), cursor="eyJwIjoyfQ")),
        (f"{PAGE}&cursor=eyJwIjoyfQ", page(status(C, modification_time=10))),
    )
    assert found.items == [Item("process_ids", C), Item("process_ids", A)]
    assert found.pending == []


def test_the_later_record_of_a_process_that_is_listed_twice_counts(script):
    records = {}
    script.run(
        script.vendor.select({}, None, on_record=records.__setitem__),
        (PAGE, page(status(A, credits=1), status(B, "Processing"), cursor="next")),
        (f"{PAGE}&cursor=next", page(status(A, credits=2), status(C, "Failed"))),
    )
    assert records == {Item("process_ids", A): status(A, credits=2)}


def test_what_still_runs_in_the_window_is_pending_unless_it_is_asked_for(script):
    window = Window(*(datetime.fromtimestamp(NOW + s, timezone.utc) for s in (-100, -50)))
    inside = {"modification_time": NOW - 60}
    listed = page(
        status(B, "Processing", **inside),
        status(A, "Pending", **inside),
        status(C, "Failed", **inside),
        status("later", "Processing", modification_time=NOW),
        status("other", "Processing", model="CGI", **inside),
    )
    query = {"model": "Standard V2"}
    found = script.run(script.vendor.select(query, window), (PAGE, listed))
    assert (found.items, found.pending) == ([], [A, B])
    asked = script.run(
        script.vendor.select({**query, "status": "Processing"}, window), (PAGE, listed)
    )
    assert (asked.items, asked.pending) == ([Item("process_ids", B)], [A])


def test_every_filter_narrows_the_selection(script):
    listed = page(
        status("1"),
        status("2", model="CGI"),
        status("3", category="Sharpen"),
        status("4", output_format="png"),
        status("5", filename="fog.tif"),
        status("6", "Failed"),
        status("7", "Cancelled"),
    )

    def select(**query):
        found = script.run(script.vendor.select(query, None), (PAGE, listed))
        return [item.id for item in found.items]

    assert select(model="cgi") == ["2"]
    assert select(category=["Sharpen", "Matting"]) == ["3"]
    assert select(output_format=["png"], status="completed") == ["4"]
    assert select(filename="f*.tif") == ["5"]
    assert select(status=["Failed", "Cancelled"]) == ["6", "7"]


def test_a_window_is_half_open_and_applies_to_the_chosen_time(script):
    window = Window(*(datetime.fromtimestamp(NOW + s, timezone.utc) for s in (-100, -50)))
    listed = page(
        status("early", creation_time=NOW - 101, modification_time=NOW - 60),
        status("first", creation_time=NOW - 100, modification_time=NOW - 50),
        status("late", creation_time=NOW - 50, modification_time=NOW - 40),
    )
    chosen = script.run(script.vendor.select({}, window), (PAGE, listed))
    assert [item.id for item in chosen.items] == ["early"]
    by = {"by": "creation_time"}
    chosen = script.run(script.vendor.select(by, window), (PAGE, listed))
    assert [item.id for item in chosen.items] == ["first"]
    with pytest.raises(InvalidRequestError, match=r"select\.by must be .*, not 'expiry'"):
        script.run(script.vendor.select({"by": "expiry"}, window))


def test_a_window_that_starts_before_the_listing_does_is_refused_with_a_remedy(script):
    now = datetime.fromtimestamp(NOW, timezone.utc)
    window = Window(now - timedelta(days=8), now)
    with pytest.raises(InvalidRequestError, match=r"last 7 days.*allow_truncated"):
        script.run(script.vendor.select({}, window))
    allowed = script.vendor.select({"allow_truncated": True}, window)
    assert script.run(allowed, (PAGE, page())).items == []
    longest = script.vendor.select({}, Window(now - timedelta(days=7), now))
    assert script.run(longest, (PAGE, page())).items == []


def test_a_listing_in_parts_is_one_part_of_the_same_window_and_records(script):
    window = Window(*(datetime.fromtimestamp(NOW + s, timezone.utc) for s in (-100, 0)))
    listed, records = page(status(A), status(B, modification_time=NOW)), {}
    whole, rest = script.run(
        script.vendor.select_part({}, window, pages=1, on_record=records.__setitem__),
        (PAGE, listed),
    )
    assert (whole.items, rest) == ([Item("process_ids", A)], None)
    assert list(records) == whole.items


def test_no_items_are_no_processes(script):
    assert script.run(script.vendor.expand({})).items == []


@pytest.mark.parametrize(
    "body",
    [
        [],
        {"data": []},
        {"data": [1], "pagination": {"has_next_page": False}},
        {"data": [], "pagination": {"has_next_page": True}},
        {"data": [{"status": "Completed"}], "pagination": {"has_next_page": False}},
        {"data": [status(modification_time="now")], "pagination": {"has_next_page": False}},
    ],
)
def test_a_listing_of_another_shape_is_a_protocol_error(script, body):
    with pytest.raises(ProtocolError):
        script.run(script.vendor.select({}, None), (PAGE, reply(body)))


@pytest.mark.parametrize("circle", ["x", "xy", "xyz"])
def test_pages_that_go_round_in_circles_end_in_an_error(script, circle):
    asked = [PAGE, *(f"{PAGE}&cursor={cursor}" for cursor in circle)]
    answers = [page(cursor=cursor) for cursor in [*circle, circle[0]]]
    pages = list(zip(asked, answers, strict=True))
    with pytest.raises(ProtocolError, match="twice"):
        script.run(script.vendor.select({}, None), *pages)
    assert not script.expected


def test_processes_are_asked_for_one_by_one_where_the_list_goes_round_in_circles(script):
    pages = [(PAGE, page(cursor="x")), (f"{PAGE}&cursor=x", page(cursor="x"))]
    ids = [str(number) for number in range(9)]
    singly = [(f"GET /status/{i}", reply(status(process_id=i))) for i in ids]
    (job,) = script.run(script.vendor.poll([job_of(script, *ids)]), *pages, *singly)
    assert job.state is JobState.SUCCEEDED
    assert not script.expected


def test_topaz_has_no_remarks_on_its_options(script):
    assert script.vendor.remarks(script.vendor.validate(options={})) == []


def test_an_output_does_not_change_and_its_record_says_no_size(script):
    record = status(A, modification_time=7, creation_time=5)
    assert script.vendor.facts({}, record) == (None, None, 7.0)
    assert script.vendor.facts({"by": "creation_time"}, record) == (None, None, 5.0)
