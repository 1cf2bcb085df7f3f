from __future__ import annotations

import hashlib
import time
from datetime import datetime, timedelta, timezone

import pytest
import requests
from vendor_live import fetch, live

from airflow_provider_assets.sansio.downloads import ArchiveFile
from airflow_provider_assets.sansio.errors import (
    ArchiveExpiredError,
    AuthenticationError,
    JobCancelledError,
    JobFailedError,
    VendorUnavailableError,
)
from airflow_provider_assets.sansio.jobs import (
    ArchiveJob,
    ArchiveReference,
    ArchiveRequest,
    JobState,
)
from airflow_provider_assets.sansio.waiter import ensure_succeeded
from airflow_provider_assets.sansio.window import Window
from airflow_provider_assets.vendors import base


@pytest.fixture(autouse=True)
def _fresh(sandbox):
    sandbox.reset()


@pytest.fixture
def topaz(sandbox, asynchronous):
    return live(sandbox.topaz, asynchronous)


def completed(sandbox):
    return [i for i in sandbox.items("topaz") if i["kept"] and i["status"] == "Completed"]


def test_topaz_lists_what_the_week_holds(sandbox, topaz):
    assert topaz.run(topaz.vendor.check())
    found = topaz.run(topaz.vendor.select({}, None)).items
    assert {item.id for item in found} == {item["id"] for item in completed(sandbox)}
    now = datetime.now(timezone.utc)
    window = Window(now - timedelta(days=3), now - timedelta(days=1))
    found = topaz.run(topaz.vendor.select({"filename": "kite.*"}, window)).items
    # The vendor's times are whole seconds; items near a bound are left to the unit tests.
    inside = {
        item["id"]
        for item in completed(sandbox)
        if window.holds(datetime.fromisoformat(item["created"].replace("Z", "+00:00")))
        and item["filename"].startswith("kite.")
    }
    assert {item.id for item in found} == inside


def test_topaz_images_arrive_with_length_and_bytes(sandbox, topaz):
    items = topaz.run(topaz.vendor.select({}, None)).items[:5]
    (reference,) = topaz.export(items)
    files = topaz.run(topaz.vendor.files(reference))
    assert [file.key for file in files] == [item.id for item in items]
    for file in files:
        link = topaz.run(topaz.vendor.link(reference, file))
        truth = sandbox.archive(file.key)
        body, _ = fetch(link)
        _, head = fetch(link, "HEAD", link.head_url)
        assert int(head["Content-Length"]) == len(body) == truth["bytes"]
        assert hashlib.sha256(body).hexdigest() == truth["sha256"]
        stem, _, ending = truth["name"].rpartition(".")
        assert file.name == f"{stem}-{file.key}.{ending}"
        assert link.expires_at == pytest.approx(time.time() + 3600, abs=60)


def test_topaz_inputs_are_collected_of_failed_processes_too(sandbox, topaz):
    items = topaz.run(topaz.vendor.select({"status": ["Failed", "Completed"]}, None)).items[-8:]
    (reference,) = topaz.export(items, kind="input")
    assert reference.job.state is JobState.SUCCEEDED
    (file, *_) = topaz.run(topaz.vendor.files(reference))
    body, _ = fetch(topaz.run(topaz.vendor.link(reference, file)))
    assert hashlib.sha256(body).hexdigest() == sandbox.archive(file.key)["input"]["sha256"]


def test_topaz_polls_a_hundred_processes_with_few_requests(sandbox, topaz):
    items = topaz.run(topaz.vendor.select({}, None)).items[:100]
    sandbox.reset_stats()
    topaz.export(items, batch=10)
    assert sandbox.stats()["totals"]["requests"] <= 4


def test_topaz_names_what_failed_and_what_is_gone(sandbox, topaz, monkeypatch):
    monkeypatch.setattr(base, "FRESH_SECONDS", 0.0)
    bad = next(i for i in sandbox.items("topaz") if i["kept"] and i["status"] == "Failed")
    gone = next(i for i in sandbox.items("topaz") if not i["kept"])
    good = completed(sandbox)[0]
    named = {"process_ids": [good["id"], bad["id"], gone["id"]]}
    items = topaz.run(topaz.vendor.expand(named)).items
    (reference,) = topaz.export(items)
    assert reference.job.state is JobState.SUCCEEDED
    assert reference.job.details["failed"] == {bad["id"]: "Failed", gone["id"]: "Unknown"}
    (lost,) = topaz.export(items[2:])
    with pytest.raises(JobFailedError, match="7 days"):
        ensure_succeeded(lost.job)


def test_topaz_says_what_a_refused_download_means(sandbox, topaz):
    items = topaz.run(topaz.vendor.select({}, None)).items[:1]
    (reference,) = topaz.export(items)
    (file,) = topaz.run(topaz.vendor.files(reference))
    sandbox.fault("topaz.link:409:1")
    assert topaz.run(topaz.vendor.link(reference, file)).url
    sandbox.fault("topaz.link:404")
    with pytest.raises(ArchiveExpiredError, match="7 days"):
        topaz.run(topaz.vendor.link(reference, file))


def test_a_running_topaz_process_is_waited_for_or_cancelled(sandbox, topaz):
    sandbox.fault("topaz.job:stuck:1")
    reply = requests.post(
        f"{topaz.vendor.base_url}/enhance/async",
        headers={"X-API-Key": topaz.vendor.connection.password},
        files={"image": ("kite.png", fetch(first_link(topaz))[0])},
        timeout=10,
    )
    job = ArchiveJob("topaz", reply.json()["process_id"])
    (job,) = topaz.run(topaz.vendor.poll([job]))
    assert job.state is JobState.RUNNING
    assert job.eta is not None
    reference = ArchiveReference("c", ArchiveRequest("topaz", {}), job)
    with pytest.raises(VendorUnavailableError, match="still"):
        topaz.run(topaz.vendor.link(reference, ArchiveFile(job.job_id)))
    assert topaz.run(topaz.vendor.cancel(job))
    assert not topaz.run(topaz.vendor.cancel(job))
    (job,) = topaz.run(topaz.vendor.poll([job]))
    assert job.state is JobState.CANCELLED
    with pytest.raises(JobCancelledError):
        topaz.run(topaz.vendor.link(reference, ArchiveFile(job.job_id)))


def first_link(topaz):
    (reference,) = topaz.export(topaz.run(topaz.vendor.select({}, None)).items[:1])
    (file,) = topaz.run(topaz.vendor.files(reference))
    return topaz.run(topaz.vendor.link(reference, file))


def test_a_wrong_topaz_key_is_an_authentication_error(sandbox, asynchronous):
    part = {"connection": {**sandbox.topaz["connection"], "password": "wrong"}}
    wrong = live(part, asynchronous)
    with pytest.raises(AuthenticationError):
        wrong.run(wrong.vendor.check())
