"""``mode="links"``: every asset is a download of its own, and the vendor makes no archive."""

from __future__ import annotations

import io
import json
import zipfile

import pytest
from airflow_runs import connect
from exported import archives, export, exportable, ids_in, read

from airflow_provider_assets.audit.comparison import reconcile
from airflow_provider_assets.destinations import open_destination
from airflow_provider_assets.hooks.base import AssetArchiveHook
from airflow_provider_assets.listing.inputs import ExportInputs
from airflow_provider_assets.sandbox import running
from airflow_provider_assets.sansio.errors import (
    InvalidRequestError,
    PartialArchiveError,
    VendorUnavailableError,
)
from airflow_provider_assets.sansio.moments import parse_moment
from airflow_provider_assets.sansio.window import Window

pytestmark = pytest.mark.airflow
DAY = ("2026-01-06", "2026-01-07")
PNG = b"\x89PNG\r\n\x1a\n"


def sizes(sandbox):
    """File name -> bytes of the day's assets, by the sandbox's own word."""
    listed = sandbox.items("scenario", start=DAY[0], end=DAY[1])
    return {f"{one['id']}.png": one["bytes"] for one in listed if one["exportable"]}


def asked(sandbox, route):
    return sandbox.stats()["routes"].get(f"scenario.{route}", {}).get("requests", 0)


def assert_no_job(sandbox):
    totals = sandbox.stats()["totals"]
    assert (totals["submits"], totals["polls"], totals["bulk_polls"]) == (0, 0, 0)


def test_originals_land_one_by_one_and_what_has_landed_is_not_fetched_again(
    airflow, sandbox, folder
):
    dag = airflow.dag(export(folder.as_uri(), mode="links", layout="files", report=True))
    run = airflow.run(dag)
    assert run.state == "success", run.tries
    stored = archives(read(folder))
    assert {name: len(data) for name, data in stored.items()} == sizes(sandbox)
    assert all(data.startswith(PNG) for data in stored.values())
    (manifest,) = run.results("export.land")
    assert manifest["facts"]["job_id"].startswith("links-")
    rows = [
        json.loads(line)
        for name, data in read(folder).items()
        if name.startswith("metadata/")
        for line in data.splitlines()
    ]
    assert {row["file"]: row["item_id"] for row in rows} == {
        name: name.removesuffix(".png") for name in stored
    }
    assert_no_job(sandbox)
    # A bulk call for the types of all files, and a link for each.
    assert (asked(sandbox, "get_bulk"), asked(sandbox, "link")) == (1, len(stored))
    (again,) = airflow.clear(dag, run).results("export.land")
    assert again["skipped"]
    assert asked(sandbox, "link") == len(stored)
    hook = AssetArchiveHook.for_conn("scenario_default")
    compared = reconcile(
        hook,
        ExportInputs(hook.vendor, None, {}, {}),
        open_destination(folder.as_uri()),
        Window(*(parse_moment(f"{day}T00:00:00Z", "bound") for day in DAY)),
        period="day",
        verify="bytes",
    )
    assert compared.is_complete, compared.table()


def test_converted_files_are_packed_as_originals_are(airflow, sandbox, folder):
    run = airflow(export(folder.as_uri(), mode="links", target_format="webp", deferrable=True))
    assert run.state == "success", run.tries
    ((name, data),) = archives(read(folder)).items()
    assert name.endswith(".zip")
    assert sorted(ids_in(data)) == exportable(sandbox, *DAY)
    assert all(one.endswith(".webp") for one in zipfile.ZipFile(io.BytesIO(data)).namelist())
    assert_no_job(sandbox)


def test_a_listing_of_more_than_a_batch_makes_several(airflow, sandbox, folder):
    run = airflow(
        export(folder.as_uri(), mode="links", dry_run=True), run={"logical_date": "2026-01-09"}
    )
    assert run.state == "success", run.tries
    (ti,) = [ti for ti in run.instances() if ti.task_id == "export.archive"]
    totals = ti.xcom_pull(task_ids="export.archive", key="plan")["totals"]
    assert (totals["items"], totals["batches"]) == (1003, 2)
    assert asked(sandbox, "link") == 0


def test_an_attempt_that_dies_before_it_records_is_followed_by_the_same_batch(
    airflow, sandbox, folder, monkeypatch
):
    submit, made = AssetArchiveHook.submit, []

    def dies_once(self, request, **patience):
        made.append(submit(self, request, **patience).job_id)
        if len(made) == 1:
            raise VendorUnavailableError("the worker is gone")
        return submit(self, request, **patience)

    monkeypatch.setattr(AssetArchiveHook, "submit", dies_once)
    arguments = {"mode": "links", "layout": "files", "archive_args": {"retries": 1}}
    run = airflow(export(folder.as_uri(), **arguments))
    assert run.state == "success", run.tries
    (reference,) = run.result("export.archive")
    assert {reference["job"]["job_id"]} == set(made), "a second batch"
    assert {name: len(data) for name, data in archives(read(folder)).items()} == sizes(sandbox)


def test_an_asset_that_the_vendor_does_not_know_is_named_and_the_others_land(
    airflow, sandbox, folder
):
    ids = [*exportable(sandbox, *DAY), "asset_unheard_of"]
    run = airflow(export(folder.as_uri(), mode="links", layout="files", items={"asset_ids": ids}))
    assert isinstance(run.error, PartialArchiveError)
    assert "asset_unheard_of (no file)" in str(run.error)
    assert {name: len(data) for name, data in archives(read(folder)).items()} == sizes(sandbox)


@pytest.mark.parametrize(
    ("vendor", "arguments", "said"),
    [
        ("scenario", {"options": {"flat": True}}, "options: flat describe an archive"),
        (
            "topaz",
            {},
            "Topaz Labs has no such mode; it has 'archive'; its files are downloaded one",
        ),
        ("roma", {}, "ROMA Connect has no such mode; it has 'archive'"),
        ("scenario", {"mode": "link"}, "mode must be one of archive, links, not 'link'"),
    ],
)
def test_what_a_vendor_cannot_do_is_refused(vendor, arguments, said, monkeypatch):
    with running("--vendor", vendor, "--items", "0") as served:
        connect(monkeypatch, "some_vendor", getattr(served, vendor)["connection"])
        hook = AssetArchiveHook.for_conn("some_vendor")
        given = {"mode": "links", "options": {}, **arguments}
        with pytest.raises(InvalidRequestError) as caught:
            ExportInputs(hook.vendor, None, {}, **given)
    assert said in caught.value.message
