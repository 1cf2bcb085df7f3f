from __future__ import annotations

import hashlib
import time
import urllib.error
import urllib.request
from datetime import datetime, timezone

import pytest
from vendor_live import fetch, live

from airflow_provider_assets.network.transport import Transport
from airflow_provider_assets.sandbox import running
from airflow_provider_assets.sansio import flow as flows
from airflow_provider_assets.sansio.batching import split_into_batches
from airflow_provider_assets.sansio.errors import (
    ArchiveExpiredError,
    AuthenticationError,
    BusyError,
    InvalidRequestError,
    JobFailedError,
)
from airflow_provider_assets.sansio.jobs import JobState
from airflow_provider_assets.sansio.waiter import ensure_succeeded
from airflow_provider_assets.sansio.window import Window


@pytest.fixture(autouse=True)
def _fresh(sandbox):
    sandbox.reset()


@pytest.fixture(params=["connection", "token_connection"], ids=["aksk", "token"])
def roma(request, sandbox, asynchronous):
    return live(sandbox.roma, asynchronous, key=request.param)


def test_roma_lists_apps_and_tasks(sandbox, roma):
    assert roma.run(roma.vendor.check())
    found = roma.run(roma.vendor.select({}, None)).items
    assert {item.id for item in found if item.kind == "apps"} == set(sandbox.roma["apps"])
    assert {item.id for item in found if item.kind == "tasks"} == set(sandbox.roma["tasks"])
    everything = Window(
        datetime(2000, 1, 1, tzinfo=timezone.utc), datetime(2100, 1, 1, tzinfo=timezone.utc)
    )
    assert roma.run(roma.vendor.select({}, everything)).items == found
    assert roma.run(roma.vendor.select({"apps": {"name": "no such name"}}, None)).items == []


@pytest.mark.parametrize("created", [0, 1], ids=["one is gone", "another has come at the end"])
def test_what_is_deleted_between_two_pages_costs_no_other_item(created):
    with running("--vendor", "roma", "--items", "240") as sandbox:
        apps = sandbox.roma["apps"]
        assert len(apps) > 100, "more than a page"
        part = live(sandbox.roma, asynchronous=False)
        transport = Transport(part.vendor.error_for)
        asked, made = [], []

        def perform(request):
            reply = transport.perform(request)
            asked.append(dict(request.params)["offset"])
            if len(asked) == 1:
                sandbox.remove_item("roma", apps[0])
                # An application and a task.
                made.extend(sandbox.add_items("roma", "2026-01-09", 2 * created))
            return reply

        found = flows.run(part.vendor.select({"apps": {}}, None), perform=perform, sleep=time.sleep)
        transport.close()
    ids = {item.id for item in found.items}
    assert ids - set(made) == set(apps[1:])
    assert len(ids) == len(apps) - 1 + created
    assert asked == ["0", "99", "0", "99"]


def test_roma_looks_the_project_up(sandbox, roma):
    bare = live(sandbox.roma, roma.asynchronous, project_id="", auth_type="aksk")
    assert bare.run(bare.vendor.check())
    twice = live(sandbox.roma, roma.asynchronous, project_id="", region="sandbox-twice")
    with pytest.raises(InvalidRequestError, match="2 projects"):
        twice.run(twice.vendor.check())


def test_a_roma_package_is_had_once(sandbox, roma):
    items = roma.run(roma.vendor.expand({"apps": sandbox.roma["apps"][:2]})).items
    (reference,) = roma.export(items)
    (file,) = roma.run(roma.vendor.files(reference))
    link = roma.run(roma.vendor.link(reference, file))
    body, _ = fetch(link)
    assert hashlib.sha256(body).hexdigest() == sandbox.archive(reference.job.job_id)["sha256"]
    with pytest.raises(urllib.error.HTTPError, match="403"):
        fetch(link)


def test_a_busy_roma_is_told_as_busy(sandbox, roma):
    planned = split_into_batches(
        "huawei_roma",
        roma.run(roma.vendor.expand({"tasks": sandbox.roma["tasks"][:2]})).items,
        max_batch=1,
        options={},
    )
    first = roma.run(roma.vendor.submit(planned[0]))
    with pytest.raises(BusyError):
        roma.run(roma.vendor.submit(planned[1]))
    ensure_succeeded(*roma.wait([first]))
    ensure_succeeded(*roma.wait([roma.run(roma.vendor.submit(planned[1]))]))
    assert sandbox.stats()["totals"]["accepted"] == 2


def test_a_failed_roma_export_tells_why(sandbox, roma):
    sandbox.fault("roma.job:failed:1,error=resource is locked")
    items = roma.run(roma.vendor.expand({"apps": sandbox.roma["apps"][:1]})).items
    (reference,) = roma.export(items)
    with pytest.raises(JobFailedError, match="resource is locked"):
        ensure_succeeded(reference.job)


def test_a_revoked_token_is_renewed_in_the_middle(sandbox, asynchronous):
    roma = live(sandbox.roma, asynchronous, key="token_connection")
    assert roma.run(roma.vendor.check())
    sandbox.forget_tokens()
    assert roma.run(roma.vendor.check())
    assert sandbox.stats()["totals"]["auth"] == 2


def test_a_wrong_secret_key_is_an_authentication_error(sandbox, asynchronous):
    part = {"connection": {**sandbox.roma["connection"], "password": "wrong"}}
    wrong = live(part, asynchronous)
    with pytest.raises(AuthenticationError):
        wrong.run(wrong.vendor.check())


@pytest.mark.parametrize("dialect", ["sdk", "docs2025", "old2022", "nested"])
def test_every_dialect_of_roma_is_understood(sandbox, dialect, asynchronous):
    sandbox.configure(roma_dialect=dialect)
    roma = live(sandbox.roma, asynchronous, old_export_body=dialect == "old2022")
    apps = roma.run(roma.vendor.select({"apps": {}}, None)).items[:1]
    (reference,) = roma.export(apps)
    (file,) = roma.run(roma.vendor.files(reference))
    assert fetch(roma.run(roma.vendor.link(reference, file)))[0]
    if dialect != "sdk":  # of all editions, only this one tells nothing of the download
        with pytest.raises(ArchiveExpiredError, match="downloaded once"):
            roma.run(roma.vendor.link(reference, file))
    sandbox.fault("roma.job:failed,error=resource is locked")
    (failed,) = roma.export(apps)
    assert (failed.job.state, failed.job.code) == (JobState.FAILED, "ROMA.00000101")
