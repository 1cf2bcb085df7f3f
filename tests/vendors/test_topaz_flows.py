from __future__ import annotations

from datetime import datetime, timedelta, timezone

import pytest
from vendor_script import NOW, Clock, Script, reply

from airflow_provider_assets.sansio.errors import (
    ArchiveExpiredError,
    AuthenticationError,
    InvalidRequestError,
    JobCancelledError,
    JobFailedError,
    ProtocolError,
    QuotaExceededError,
    RateLimitedError,
    VendorUnavailableError,
)
from airflow_provider_assets.sansio.jobs import (
    ArchiveFile,
    ArchiveJob,
    ArchiveReference,
    ArchiveRequest,
    JobState,
)
from airflow_provider_assets.sansio.plan import Item
from airflow_provider_assets.sansio.window import Window
from airflow_provider_assets.vendors.connection import Connection
from airflow_provider_assets.vendors.topaz import Topaz

DAY = 86400
A = "0b5d6c1e-2f43-4a8b-9c11-3f2f1d9e7a10"
B = "7e0f5a90-2c1d-4f3b-8a6e-1b2c3d4e5f60"
C = "9a1c7b52-77de-4c2f-8b1c-52f0a3d6c7e4"
PAGE = "GET /status?paginated=true&limit=100"
NOT_READY = reply({"code": 409, "message": "The image is not ready"}, 409)
UNKNOWN = reply({"code": 404, "message": "No image with this process ID"}, 404)
LINK = {
    "download_url": "https://store.example.test/o/0b5d6c1e?sig=g",
    "head_url": "https://store.example.test/o/0b5d6c1e?sig=h",
    "expiry": 1768035700,
}


def status(process_id=A, word="Completed", **changes):
    return {
        "process_id": process_id,
        "filename": "kite.png",
        "input_format": "png",
        "output_format": "jpeg",
        "category": "Enhance",
        "model": "Standard V2",
        "status": word,
        "progress": 40,
        "eta": 1768032160,
        "creation_time": 1768032000,
        "modification_time": 1768032055,
        "credits": 1,
        **changes,
    }


def page(*statuses, cursor=None):
    following = {"next_cursor": cursor} if cursor else {}
    return reply(
        {"data": list(statuses), "pagination": {"has_next_page": bool(cursor), **following}}
    )


@pytest.fixture
def topaz():
    return Topaz(Connection("t", "topaz", password="the-key"), clock=Clock())


@pytest.fixture
def script(topaz):
    return Script(topaz)


def job_of(script, *ids, kind="output"):
    return script.run(
        script.vendor.submit(ArchiveRequest("topaz", {"process_ids": ids}, {"kind": kind}))
    )


def reference(job):
    return ArchiveReference("t", ArchiveRequest("topaz", {}), job)


def test_a_connection_without_a_key_is_refused():
    with pytest.raises(InvalidRequestError, match=r"'t'.*API key"):
        Topaz(Connection("t", "topaz"), clock=Clock())


def test_the_key_is_a_header_of_every_request(script):
    assert script.run(script.vendor.check(), ("GET /status?paginated=true&limit=1", page()))
    assert ("X-API-Key", "the-key") in script.seen[0].headers


def test_outputs_are_meant_unless_inputs_are_asked_for(topaz):
    assert topaz.validate(options={}) == {"kind": "output"}
    assert topaz.validate(options={"kind": "input"}) == {"kind": "input"}


@pytest.mark.parametrize("kind", ["both", ["input"], 1])
def test_any_other_kind_is_refused(topaz, kind):
    with pytest.raises(InvalidRequestError, match=r"options\.kind"):
        topaz.validate(options={"kind": kind})


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
    assert found == [Item("process_ids", A), Item("process_ids", B)]


def test_completed_processes_are_selected_over_all_pages_oldest_first(script):
    found = script.run(
        script.vendor.select({}, None),
        (PAGE, page(status(A, creation_time=20), status(B, "Failed"), cursor="eyJwIjoyfQ")),
        (f"{PAGE}&cursor=eyJwIjoyfQ", page(status(C, creation_time=10))),
    )
    assert found == [Item("process_ids", C), Item("process_ids", A)]


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
        return [item.id for item in script.run(script.vendor.select(query, None), (PAGE, listed))]

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
    assert [item.id for item in chosen] == ["first"]
    by = {"by": "modification_time"}
    chosen = script.run(script.vendor.select(by, window), (PAGE, listed))
    assert [item.id for item in chosen] == ["early"]
    with pytest.raises(InvalidRequestError, match=r"select\.by: 'expiry'"):
        script.run(script.vendor.select({"by": "expiry"}, window))


def test_a_window_that_starts_before_the_listing_does_is_refused_with_a_remedy(script):
    now = datetime.fromtimestamp(NOW, timezone.utc)
    window = Window(now - timedelta(days=8), now)
    with pytest.raises(InvalidRequestError, match=r"last 7 days.*allow_truncated"):
        script.run(script.vendor.select({}, window))
    assert script.run(script.vendor.select({"allow_truncated": True}, window), (PAGE, page())) == []


@pytest.mark.parametrize(
    "body",
    [
        [],
        {"data": []},
        {"data": [1], "pagination": {"has_next_page": False}},
        {"data": [], "pagination": {"has_next_page": True}},
        {"data": [{"status": "Completed"}], "pagination": {"has_next_page": False}},
        {"data": [status(creation_time="now")], "pagination": {"has_next_page": False}},
    ],
)
def test_a_listing_of_another_shape_is_a_protocol_error(script, body):
    with pytest.raises(ProtocolError):
        script.run(script.vendor.select({}, None), (PAGE, reply(body)))


def test_a_page_that_names_itself_as_the_next_ends_in_an_error(script):
    with pytest.raises(ProtocolError, match="itself"):
        script.run(
            script.vendor.select({}, None),
            (PAGE, page(cursor="x")),
            (f"{PAGE}&cursor=x", page(cursor="x")),
        )


# --- jobs ---


def test_a_submit_sends_nothing_and_the_same_request_has_the_same_job(script):
    first, again, other = job_of(script, A, B), job_of(script, A, B), job_of(script, B)
    assert first == again
    assert first.job_id != other.job_id
    assert (first.state, first.done, first.total) == (JobState.RUNNING, 0, 2)
    assert first.submitted_at == NOW
    assert ArchiveJob.from_dict(first.to_dict()) == first


def test_one_process_is_asked_for_alone(script):
    job = job_of(script, A)
    (job,) = script.run(script.vendor.poll([job]), (f"GET /status/{A}", reply(status())))
    assert job.state is JobState.SUCCEEDED
    assert (job.vendor_status, job.progress, job.done, job.total) == ("Completed", 1.0, 1, 1)
    assert job.facts == {"kind": "output", "process_ids": [A]}


def test_a_batch_runs_until_its_last_process_has_ended(script):
    job = job_of(script, A, B, C)
    (job,) = script.run(
        script.vendor.poll([job]),
        (PAGE, page(status(A), status(B, "Processing", eta=5), status(C, "Queued", eta=9))),
    )
    assert job.state is JobState.RUNNING
    assert (job.vendor_status, job.done, job.eta) == ("Processing, Queued", 1, 9.0)
    assert job.progress == pytest.approx(1 / 3)
    (job,) = script.run(
        script.vendor.poll([job]),
        (PAGE, page(status(B), status(C, "Processing", eta=None))),
    )
    assert (job.state, job.done, job.eta) == (JobState.RUNNING, 2, None)
    (job,) = script.run(script.vendor.poll([job]), (f"GET /status/{C}", reply(status(C))))
    assert (job.state, job.done) == (JobState.SUCCEEDED, 3)


def test_many_jobs_share_the_pages_and_paging_stops_when_all_are_seen(script):
    jobs = [job_of(script, A, B), job_of(script, C)]
    polled = script.run(
        script.vendor.poll(jobs),
        (PAGE, page(status(A), status("foreign"), cursor="2")),
        (f"{PAGE}&cursor=2", page(status(C), status(B, "Pending"), cursor="3")),
    )
    assert [job.state for job in polled] == [JobState.RUNNING, JobState.SUCCEEDED]
    assert [job.job_id for job in polled] == [job.job_id for job in jobs]


def test_ended_jobs_are_not_asked_for(script):
    (ended,) = script.run(
        script.vendor.poll([job_of(script, A)]), (f"GET /status/{A}", reply(status()))
    )
    running = job_of(script, B)
    polled = script.run(
        script.vendor.poll([ended, running]), (f"GET /status/{B}", reply(status(B, "Pending")))
    )
    assert polled[0] == ended
    assert polled[1].state is JobState.RUNNING


def test_an_id_that_the_pages_lack_is_asked_for_alone(script):
    (job,) = script.run(
        script.vendor.poll([job_of(script, A, B)]),
        (PAGE, page(status(A))),
        (f"GET /status/{B}", UNKNOWN),
    )
    assert job.state is JobState.SUCCEEDED
    assert job.facts["failed"] == {B: "Unknown"}
    assert "1 of 2 not available" in job.reason
    assert "7 days" in job.reason


def test_paging_ends_where_single_questions_are_cheaper(script):
    (job,) = script.run(
        script.vendor.poll([job_of(script, A, B)]),
        (PAGE, page(cursor="2")),
        (f"{PAGE}&cursor=2", page(cursor="3")),
        (f"GET /status/{A}", reply(status(A))),
        (f"GET /status/{B}", reply(status(B))),
    )
    assert job.state is JobState.SUCCEEDED


@pytest.mark.parametrize(
    ("words", "state", "failed"),
    [
        (("Completed", "Failed"), JobState.SUCCEEDED, {B: "Failed"}),
        (("Failed", "Cancelled"), JobState.FAILED, {A: "Failed", B: "Cancelled"}),
        (("Cancelled", "canceled"), JobState.CANCELLED, {A: "Cancelled", B: "canceled"}),
    ],
)
def test_one_image_is_enough_to_succeed_and_the_rest_is_named(script, words, state, failed):
    listed = page(status(A, words[0]), status(B, words[1]))
    (job,) = script.run(script.vendor.poll([job_of(script, A, B)]), (PAGE, listed))
    assert (job.state, job.facts["failed"]) == (state, failed)
    assert B in job.reason


def test_what_failed_early_is_remembered_and_a_long_list_is_cut(script):
    ids = [f"{n}" for n in range(8)]
    (job,) = script.run(
        script.vendor.poll([job_of(script, *ids, A)]),
        (PAGE, page(*(status(i, "Failed") for i in ids), status(A, "Pending"))),
    )
    assert job.facts["open"] == [A]
    (job,) = script.run(script.vendor.poll([job]), (f"GET /status/{A}", reply(status(A))))
    assert list(job.facts["failed"]) == ids
    assert "open" not in job.facts
    assert "and 3 more" in job.reason


@pytest.mark.parametrize(
    ("kind", "old"),
    [("output", "modification_time"), ("input", "creation_time")],
)
def test_an_image_past_its_7_days_is_expired(script, kind, old):
    stale = status(**{old: NOW - 7 * DAY - 1})
    (job,) = script.run(
        script.vendor.poll([job_of(script, A, kind=kind)]), (f"GET /status/{A}", reply(stale))
    )
    assert job.state is JobState.EXPIRED
    assert job.facts["failed"] == {A: "Expired"}


def test_an_input_is_there_whatever_became_of_its_process(script):
    job = job_of(script, A, B, kind="input")
    (job,) = script.run(
        script.vendor.poll([job]), (PAGE, page(status(A, "Failed"), status(B, "Processing")))
    )
    assert job.state is JobState.SUCCEEDED


def test_a_process_submitted_elsewhere_is_its_own_job(script):
    job = ArchiveJob("topaz", A)
    (job,) = script.run(script.vendor.poll([job]), (f"GET /status/{A}", reply(status())))
    assert job.state is JobState.SUCCEEDED
    files = script.run(script.vendor.files(reference(job)), (f"GET /status/{A}", reply(status())))
    assert [file.key for file in files] == [A]


def test_cancelling_asks_for_every_open_process_and_tolerates_refusals(script):
    refusal = reply({"code": 409, "message": "Job is not cancellable"}, 409)
    assert script.run(
        script.vendor.cancel(job_of(script, A, B, C)),
        (f"DELETE /cancel/{A}", refusal),
        (f"DELETE /cancel/{B}", reply(status=204)),
        (f"DELETE /cancel/{C}", UNKNOWN),
    )
    assert not script.run(script.vendor.cancel(job_of(script, A)), (f"DELETE /cancel/{A}", refusal))


def test_collecting_inputs_cancels_no_process(script):
    assert not script.run(script.vendor.cancel(job_of(script, A, kind="input")))


# --- bytes ---


@pytest.mark.parametrize(
    ("kind", "facts", "name"),
    [
        ("output", status(), f"kite-{A}.jpeg"),
        ("input", status(), f"kite-{A}.png"),
        ("output", status(filename="../a\\b/été 1.v2.png"), f"été 1.v2-{A}.jpeg"),
        ("output", status(filename="..."), f"{A}.jpeg"),
        ("output", status(filename="a:b?", output_format="../x"), f"a_b_-{A}"),
        ("output", status(filename="é" * 300 + ".png"), f"{'é' * 75}-{A}.jpeg"),
    ],
)
def test_files_are_named_by_stem_process_and_format(script, kind, facts, name):
    job = job_of(script, A, kind=kind)
    files = script.run(script.vendor.files(reference(job)), (f"GET /status/{A}", reply(facts)))
    assert files == [ArchiveFile(A, name)]


def test_failed_processes_have_no_file_and_a_lost_status_leaves_the_bare_id(script):
    (job,) = script.run(
        script.vendor.poll([job_of(script, A, B, C)]),
        (PAGE, page(status(A), status(B, "Failed"), status(C))),
    )
    files = script.run(
        script.vendor.files(reference(job)),
        (PAGE, page(status(A))),
        (f"GET /status/{C}", UNKNOWN),
    )
    assert files == [ArchiveFile(A, f"kite-{A}.jpeg"), ArchiveFile(C, C)]


def test_no_other_format_can_be_had(script):
    with pytest.raises(InvalidRequestError, match="target_format"):
        script.run(script.vendor.files(reference(job_of(script, A)), target_format="webp"))


@pytest.mark.parametrize(
    ("kind", "path"),
    [("output", f"/download/{A}"), ("input", f"/download/input/{A}")],
)
def test_a_link_carries_both_urls_and_its_end_and_no_credentials(script, kind, path):
    job = job_of(script, A, kind=kind)
    link = script.run(
        script.vendor.link(reference(job), ArchiveFile(A)), (f"GET {path}", reply(LINK))
    )
    assert (link.url, link.head_url) == (LINK["download_url"], LINK["head_url"])
    assert (link.expires_at, link.headers, link.single_use) == (1768035700.0, (), False)
    assert "sig=" not in repr(link)


def test_a_link_without_head_url_and_expiry_is_still_a_link(script):
    bare = reply({"download_url": "https://store.example.test/o"})
    link = script.run(
        script.vendor.link(reference(job_of(script, A)), ArchiveFile(A)),
        (f"GET /download/{A}", bare),
    )
    assert (link.head_url, link.expires_at) == (None, None)


def refused(script, *exchanges):
    flow = script.vendor.link(reference(job_of(script, A)), ArchiveFile(A))
    return script.run(flow, *exchanges)


@pytest.mark.parametrize(
    ("now", "error"),
    [
        (status(word="Failed"), JobFailedError),
        (status(word="Cancelled"), JobCancelledError),
        (status(word="Processing"), VendorUnavailableError),
    ],
)
def test_a_409_is_decided_by_the_status(script, now, error):
    with pytest.raises(error, match=A):
        refused(script, (f"GET /download/{A}", NOT_READY), (f"GET /status/{A}", reply(now)))


@pytest.mark.parametrize(("eta", "wait"), [(NOW + 60, 60.0), (NOW - 1, None), (None, None)])
def test_not_ready_says_when_the_vendor_expects_to_be(script, eta, wait):
    running = reply(status(word="Pending", eta=eta))
    with pytest.raises(VendorUnavailableError) as raised:
        refused(script, (f"GET /download/{A}", NOT_READY), (f"GET /status/{A}", running))
    assert raised.value.retry_after == wait


def test_completed_but_not_ready_is_tried_again_briefly(script):
    conflict = [(f"GET /download/{A}", NOT_READY), (f"GET /status/{A}", reply(status()))]
    link = refused(script, *conflict, *conflict, (f"GET /download/{A}", reply(LINK)))
    assert link.url == LINK["download_url"]
    assert script.slept == [1.0, 2.0]
    with pytest.raises(VendorUnavailableError, match="completed"):
        refused(script, *conflict * 4)


@pytest.mark.parametrize("now", [UNKNOWN, reply(status(modification_time=NOW - 8 * DAY))])
def test_a_404_is_an_archive_past_its_7_days(script, now):
    with pytest.raises(ArchiveExpiredError, match="7 days"):
        refused(script, (f"GET /download/{A}", UNKNOWN), (f"GET /status/{A}", now))
