"""Replies and references that once raised what is no error of ours, or were taken for good."""

from __future__ import annotations

from dataclasses import replace

import pytest
from roma_samples import STATUS, roma
from roma_samples import job as roma_job
from scenario_samples import BATCH, assets, request, scenario
from scenario_samples import reference as scenario_reference
from topaz_samples import LINK, A, page, status
from topaz_samples import PAGE as TOPAZ_PAGE
from vendor_script import NOW, Clock, Script, reply

from airflow_provider_assets.sansio.downloads import ArchiveFile
from airflow_provider_assets.sansio.errors import (
    AssetsError,
    AuthenticationError,
    InvalidRequestError,
    ProtocolError,
)
from airflow_provider_assets.sansio.jobs import ArchiveJob, ArchiveReference, ArchiveRequest
from airflow_provider_assets.sansio.messages import HttpResponse
from airflow_provider_assets.sansio.moments import parse_moment
from airflow_provider_assets.sansio.window import Window
from airflow_provider_assets.vendors.connection import VendorConnection, check_texts
from airflow_provider_assets.vendors.parsing import is_address
from airflow_provider_assets.vendors.topaz import Topaz
from airflow_provider_assets.vendors.topaz_parsing import utc

DAY = Window(parse_moment("2026-01-09T00:00:00Z", ""), parse_moment("2026-01-10T00:00:00Z", ""))


def topaz(password="k"):
    return Script(Topaz(VendorConnection("t", "topaz", password=password), clock=Clock()))


@pytest.mark.parametrize(
    "url",
    [
        *("http://[", "ftp://h.test/a", "https://", "https://h.test:0/", "https://h.test:x/", "", 5, None),
        *("https://h.test/a b", "https://h.test/\u0661", "https://h.test/\n"),
    ],
)  # fmt: skip
def test_a_link_is_an_address_that_can_go_over_the_wire(url) -> None:
    assert not is_address(url)
    script = topaz()
    answer = reply({**LINK, "download_url": url})
    reference = ArchiveReference("t", ArchiveRequest("topaz", {}), ArchiveJob("topaz", A))
    with pytest.raises(ProtocolError, match="download_url"):
        script.run(script.vendor.link(reference, ArchiveFile(A)), (f"GET /download/{A}", answer))


def test_a_link_of_scenario_is_one_too() -> None:
    script = scenario()
    answer = reply({"jobStatus": "success", "downloadUrl": "javascript:alert(1)"})
    with pytest.raises(ProtocolError, match="downloadUrl"):
        script.run(script.vendor.link(scenario_reference(), ArchiveFile("x")), (BATCH, answer))


def test_the_length_of_an_image_is_not_asked_of_what_is_no_address() -> None:
    script = topaz()
    answer = reply({**LINK, "head_url": "http://["})
    reference = ArchiveReference("t", ArchiveRequest("topaz", {}), ArchiveJob("topaz", A))
    link = script.run(script.vendor.link(reference, ArchiveFile(A)), (f"GET /download/{A}", answer))
    assert link.head_url is None


@pytest.mark.parametrize("seconds", [1e18, -1e18, 10**200])
def test_a_time_that_no_year_has_is_an_error_of_the_vendor(seconds) -> None:
    with pytest.raises(ProtocolError, match="is not a time in seconds"):
        utc(seconds)


@pytest.mark.parametrize("field", ["creation_time", "modification_time", "eta"])
def test_a_number_that_no_float_holds_is_no_reply(field) -> None:
    script = topaz()
    with pytest.raises(AssetsError):
        script.run(script.vendor.select({}, None), (TOPAZ_PAGE, page(status(**{field: 10**400}))))


def test_progress_that_no_float_holds_leaves_the_job_unknown() -> None:
    script = Script(roma())
    huge = HttpResponse(200, {}, b'{"status": "RUNNING", "progress_percent": %d}' % 10**400)
    (answer,) = script.run(script.vendor.poll([roma_job()]), (STATUS, huge))
    assert isinstance(answer, AssetsError)


def test_a_content_type_of_any_bytes_can_be_logged() -> None:
    page_of_html = HttpResponse(200, {"content-type": "text/\udcff" + "x" * 9000}, b"<html>")
    with pytest.raises(AssetsError, match=r"got text/[?]x+ of 6 bytes") as caught:
        page_of_html.json_object()
    assert len(str(caught.value)) < 300


@pytest.mark.parametrize(
    "details",
    [
        {"process_ids": 5},
        {"process_ids": [5]},
        {"process_ids": [A], "open": "all"},
    ],
)
def test_details_of_a_job_that_were_changed_on_the_way_are_refused(details) -> None:
    script = topaz()
    with pytest.raises(InvalidRequestError, match=r"process_ids|open processes"):
        script.run(script.vendor.poll([ArchiveJob("topaz", "t", details=details)]))


def test_a_kind_of_image_that_there_is_not_is_refused() -> None:
    script = topaz()
    job = ArchiveJob("topaz", "t", details={"process_ids": [A], "kind": ["output"]})
    with pytest.raises(InvalidRequestError, match=r"options\.kind"):
        script.run(script.vendor.cancel(job))


@pytest.mark.parametrize("items", [{}, {"asset_ids": ()}, {"model_ids": ("m",)}])
def test_a_request_without_assets_is_not_submitted(items) -> None:
    script = scenario()
    with pytest.raises(InvalidRequestError, match=r"items\.asset_ids"):
        script.run(script.vendor.submit(replace(request(), items=items)))


def test_options_that_were_changed_on_the_way_are_refused_or_completed() -> None:
    script = scenario()
    with pytest.raises(InvalidRequestError, match=r"options\.flat"):
        script.run(script.vendor.submit(request(flat="yes")))
    accepted = ("POST /assets/download", reply({"jobId": "j"}))
    job = script.run(script.vendor.submit(replace(request(), options={})), accepted)
    assert (job.job_id, job.submitted_at) == ("j", NOW)


@pytest.mark.parametrize("field", ["login", "password", "host"])
def test_a_text_without_bytes_is_no_part_of_a_connection(field) -> None:
    with pytest.raises(InvalidRequestError, match=f"connection 'c': {field} contains a character"):
        check_texts(VendorConnection("c", "scenario", **{field: "\ud800"}))
    with pytest.raises(InvalidRequestError, match="connection 'c': extra contains a character"):
        check_texts(VendorConnection("c", "scenario", extra={"a": ["\ud800"]}))


def test_a_base_url_of_another_script_names_the_remedy() -> None:
    with pytest.raises(InvalidRequestError, match=r"base_url contains a character .* xn--"):
        scenario(host="https://bücher.example")


def test_a_credential_that_no_header_may_carry_is_not_sent() -> None:
    script = topaz("a\nb")
    with pytest.raises(AuthenticationError, match="line break") as raised:
        script.run(script.vendor.check())
    assert raised.value.vendor == "topaz"


def test_downloads_come_from_the_hosts_that_the_connection_lists_and_from_the_api() -> None:
    given = VendorConnection("t", "topaz", password="k", extra={"download_hosts": "cdn.test"})
    assert Topaz(given, clock=lambda: NOW).download_hosts == ("cdn.test", "api.topazlabs.com")


def test_a_connection_made_in_python_may_hold_what_is_no_json() -> None:
    check_texts(VendorConnection("t", "topaz", extra={"download_hosts": {"a.test"}}))


def test_an_id_that_no_state_could_keep_is_refused() -> None:
    script = scenario()
    accepted = ("POST /assets/download", reply({"job": {"jobId": "j" * 9_000}}))
    with pytest.raises(ProtocolError, match="'jobId' of 9000 characters"):
        script.run(script.vendor.submit(request()), accepted)


def test_a_status_and_a_reason_of_any_length_are_kept_in_part() -> None:
    script = Script(roma())
    reasons = [{"error_code": "c" * 9_000, "error_msg": "m" * 9_000}]
    ended = reply({"status": "s" * 9_000, "reasons": reasons})
    (job,) = script.run(script.vendor.poll([roma_job()]), (STATUS, ended))
    assert (len(job.vendor_status), len(job.reason), len(job.code)) == (100, 2_000, 100)
    assert job.vendor_status.endswith("s…")


def test_an_error_shows_no_more_of_a_time_or_a_setting_than_helps() -> None:
    script = scenario()
    listed = ("GET /assets?pageSize=100&deleted=true", assets("a", createdAt="y" * 100_000))
    with pytest.raises(ProtocolError, match=r"createdAt: 'y+… is not an ISO 8601") as caught:
        script.run(script.vendor.select({"deleted": True}, DAY), listed)
    assert len(str(caught.value)) < 400
    with pytest.raises(
        InvalidRequestError, match=r"auth_type must be aksk or token, not 'y+…$"
    ) as caught:
        roma(auth_type="y" * 100_000)
    assert len(str(caught.value)) < 400


def test_an_error_shows_no_more_of_a_value_than_helps() -> None:
    script = topaz()
    job = ArchiveJob("topaz", "t", details={"process_ids": [A], "kind": "y" * 100_000})
    with pytest.raises(
        InvalidRequestError, match=r"options\.kind must be 'output' or 'input', not 'y+…$"
    ) as caught:
        script.run(script.vendor.cancel(job))
    assert len(str(caught.value)) < 300
