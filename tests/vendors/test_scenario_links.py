"""Scenario's ``mode="links"``: each asset is a download of its own, and no job is made."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest
from scenario_samples import JOB, STATUS, scenario
from vendor_script import NOW, reply

from airflow_provider_assets.sansio.downloads import ArchiveFile
from airflow_provider_assets.sansio.errors import ArchiveExpiredError, InvalidRequestError
from airflow_provider_assets.sansio.jobs import (
    ArchiveJob,
    ArchiveReference,
    ArchiveRequest,
    JobState,
)

REQUEST = ArchiveRequest(
    "scenario", {"asset_ids": ("a", "b")}, {"mode": "links"}, run_date="2026-01-10", tag="tag-1"
)
BULK = "POST /assets/get-bulk"


@pytest.fixture
def script():
    return scenario()


def known(**types):
    """The reply that knows these assets: id -> MIME type, or stored and original ones."""
    assets = []
    for asset_id, given in types.items():
        stored, original = given if isinstance(given, tuple) else (given, None)
        assets.append({"id": asset_id, "mimeType": stored, "originalMimeType": original})
    return (BULK, reply({"assets": assets}))


def reference(script, request=REQUEST):
    return ArchiveReference("s", request, script.run(script.vendor.submit(request)))


def test_nothing_is_sent_for_a_job_that_has_succeeded_and_is_the_same_in_every_retry(script):
    first = script.run(script.vendor.submit(REQUEST))
    assert (first.state, first.submitted_at) == (JobState.SUCCEEDED, NOW)
    assert ArchiveJob.from_dict(json.loads(json.dumps(first.to_dict()))) == first
    assert not script.vendor.spec.makes_job(REQUEST)
    assert script.run(script.vendor.poll([first])) == [first]
    assert script.run(script.vendor.job_url(first)) == ""
    assert script.run(script.vendor.job_url(JOB)).endswith("/jobs/job_1")
    others = [replace(REQUEST, tag="tag-2"), replace(REQUEST, items={"asset_ids": ("a",)})]
    ids = {script.run(script.vendor.submit(one)).job_id for one in others}
    assert len(ids | {first.job_id}) == 3
    assert (first.vendor, first.job_id) == (
        "scenario",
        "links-aca7a80a5fe2ff2e",
    )  # as earlier releases named it
    assert script.seen == []


def test_only_the_vendors_own_jobs_are_asked_for(script):
    links = script.run(script.vendor.submit(REQUEST))
    record = {"jobId": "job_1", "status": "success"}
    first, second = script.run(script.vendor.poll([links, JOB]), (STATUS, reply({"job": record})))
    assert (first, second.state) == (links, JobState.SUCCEEDED)


@pytest.mark.parametrize(
    ("mime_type", "name"),
    [
        ("image/png", "a.png"),
        ("image/jpeg", "a.jpg"),
        ("IMAGE/SVG+XML; charset=utf-8", "a.svg"),
        ("application/x-unheard-of", "a"),
        (("image/png", "image/png"), "a.png"),
        (("image/png", ""), "a.png"),
    ],
)
def test_an_original_has_the_extension_of_the_type_that_the_vendor_names(script, mime_type, name):
    files = script.run(script.vendor.files(reference(script)), known(a=mime_type, b="text/plain"))
    assert files == [ArchiveFile("a", name), ArchiveFile("b", "b.txt")]


@pytest.mark.parametrize("types", [("image/webp", "image/tiff"), (None, "image/tiff"), None])
def test_where_an_asset_has_two_files_the_download_says_which_it_is(script, types):
    answer = {"url": "https://cdn.example.test/a", "mimeType": "image/tiff"}
    (first, _) = script.run(
        script.vendor.files(reference(script)),
        known(a=types, b="image/png"),
        ("POST /assets/a/download", reply(answer)),
    )
    assert first == ArchiveFile("a", "a.tif")


def test_a_type_that_nobody_names_is_not_guessed(script):
    files = script.run(
        script.vendor.files(reference(script)),
        known(a=None, b="image/png"),
        ("POST /assets/a/download", reply({"url": "https://cdn.example.test/a.jpg"})),
    )
    assert files == [ArchiveFile("a", "a"), ArchiveFile("b", "b.png")]


def test_converted_files_have_the_extension_of_their_format(script):
    asked = script.vendor.files(reference(script), target_format="webp")
    files = script.run(asked, known(a="image/png", b=("image/png", "image/tiff")))
    assert files == [ArchiveFile("a", "a.webp"), ArchiveFile("b", "b.webp")]
    with pytest.raises(InvalidRequestError, match="target_format"):
        script.run(script.vendor.files(reference(script), target_format="../x"))


@pytest.mark.parametrize("target_format", [None, "png"])
def test_assets_that_are_gone_are_left_out_unless_all_are(script, target_format):
    asked = script.vendor.files(reference(script), target_format=target_format)
    assert script.run(asked, known(b="image/png")) == [ArchiveFile("b", "b.png")]
    with pytest.raises(ArchiveExpiredError, match="any of the 2 assets") as raised:
        script.run(script.vendor.files(reference(script), target_format=target_format), known())
    assert raised.value.vendor == "scenario"


@pytest.mark.parametrize(
    ("target_format", "body"), [(None, {}), ("webp", {"targetFormat": "webp"})]
)
def test_the_link_is_that_of_the_asset(script, target_format, body):
    given, file = reference(script), ArchiveFile("a", "a.png")
    link = script.run(
        script.vendor.link(given, file, target_format=target_format),
        ("POST /assets/a/download", reply({"url": "https://cdn.example.test/a"})),
    )
    assert link.url == "https://cdn.example.test/a"
    assert json.loads(script.seen[-1].body) == body
