from __future__ import annotations

import pytest
from topaz_samples import (
    DAY,
    LINK,
    NOT_READY,
    PAGE,
    UNKNOWN,
    A,
    B,
    C,
    job_of,
    page,
    reference,
    status,
)
from vendor_script import NOW, Clock, Script, reply

from airflow_provider_assets.sansio.downloads import ArchiveFile
from airflow_provider_assets.sansio.errors import (
    ArchiveExpiredError,
    InvalidRequestError,
    JobCancelledError,
    JobFailedError,
    VendorUnavailableError,
)
from airflow_provider_assets.sansio.messages import HttpResponse
from airflow_provider_assets.vendors.base import FRESH_SECONDS
from airflow_provider_assets.vendors.connection import VendorConnection
from airflow_provider_assets.vendors.topaz import Topaz


@pytest.fixture
def script():
    return Script(Topaz(VendorConnection("t", "topaz", password="the-key"), clock=Clock()))


@pytest.mark.parametrize(
    ("kind", "shown", "name"),
    [
        ("output", status(), f"kite-{A}.jpeg"),
        ("input", status(), f"kite-{A}.png"),
        ("output", status(filename="../a\\b/été 1.v2.png"), f"été 1.v2-{A}.jpeg"),
        ("output", status(filename="..."), f"{A}.jpeg"),
        ("output", status(filename="a:b?", output_format="../x"), f"a_b_-{A}"),
        ("output", status(filename="é" * 300 + ".png"), f"{'é' * 75}-{A}.jpeg"),
        ("output", status(filename="a" + "é" * 300 + ".png"), f"a{'é' * 74}-{A}.jpeg"),
        ("output", status(filename="XX.png"), f"XX-{A}.jpeg"),
        ("output", status(filename=None, output_format=None), A),
    ],
)
def test_files_are_named_by_stem_process_and_format(script, kind, shown, name):
    job = job_of(script, A, kind=kind)
    files = script.run(script.vendor.files(reference(job)), (f"GET /status/{A}", reply(shown)))
    assert files == [ArchiveFile(A, name)]


def test_failed_processes_have_no_file_and_a_lost_status_leaves_the_bare_id(script):
    (job,) = script.run(
        script.vendor.poll([job_of(script, A, B, C)]),
        (PAGE, page(status(A), status(B, "Failed"), status(C))),
    )
    script.vendor.clock.now += FRESH_SECONDS
    files = script.run(
        script.vendor.files(reference(job)), (PAGE, page(status(A))), (f"GET /status/{C}", UNKNOWN)
    )
    assert files == [ArchiveFile(A, f"kite-{A}.jpeg"), ArchiveFile(C, C)]


def test_a_list_that_another_process_spoils_does_not_keep_files_from_landing(script):
    job = job_of(script, A, B)
    files = script.run(
        script.vendor.files(reference(job)),
        (PAGE, page({"status": "Completed"})),  # whose id is missing
        (f"GET /status/{A}", reply(status(A))),
        (f"GET /status/{B}", reply(status(B))),
    )
    assert [file.name for file in files] == [f"kite-{A}.jpeg", f"kite-{B}.jpeg"]


def test_no_other_format_can_be_had(script):
    with pytest.raises(InvalidRequestError, match="target_format"):
        script.run(script.vendor.files(reference(job_of(script, A)), target_format="webp"))


@pytest.mark.parametrize(
    ("kind", "path"), [("output", f"/download/{A}"), ("input", f"/download/input/{A}")]
)
def test_a_link_carries_both_urls_and_its_end_and_no_credentials(script, kind, path):
    job = job_of(script, A, kind=kind)
    link = script.run(
        script.vendor.link(reference(job), ArchiveFile(A)), (f"GET {path}", reply(LINK))
    )
    assert (link.url, link.head_url) == (LINK["download_url"], LINK["head_url"])
    assert (link.expires_at, link.headers) == (1768035700.0, ())
    assert "sig=" not in repr(link)


def test_a_link_without_head_url_and_expiry_is_still_a_link(script):
    bare = reply({"download_url": "https://store.example.test/o"})
    link = script.run(
        script.vendor.link(reference(job_of(script, A)), ArchiveFile(A)),
        (f"GET /download/{A}", bare),
    )
    assert (link.head_url, link.expires_at) == (None, None)


def refused(script, *exchanges, age=0, kind="output"):
    collected = job_of(script, A, kind=kind)
    script.vendor.clock.now += age
    return script.run(script.vendor.link(reference(collected), ArchiveFile(A)), *exchanges)


@pytest.mark.parametrize(
    ("now", "error"),
    [
        (status(word="Failed"), JobFailedError),
        (status(word="Cancelled"), JobCancelledError),
        (status(word="Processing"), VendorUnavailableError),
    ],
)
def test_a_409_is_decided_by_the_status(script, now, error):
    with pytest.raises(error, match=f"{A} .* {now['status']}[:;]") as raised:
        refused(script, (f"GET /download/{A}", NOT_READY), (f"GET /status/{A}", reply(now)))
    assert raised.value.vendor == "topaz"


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
    with pytest.raises(VendorUnavailableError, match="completed") as raised:
        refused(script, *conflict * 4)
    assert raised.value.vendor == "topaz"


OLD = {"modification_time": NOW - 8 * DAY, "creation_time": NOW - 8 * DAY}
HTML = HttpResponse(404, {}, b"<html>Not Found</html>")


@pytest.mark.parametrize("now", [UNKNOWN, reply(status(**OLD))])
def test_a_404_is_an_archive_past_its_7_days(script, now):
    with pytest.raises(ArchiveExpiredError, match="7 days") as raised:
        refused(
            script, (f"GET /download/{A}", UNKNOWN), (f"GET /status/{A}", now), age=FRESH_SECONDS
        )
    assert raised.value.vendor == "topaz"


@pytest.mark.parametrize(
    ("kind", "path", "answer", "now"),
    [
        ("output", "", UNKNOWN, reply(status(**{**OLD, "modification_time": NOW - 59}))),
        ("input", "input/", UNKNOWN, reply(status(**{**OLD, "creation_time": NOW - 59}))),
        ("output", "", UNKNOWN, UNKNOWN),  # of a process that is waited for since a moment ago
        ("output", "", HTML, reply(status(**OLD))),
        ("output", "", UNKNOWN, HTML),
    ],
)
def test_a_404_that_does_not_prove_that_an_image_is_gone_is_transient(
    script, kind, path, answer, now
):
    exchanges = [(f"GET /download/{path}{A}", answer), (f"GET /status/{A}", now)]
    with pytest.raises(VendorUnavailableError, match="404") as raised:
        refused(script, *exchanges, kind=kind)
    assert raised.value.vendor == "topaz"
