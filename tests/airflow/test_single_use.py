"""Packages that can be downloaded only once, from a ROMA Connect that really deletes them."""

from __future__ import annotations

import hashlib
import json
import zlib
from dataclasses import replace
from pathlib import Path

import pytest
from airflow.sdk import task
from airflow_runs import connect
from exported import archive

from airflow_provider_assets.deliveries.single_use import OpenedPackages
from airflow_provider_assets.exports import asset_export
from airflow_provider_assets.landing import LocalStore, open_store
from airflow_provider_assets.landing.markers import STARTED_MARKER
from airflow_provider_assets.operators.archive import AssetArchiveOperator
from airflow_provider_assets.sandbox import running
from airflow_provider_assets.sansio.errors import (
    ArchiveExpiredError,
    AssetsError,
    AuthenticationError,
    InvalidRequestError,
    JobFailedError,
    TransferInterruptedError,
    VendorUnavailableError,
)
from airflow_provider_assets.sansio.jobs import ArchiveJob, ArchiveRequest, JobState
from airflow_provider_assets.sensors.archive import AssetArchiveSensor
from airflow_provider_assets.transfers.archive_to_object_storage import (
    ArchiveToObjectStorageOperator,
)
from airflow_provider_assets.vendors.huawei_roma import HuaweiRoma

pytestmark = [pytest.mark.airflow, pytest.mark.long]
CONN = "roma_single"


@pytest.fixture(scope="module")
def _roma():
    with running("--vendor", "roma", "--items", "8", "--job-seconds", "0.2") as sandbox:
        yield sandbox


@pytest.fixture
def roma(_roma, monkeypatch: pytest.MonkeyPatch):
    _roma.clear_faults()
    _roma.reset_stats()
    connect(monkeypatch, CONN, _roma.roma["connection"])
    return _roma


def export(sandbox, folder: Path, **options):
    items = {"apps": sandbox.roma["apps"], "tasks": sandbox.roma["tasks"]}
    options = {"items": items, "poll_interval": 0.2, "name": "package", **options}

    def build():
        asset_export("export", conn_id=CONN, destination=folder.as_uri(), **options)

    return build


def landed(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.iterdir()}


def gets(sandbox) -> list[int]:
    return [archive["gets"] for archive in sandbox.stats()["archives"].values()]


def assert_right(folder: Path, sandbox) -> None:
    """The package stands there, is what the vendor sent, and no marker is left."""
    files = landed(folder)
    assert sorted(files) == ["package", "package.manifest.json"]
    manifest = json.loads(files["package.manifest.json"])
    truth = sandbox.archive(manifest["facts"]["job_id"])
    assert hashlib.sha256(files["package"]).hexdigest() == truth["sha256"] == manifest["sha256"]


@pytest.mark.parametrize("deferrable", [False, True], ids=["blocking", "deferred"])
def test_a_package_is_opened_once_and_lands(airflow, roma, folder, deferrable):
    run = airflow(export(roma, folder, deferrable=deferrable))
    assert run.state == "success", run.tries
    assert_right(folder, roma)
    assert gets(roma) == [1]
    assert roma.stats()["totals"]["accepted"] == 1


@pytest.mark.parametrize(
    "fault",
    ["download:reset@300:1", "download:truncate@300:1", "download:accept-then-reset:1"],
    ids=["reset", "truncated", "answer lost"],
)
def test_a_broken_package_is_exported_anew(airflow, roma, folder, statsd, fault):
    roma.fault(fault)
    run = airflow(export(roma, folder))
    assert run.state == "success", run.tries
    assert_right(folder, roma)
    assert roma.stats()["totals"]["accepted"] == 2
    counted = statsd.sums()
    assert (counted["submitted"], counted["reexported"], counted["landed"]) == (1, 1, 1)


def test_a_package_whose_download_breaks_again_after_its_new_export_is_left_to_a_retry(
    airflow, roma, folder
):
    # The first request of each archive opens it, though nobody hears of it; the second one is refused.
    roma.fault("download:accept-then-reset:1")
    roma.fault("download:accept-then-reset:1,after=1")
    run = airflow(export(roma, folder, retries=1))
    assert run.state == "success", run.tries
    assert [type(one.error) for one in run.tries] == [TransferInterruptedError]
    assert_right(folder, roma)
    assert roma.stats()["totals"]["accepted"] == 3


@pytest.mark.parametrize("fault", [None, "download:reset@300:1"], ids=["intact", "broken"])
def test_a_package_of_a_job_that_was_started_elsewhere_lands_or_fails(airflow, roma, folder, fault):
    if fault:
        roma.fault(fault)

    @task
    def ids(references):
        return [one["job"]["job_id"] for one in references]

    def build():
        items = {"apps": roma.roma["apps"], "tasks": roma.roma["tasks"]}
        elsewhere = AssetArchiveOperator(
            task_id="archive", conn_id=CONN, items=items, wait_for_completion=False
        )
        waited = AssetArchiveSensor(
            task_id="wait", conn_id=CONN, job_ids=ids(elsewhere.output), poke_interval=0.2
        )
        ArchiveToObjectStorageOperator.partial(
            task_id="land", destination=folder.as_uri(), name="package"
        ).expand(archive=waited.output)

    run = airflow(build)
    if fault:
        assert isinstance(run.error, AssetsError)
    else:
        assert_right(folder, roma)
    assert run.states["land[0]"] == ("failed" if fault else "success")
    assert roma.stats()["totals"]["accepted"] == 1


@pytest.mark.parametrize(
    ("given", "why"),
    [({"acl": "private"}, "a local folder has no 'acl'"), ({"ACL": "private"}, "'ACL' is unknown")],
)
def test_options_that_are_wrong_cost_no_export(airflow, roma, folder, given, why):
    run = airflow(export(roma, folder, object_options=given))
    assert isinstance(run.error, InvalidRequestError), run.tries
    assert why in str(run.error)
    assert gets(roma) == []
    assert totals(roma)["accepted"] == 0


def test_a_refusal_before_the_package_was_opened_costs_no_new_export(airflow, roma, folder):
    roma.fault("download:503:1")
    run = airflow(export(roma, folder))
    assert run.state == "success", run.tries
    assert_right(folder, roma)
    assert gets(roma) == [2]
    assert roma.stats()["totals"]["accepted"] == 1


def test_a_download_that_is_denied_costs_no_new_export(airflow, roma, folder):
    roma.fault("download:403:1")  # in the vendor's words: "no permission"
    run = airflow(export(roma, folder))
    assert isinstance(run.error, AuthenticationError), run.tries
    assert "no permission" in str(run.error)
    assert totals(roma)["accepted"] == 1
    assert json.loads(landed(folder)["package" + STARTED_MARKER])["opened"] == []


@pytest.mark.parametrize("max_reexports", [0, 1])
def test_a_refusal_that_does_not_say_why_is_told_and_exported_again(
    airflow, roma, folder, max_reexports
):
    roma.fault("download:403:1,body.error_code=ROMA.00000777,body.error_msg=odd words")
    run = airflow(export(roma, folder, max_reexports=max_reexports))
    if max_reexports:
        assert run.state == "success", run.tries
    else:
        assert isinstance(run.error, ArchiveExpiredError)
        assert "odd words" in str(run.error)
    assert totals(roma)["accepted"] == 1 + max_reexports


@pytest.mark.parametrize("fault", ["", "download:reset@300:1"], ids=["whole", "broken"])
def test_a_package_is_unpacked_only_after_it_stands_whole(airflow, roma, folder, fault):
    if fault:
        roma.fault(fault)
    run = airflow(export(roma, folder, layout="files"))
    assert run.state == "success", run.tries
    (manifest,) = run.results("export.land")
    truth = roma.archive(manifest["facts"]["job_id"])
    landed_files = [path for path in folder.rglob("*") if path.is_file()]
    assert len(landed_files) == len(truth["entries"]) + 1
    assert max(gets(roma)) == 1


def broken_store(monkeypatch, ending: str, **facts) -> None:
    """A destination of which one request fails: the first for a key that ends so."""
    put, left = LocalStore.put, [1]

    def fail_once(self, key, data, **how):
        if left and key.endswith(ending):
            left.pop()
            raise TransferInterruptedError("the destination is unavailable", **facts)
        return put(self, key, data, **how)

    monkeypatch.setattr(LocalStore, "put", fail_once)


@pytest.mark.parametrize(
    "facts", [{}, {"status": 503}, {"status": 403}], ids=["none", "503", "403"]
)
def test_a_destination_that_fails_while_a_package_is_unpacked_costs_no_export(
    airflow, roma, folder, monkeypatch, statsd, facts
):
    broken_store(monkeypatch, "definition.json", **facts)
    run = airflow(export(roma, folder, layout="files", landing_args={"retries": 1}))
    assert run.state == "success", run.tries
    assert [type(one.error) for one in run.tries] == [TransferInterruptedError]
    assert roma.stats()["totals"]["accepted"] == 1
    assert gets(roma) == [1]
    assert statsd.sums()["resumed"] == 1
    (manifest,) = run.results("export.land")
    assert manifest["facts"]["job_id"] == run.result("export.archive")[0]["job"]["job_id"]


@pytest.mark.parametrize(
    "facts", [{}, {"status": 503}, {"status": 403}], ids=["none", "503", "403"]
)
def test_a_package_that_the_destination_lost_is_exported_again_by_the_next_attempt(
    airflow, roma, folder, monkeypatch, facts
):
    broken_store(monkeypatch, "package", **facts)
    accepted = []
    landing = {"retries": 1, "on_retry_callback": lambda _: accepted.append(totals(roma))}
    run = airflow(export(roma, folder, landing_args=landing))
    assert run.state == "success", run.tries
    assert [one["accepted"] for one in (*accepted, totals(roma))] == [1, 2]
    assert gets(roma) == [1, 1]
    assert_right(folder, roma)


def totals(sandbox) -> dict[str, int]:
    return sandbox.stats()["totals"]


def test_a_destination_that_fails_before_the_package_is_opened_costs_no_export(
    airflow, roma, folder, monkeypatch
):
    broken_store(monkeypatch, STARTED_MARKER, status=503)
    run = airflow(export(roma, folder, landing_args={"retries": 1}))
    assert run.state == "success", run.tries
    assert [type(one.error) for one in run.tries] == [TransferInterruptedError]
    assert gets(roma) == [1]
    assert totals(roma)["accepted"] == 1


def test_a_name_that_is_taken_is_seen_before_the_package_is_opened(airflow, roma, folder):
    folder.mkdir()
    (folder / "package").write_bytes(b"precious")
    dag = airflow.dag(export(roma, folder))
    run = airflow.run(dag)
    assert isinstance(run.error, InvalidRequestError)
    assert "overwrite" in str(run.error)
    assert gets(roma) == []
    assert landed(folder) == {"package": b"precious"}


def test_an_outage_while_a_new_export_is_waited_for_makes_no_other(airflow, roma, folder):
    roma.fault("download:reset@300:1")
    roma.fault("poll:503,after=3")
    run = airflow(export(roma, folder, max_reexports=3))
    assert isinstance(run.error, VendorUnavailableError)
    assert totals(roma)["accepted"] == 2


def test_a_marker_that_cannot_be_deleted_does_not_fail_a_landing(
    airflow, roma, folder, monkeypatch
):
    def refuse(self, key):
        raise AuthenticationError("this key may not delete")

    monkeypatch.setattr(LocalStore, "delete", refuse)
    dag = airflow.dag(export(roma, folder))
    run = airflow.run(dag)
    assert run.state == "success", run.tries
    assert airflow.clear(dag, run).state == "success"


def test_exports_made_anew_are_bounded(airflow, roma, folder):
    roma.fault("download:reset@300")
    run = airflow(export(roma, folder, max_reexports=2))
    assert isinstance(run.error, AssetsError)
    assert isinstance(run.error, TransferInterruptedError)
    assert gets(roma) == [1, 1, 1]
    assert "package" not in landed(folder)


def test_what_was_opened_is_remembered_until_something_has_landed(airflow, roma, folder):
    dag = airflow.dag(export(roma, folder, max_reexports=0))
    roma.fault("download:reset@300:1")
    assert isinstance(airflow.run(dag).error, TransferInterruptedError)
    (opened,) = roma.stats()["archives"]
    assert json.loads(landed(folder)["package" + STARTED_MARKER])["opened"] == [opened]
    assert airflow.run(dag).state == "success"
    assert_right(folder, roma)


def test_a_retry_exports_anew_and_opens_nothing_again(airflow, roma, folder):
    roma.fault("download:reset@300:2")
    run = airflow(export(roma, folder, landing_args={"retries": 1}))
    assert run.state == "success", run.tries
    assert [type(failed.error) for failed in run.tries] == [TransferInterruptedError]
    assert_right(folder, roma)
    assert gets(roma) == [1, 1, 1]
    assert roma.stats()["totals"]["accepted"] == 3


def test_a_new_export_that_failed_is_made_once_more_by_the_next_attempt(airflow, roma, folder):
    roma.fault("download:reset@300:1")
    roma.fault("job:failed:1,after=1")
    run = airflow(export(roma, folder, landing_args={"retries": 1}))
    assert run.state == "success", run.tries
    assert [type(failed.error) for failed in run.tries] == [JobFailedError]
    assert_right(folder, roma)
    assert roma.stats()["totals"]["accepted"] == 3


def test_an_archive_of_a_cleared_task_is_not_replaced_by_what_failed_before(airflow, roma, folder):
    roma.fault("download:reset@300:1")
    roma.fault("job:failed:1,after=1")
    dag = airflow.dag(export(roma, folder))
    run = airflow.run(dag)
    assert isinstance(run.error, JobFailedError)
    assert airflow.clear(dag, run).state == "success"
    assert_right(folder, roma)
    assert gets(roma) == [1, 1]
    assert roma.stats()["totals"]["accepted"] == 3


def test_an_archive_that_is_new_is_opened_whatever_the_marker_waits_for(airflow, roma, folder):
    dag = airflow.dag(export(roma, folder))
    lost = ArchiveJob("huawei_roma", "re-1", state=JobState.RUNNING)
    marker = OpenedPackages(ids=["another"], job=lost).to_bytes()
    store = open_store(folder.as_uri())
    store.put("package" + STARTED_MARKER, marker, crc32=zlib.crc32(marker), overwrite=True)
    assert airflow.run(dag).state == "success"
    assert_right(folder, roma)
    assert gets(roma) == [1]


def test_the_destination_is_proven_writable_before_the_package_is_opened(airflow, roma, tmp_path):
    blocked = tmp_path / "file"
    blocked.write_text("no folder")
    run = airflow(export(roma, blocked / "below"))
    assert isinstance(run.error, AssetsError), run.error
    assert gets(roma) == []


def test_another_export_of_the_account_is_waited_for(airflow, roma, folder, monkeypatch):
    monkeypatch.setattr("airflow_provider_assets.sansio.waiter.BUSY_PAUSE_SECONDS", 0.1)
    roma.fault("submit:busy:2")
    run = airflow(export(roma, folder))
    assert run.state == "success", run.tries
    assert roma.stats()["totals"]["accepted"] == 1


def test_a_landing_that_is_there_already_opens_nothing(airflow, roma, folder):
    dag = airflow.dag(export(roma, folder))
    assert airflow.run(dag).state == "success"
    document = json.dumps({"opened": [*roma.stats()["archives"]], "job": None}).encode()
    store = open_store(folder.as_uri())
    # A kill between the publishing and the end leaves a marker beside what has landed.
    store.put("package" + STARTED_MARKER, document, crc32=zlib.crc32(document), overwrite=True)
    before = gets(roma)
    again = airflow.run(dag)
    assert again.state == "success"
    assert again.results("export.land")[0]["skipped"]
    assert gets(roma) == before


@pytest.mark.parametrize("layout", ["archive", "files"])
@pytest.mark.parametrize(
    ("package", "container"),
    [
        ("one", "zip"), ("per-item", "zip"), ("two-per-item", "zip"),
        ("per-item", "gzip"), ("per-item", "tar"),
    ],
)  # fmt: skip
def test_a_package_lands_whatever_it_holds(airflow, roma, folder, package, container, layout):
    roma.configure(roma_package=package, roma_container=container)
    try:
        run = airflow(export(roma, folder, layout=layout))
    finally:
        roma.configure(roma_package="two-per-item", roma_container="zip")
    assert run.state == "success", run.tries
    assert gets(roma) == [1]
    if layout == "archive":
        assert_right(folder, roma)
    elif container == "zip":
        (manifest,) = run.results("export.land")
        assert manifest["entries"] == {"one": 1, "per-item": 8, "two-per-item": 16}[package]


def test_a_package_of_fewer_files_than_items_does_not_count_as_incomplete(
    airflow, folder, monkeypatch
):
    with running(
        "--vendor", "roma", "--items", "8", "--job-seconds", "0.2", "--roma-package", "one"
    ) as sandbox:
        connect(monkeypatch, CONN, sandbox.roma["connection"])
        dag = airflow.dag(export(sandbox, folder))
        run = airflow.run(dag)
        assert run.state == "success", run.tries
        again = airflow.clear(dag, run)
        assert again.results("export.land")[0]["skipped"]
        assert gets(sandbox) == [1]


def test_more_than_one_package_is_exported_one_after_the_other(airflow, roma, folder, monkeypatch):
    small = replace(HuaweiRoma.spec, max_batch=3)
    monkeypatch.setattr(HuaweiRoma, "spec", small)
    run = airflow(export(roma, folder, deferrable=True))
    assert run.state == "success", run.tries
    assert sorted(landed(folder)) == [
        f"package-00{n}{ending}" for n in (1, 2, 3) for ending in ("", ".manifest.json")
    ]
    assert roma.stats()["totals"]["accepted"] == 3


def test_several_packages_that_nobody_waits_for_are_refused_before_the_first(
    airflow, roma, monkeypatch
):
    monkeypatch.setattr(HuaweiRoma, "spec", replace(HuaweiRoma.spec, max_batch=3))
    items = {"apps": roma.roma["apps"], "tasks": roma.roma["tasks"]}
    run = airflow(lambda: archive(conn_id=CONN, items=items, wait_for_completion=False, retries=1))
    assert isinstance(run.error, InvalidRequestError)
    assert "leave it on" in str(run.error)
    assert roma.stats()["totals"]["submits"] == 0


def test_a_target_format_is_refused(airflow, roma, folder):
    run = airflow(export(roma, folder, landing_args={"target_format": "webp"}))
    assert isinstance(run.error, InvalidRequestError)
    assert gets(roma) == []


@pytest.mark.parametrize("name", [None, "package", "v1.2"])
def test_a_package_gets_no_ending_from_the_dot_of_a_window(airflow, roma, folder, name):
    window = ["2024-01-01T06:05:00.789Z", "2026-02-01T00:00:00Z"]
    run = airflow(export(roma, folder, name=name, items=None, window=window))
    assert run.state == "success", run.tries
    (package,) = (key for key in landed(folder) if not key.endswith(".manifest.json"))
    assert package == (
        name or ArchiveRequest.from_dict(run.result("export.archive")[0]["request"]).stem
    )
    assert name or "060500.789" in package


@pytest.mark.parametrize("limit", ["max_entries", "max_unpacked", "max_ratio"])
def test_limits_of_archives_are_arguments(airflow, roma, folder, limit):
    run = airflow(export(roma, folder, landing_args={limit: 0}))
    assert isinstance(run.error, InvalidRequestError)
    assert f"{limit} must be a whole number of at least 1, not 0" in str(run.error)
    assert gets(roma) == []
    if limit != "max_ratio":
        run = airflow(export(roma, folder, layout="files", landing_args={limit: 1}))
        assert isinstance(run.error, InvalidRequestError)


def test_the_old_request_exports_a_package_for_each_application(roma, folder, airflow, monkeypatch):
    known = roma.roma["connection"]
    extra = {**known["extra"], "old_export_body": True}
    connect(monkeypatch, CONN, {**known, "extra": extra})
    roma.configure(roma_dialect="old2022")
    try:
        run = airflow(export(roma, folder, items=None, window="all", name=None))
    finally:
        roma.configure(roma_dialect="sdk")
    assert run.state == "success", run.tries
    batches = [one["request"]["items"] for one in run.result("export.archive")]
    assert [len(one["apps"]) for one in batches] == [1] * len(roma.roma["apps"])
    assert sorted(batches[-1]["tasks"]) == sorted(roma.roma["tasks"])
