"""Reconciling in a real Airflow: what is gone, damaged or late is named, and exactly that lands again."""

from __future__ import annotations

import io
import json
import re
import threading
import zipfile
import zlib
from dataclasses import dataclass
from datetime import datetime, timedelta, timezone
from pathlib import Path

import pytest
from airflow.sdk import task
from airflow_runs import connect
from exported import CONN, archive, export

from airflow_provider_assets import destinations
from airflow_provider_assets.audit import comparison
from airflow_provider_assets.destinations import open_destination
from airflow_provider_assets.hooks import base
from airflow_provider_assets.hooks.base import AssetArchiveHook
from airflow_provider_assets.listing import gaps
from airflow_provider_assets.listing.inputs import ExportInputs
from airflow_provider_assets.listing.periods import each_period
from airflow_provider_assets.network.transport import Transport
from airflow_provider_assets.operators.archive import AssetArchiveOperator
from airflow_provider_assets.operators.reconcile import AssetReconcileOperator
from airflow_provider_assets.sandbox import running
from airflow_provider_assets.sansio.errors import InvalidRequestError, PartialArchiveError
from airflow_provider_assets.sansio.window import Window
from airflow_provider_assets.transfers.archive_to_object_storage import (
    ArchiveToObjectStorageOperator,
)

pytestmark = pytest.mark.airflow
DOCS = Path(__file__).parent.parent.parent / "docs"
DAYS = {"2026-01-04": 3, "2026-01-05": 4, "2026-01-06": 5}
WINDOW = ("2026-01-04T00:00:00Z", "2026-01-07T00:00:00Z")


@dataclass
class Place:
    """A destination, and what is in it."""

    url: str

    @property
    def target(self):
        return open_destination(self.url)

    def keys(self, ending=""):
        return sorted(
            key for key, _ in self.target.store.listing(self.target.prefix) if key.endswith(ending)
        )

    def key(self, day, ending=".zip"):
        (key,) = (key for key in self.keys(ending) if f"-{day}-" in key)
        return key

    def get(self, key):
        return self.target.store.get(key)

    def put(self, key, data):
        self.target.store.put(key, data, crc32=zlib.crc32(data), overwrite=True)

    def delete(self, key):
        self.target.store.delete(key)

    def landed_ids(self):
        """Ids in all zips that have a manifest."""
        keys = self.keys(".zip.manifest.json")
        held = [self.get(key.removesuffix(".manifest.json")) for key in keys]
        return [
            name.partition(".")[0]
            for data in held
            if data
            for name in zipfile.ZipFile(io.BytesIO(data)).namelist()
        ]


@pytest.fixture
def vendor(monkeypatch):
    flags = [flag for day, count in DAYS.items() for flag in ("--day", f"{day}={count}")]
    with running(
        "--vendor", "scenario", "--items", "0", *flags,
        "--job-seconds", "0.1", "--item-bytes", "200",
    ) as sandbox:  # fmt: skip
        connect(monkeypatch, CONN, sandbox.scenario["connection"])
        yield sandbox


@pytest.fixture(params=["local", "moto"])
def place(request, tmp_path, monkeypatch):
    if request.param == "local":
        return Place((tmp_path / "landed").as_uri())
    server = request.getfixturevalue("moto_server")
    bucket = f"reconciled-{abs(hash(str(tmp_path))) % 10**9}"
    server.client().create_bucket(Bucket=bucket)
    extra = {"endpoint_url": server.endpoint, "region_name": "us-east-1"}
    connect(
        monkeypatch,
        "moto",
        {"conn_type": "aws", "login": "k", "password": "s", "extra": {
            **extra, "config_kwargs": {"s3": {"addressing_style": "path"}}}},
    )  # fmt: skip
    return Place(f"s3://moto@{bucket}/scenario/")


@pytest.fixture
def local(tmp_path):
    return Place((tmp_path / "landed").as_uri())


def check(place, **arguments):
    return AssetReconcileOperator(
        **{
            "task_id": "reconcile",
            "conn_id": CONN,
            "destination": place.url,
            "window": WINDOW,
            **arguments,
        }
    )


def reconciled(airflow, place, **arguments):
    """The gaps that the task returns, and its report."""
    run = airflow(lambda: check(place, **arguments))
    assert run.state == "success", run.tries
    (ti,) = run.instances()
    return run.result("reconcile"), ti.xcom_pull(task_ids="reconcile", key="report")


def repair(place, **arguments):
    def build():
        reconcile = check(place, **arguments)
        again = AssetArchiveOperator.partial(
            task_id="archive", conn_id=arguments.get("conn_id", CONN), poll_interval=0.1
        ).expand(items=reconcile.output)

        @task
        def flatten(archives):
            return [one for many in archives for one in many]

        ArchiveToObjectStorageOperator.partial(task_id="land", destination=place.url).expand(
            archive=flatten(again.output)
        )

    return build


def exported(airflow, place, *, days=tuple(DAYS)):
    """Every day lands by a run of its own, as it does every night."""
    dag = airflow.dag(export(place.url))
    for day in days:
        moment = f"2026-01-{int(day[-2:]) + 1:02}"
        assert airflow.run(dag, moment).state == "success"


def report_object(place):
    (key,) = (
        key for key in place.keys(".json") if "/.reconcile/" in f"/{key}" and "/gaps-" not in key
    )
    return json.loads(place.get(key))


def ids(found):
    return sorted(i for one in found for kind in one.values() for i in kind)


def ids_of(vendor, day):
    return sorted(one["id"] for one in vendor.items("scenario", start=day, end=f"{day}~"))


def test_each_depth_names_exactly_what_it_can_see_and_the_repair_lands_exactly_that(
    airflow, vendor, place
):
    exported(airflow, place)
    assert reconciled(airflow, place, verify="bytes")[0] == []
    first, second, third = (ids_of(vendor, day) for day in DAYS)
    place.delete(place.key("2026-01-04"))
    flipped = bytearray(place.get(place.key("2026-01-05")))
    flipped[-30] ^= 1
    place.put(place.key("2026-01-05"), bytes(flipped))
    place.delete(place.key("2026-01-06", ".manifest.json"))
    late = vendor.add_late_item("scenario", "2026-01-04T23:59:00Z")

    missing, report = reconciled(airflow, place, verify="manifest")
    assert ids(missing) == sorted([late, *third])
    zero = {"listed": 0, "landed": 0, "missing": 0, "changed": 0, "damaged": 0, "pending": 0}
    assert report["periods"] == {
        "2026-01-04": {**zero, "listed": 4, "landed": 3, "missing": 1},
        "2026-01-05": {**zero, "listed": 4, "landed": 4},
        "2026-01-06": {**zero, "listed": 5, "missing": 5},
    }
    assert report["totals"] == {**zero, "listed": 13, "landed": 7, "missing": 6}
    assert (report["complete"], report["landings"]) == (False, 2)

    missing, report = reconciled(airflow, place, verify="sizes")
    assert ids(missing) == sorted([late, *third, *first])
    assert report["totals"]["damaged"] == 3
    (problem,) = report["problems"]
    assert problem["problem"].endswith("the object is gone")
    assert "-2026-01-04-" in problem["uri"]

    missing, report = reconciled(airflow, place, verify="bytes")
    assert ids(missing) == sorted([late, *third, *first, *second])
    assert report["problem_count"] == 2
    document = report_object(place)
    assert {day: sorted(found) for day, found in document["damaged_ids"].items()} == {
        "2026-01-04": first,
        "2026-01-05": second,
    }
    assert document["missing_ids"]["2026-01-04"] == [late]
    assert report["report_uri"].endswith(".json")

    before = vendor.stats()["totals"]["submits"]
    run = airflow(repair(place, verify="bytes"))
    assert run.state == "success", run.tries
    assert vendor.stats()["totals"]["submits"] == before + 1
    (manifest,) = run.results("land")
    assert manifest["facts"]["items"] == 13
    found, report = reconciled(airflow, place, verify="bytes")
    assert (found, report["complete"]) == ([], True)
    assert set(place.landed_ids()) >= {late, *first, *second, *third}

    run = airflow(repair(place, verify="bytes"))
    assert run.states["archive"] == run.states["land"] == "skipped"
    assert vendor.stats()["totals"]["submits"] == before + 1


def test_an_empty_destination_lacks_everything(airflow, vendor, tmp_path):
    nowhere = Place((tmp_path / "nowhere").as_uri())
    missing, report = reconciled(airflow, nowhere, period="month")
    assert ids(missing) == sorted(one for day in DAYS for one in ids_of(vendor, day))
    assert [*report["periods"]] == ["2026-01"]
    assert report["totals"]["missing"] == 12
    missing, report = reconciled(airflow, nowhere, window="all", period="year")
    assert [*report["periods"]] == ["all"]
    assert report["window"] is None


def test_a_nightly_check_fails_with_the_table(airflow, vendor, local):
    exported(airflow, local, days=["2026-01-04"])
    run = airflow(lambda: check(local, on_gaps="fail"))
    assert type(run.error) is PartialArchiveError
    text = str(run.error)
    assert "holds 3 of the 12 items that are listed: 9 are missing, 0 changed and 0 damaged" in text
    assert "2026-01-05       4       0        4" in text
    assert run.instances()[0].xcom_pull(task_ids="reconcile", key="report")["complete"] is False
    exported(airflow, local)
    assert airflow(lambda: check(local, on_gaps="fail")).state == "success"


def test_a_manifest_that_cannot_be_read_is_named_and_its_items_are_gaps(airflow, vendor, local):
    exported(airflow, local)
    key = local.key("2026-01-05", ".manifest.json")
    local.put(key, b"{")
    missing, report = reconciled(airflow, local)
    assert ids(missing) == ids_of(vendor, "2026-01-05")
    (problem,) = report["problems"]
    assert problem["uri"].endswith(key)
    assert problem["problem"].startswith("the manifest cannot be read")


def test_a_manifest_of_an_earlier_release_is_read_by_the_names_of_its_files(airflow, vendor, local):
    exported(airflow, local)
    for key in local.keys(".manifest.json"):
        document = json.loads(local.get(key))
        del document["contents"]
        local.put(key, json.dumps(document).encode())
    assert reconciled(airflow, local, verify="bytes")[0] == []


def test_files_are_compared_one_by_one(airflow, vendor, local):
    run = airflow(
        export(local.url, layout="files"), run={"logical_date": "2026-01-07"}
    )  # the day with five items
    assert run.state == "success", run.tries
    gone, flipped = local.keys(".png")[:2]
    local.delete(gone)
    local.put(flipped, b"x" * len(local.get(flipped)))
    window = ("2026-01-06T00:00:00Z", "2026-01-07T00:00:00Z")
    expected = [one.partition(".")[0] for one in (gone, flipped)]
    assert ids(reconciled(airflow, local, window=window, verify="sizes")[0]) == expected[:1]
    assert ids(reconciled(airflow, local, window=window, verify="bytes")[0]) == sorted(expected)


def test_what_changed_after_its_export_is_a_gap_where_the_listing_is_by_change(
    airflow, vendor, local
):
    exported(airflow, local, days=["2026-01-04"])
    key = local.key("2026-01-04", ".manifest.json")
    document = json.loads(local.get(key))
    document["contents"]["exported_at"] = 0.0  # before any of the changes
    local.put(key, json.dumps(document).encode())
    late = vendor.add_late_item("scenario", "2026-01-04T10:00:00Z")
    day = {"window": ("2026-01-04T00:00:00Z", "2026-01-05T00:00:00Z")}
    assert ids(reconciled(airflow, local, **day)[0]) == [late]
    wide = {"window": ("2026-01-04T00:00:00Z", "2026-03-01T00:00:00Z"), "period": "year"}
    missing, report = reconciled(airflow, local, select={"by": "updatedAt"}, **wide)
    assert report["totals"]["changed"] == 3
    assert set(ids(missing)) >= {late, *ids_of(vendor, "2026-01-04")}


def test_many_gaps_are_objects_that_the_mapped_task_reads(airflow, vendor, local, monkeypatch):
    monkeypatch.setattr(gaps, "MAX_INLINE", 3)
    found, _ = reconciled(airflow, local)
    (reference,) = found
    assert reference.keys() == {"uri", "sha256"}
    assert len(json.dumps(found)) < 300
    run = airflow(repair(local))
    assert run.state == "success", run.tries
    assert reconciled(airflow, local)[0] == []
    key = reference["uri"].rpartition("/landed/")[2]
    local.put(key, b"{}")
    run = airflow(lambda: archive(items=reference))
    assert type(run.error) is InvalidRequestError
    assert "is gone or has been changed" in str(run.error)


def test_no_more_gaps_are_returned_than_airflow_maps_over(tmp_path, monkeypatch):
    monkeypatch.setattr(gaps, "MAX_INLINE", 3)
    monkeypatch.setattr(gaps, "max_map_length", lambda: 2)
    batches = [{"asset_ids": [f"asset_{number}"]} for number in range(4)]
    kept = gaps.keep_gaps(batches, tmp_path.as_uri())
    assert [gaps.load_gaps(one) for one in kept] == batches[:2]
    assert gaps.keep_gaps(batches[:3], tmp_path.as_uri()) == batches[:3]


def test_the_destination_of_many_gaps_is_opened_once(tmp_path, monkeypatch):
    monkeypatch.setattr(gaps, "MAX_INLINE", 3)
    opened = []
    monkeypatch.setattr(
        destinations, "open_destination", lambda url: opened.append(url) or open_destination(url)
    )
    batches = [{"asset_ids": [f"asset_{number}"]} for number in range(4)]
    assert len(gaps.keep_gaps(batches, tmp_path.as_uri())) == 4
    assert len(opened) == 1


def test_periods_that_are_listed_in_parallel_share_a_rate_limit(database, vendor, monkeypatch):
    made_in = []

    class Told(Transport):
        def __init__(self, *arguments, **options):
            made_in.append(threading.current_thread())
            super().__init__(*arguments, **options)

    monkeypatch.setattr(base, "Transport", Told)
    hook = AssetArchiveHook.for_conn(CONN)
    window = Window(*(datetime.fromisoformat(one.replace("Z", "+00:00")) for one in WINDOW))
    listed = list(each_period(hook, ExportInputs(hook.vendor, None, None, {}), window, "day"))
    assert [len(one.selected.items) for one in listed] == [*DAYS.values()]
    assert made_in == [
        threading.current_thread()
    ]  # before there are threads that could make several


def test_a_report_in_xcom_stays_small(airflow, vendor, local, monkeypatch):
    monkeypatch.setattr(comparison, "MAX_ROWS", 2)
    missing, report = reconciled(airflow, local)
    assert [*report["periods"]] == ["2026-01-04", "2026-01-05"]
    assert [*report_object(local)["periods"]] == [*DAYS]
    exported(airflow, local)
    missing, report = reconciled(airflow, local)
    assert (missing, report["periods"]) == ([], {})
    assert report["totals"]["landed"] == 12


def test_the_window_of_a_run_is_that_of_its_export(airflow, vendor, local):
    exported(airflow, local, days=["2026-01-05"])
    dag = airflow.dag(lambda: check(local, window="auto"))
    assert airflow.run(dag, "2026-01-06").result("reconcile") == []
    assert ids(airflow.run(dag, "2026-01-05").result("reconcile")) == ids_of(vendor, "2026-01-04")


def test_what_is_none_in_a_run_only_does_not_widen_the_comparison(airflow, vendor, local):
    given = {
        "window": {"window": "{{ none }}"},
        "window[0]": {"window": ["{{ none }}", "2026-01-08T00:00:00Z"]},
        "select": {"select": "{{ none }}"},
        "select.modelId": {"select": {"modelId": "{{ none }}"}},
    }

    def build():
        for number, arguments in enumerate(given.values()):
            check(local, task_id=f"task_{number}", **arguments)

    before = vendor.stats()["totals"]["requests"]
    run = airflow(build, render_template_as_native_obj=True)
    named = {one.task_id: str(one.error).partition(":")[0] for one in run.tries}
    assert named == {f"task_{number}": name for number, name in enumerate(given)}
    assert vendor.stats()["totals"]["requests"] == before


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ({"verify": "all"}, "verify must be one of manifest, sizes, bytes, not 'all'"),
        ({"period": "week"}, "period must be one of day, month, year, not 'week'"),
        ({"on_gaps": "skip"}, "on_gaps must be one of succeed, fail, not 'skip'"),
        ({"window": "since_last"}, "window='since_last' works only in exports"),
        ({"select": {"model": "x"}}, "select: unknown model"),
    ],
)
def test_a_wrong_argument_is_named(airflow, vendor, local, arguments, said):
    run = airflow(lambda: check(local, **arguments))
    assert type(run.error) is InvalidRequestError
    assert said in str(run.error)


@pytest.mark.parametrize("name", ["topaz", "huawei_roma"])
def test_other_vendors_are_compared_too(airflow, local, monkeypatch, name):
    short = name.removeprefix("huawei_")
    with running("--vendor", short, "--items", "12", "--job-seconds", "0.1") as sandbox:
        connect(monkeypatch, name, getattr(sandbox, short)["connection"])
        arguments = {"conn_id": name, "window": "all"}
        missing, report = reconciled(airflow, local, **arguments)
        assert report["totals"]["missing"] == len(ids(missing)) > 1
        run = airflow(repair(local, **arguments))
        assert run.state == "success", run.tries
        found, report = reconciled(airflow, local, verify="bytes", **arguments)
        assert (found, report["complete"]) == ([], True)
        stored = local.keys()
        local.delete(next(key for key in stored if f"{key}.manifest.json" in stored))
        found, report = reconciled(airflow, local, verify="sizes", **arguments)
        assert report["totals"]["damaged"] == len(ids(found)) > 0


def test_the_report_is_as_documented(airflow, vendor, local):
    exported(airflow, local, days=["2026-01-04"])
    vendor.add_late_item("scenario", "2026-01-04T23:59:00Z")
    window = ("2026-01-04T00:00:00Z", "2026-01-05T00:00:00Z")
    _, report = reconciled(airflow, local, window=window, verify="sizes")
    page = (DOCS / "reconcile.md").read_text(encoding="utf-8")
    (example,) = re.findall(r"```json\n(.*?)```", page, re.DOTALL)
    documented = json.loads(example)
    assert report["report_uri"].endswith(documented["report_uri"].partition("/scenario/")[2])
    places = {name: report[name] for name in ("destination", "report_uri")}
    assert report == {**documented, **places}


TODAY = datetime.now(timezone.utc).replace(hour=0, minute=0, second=0, microsecond=0)


@pytest.mark.parametrize("name", ["scenario", "topaz", "huawei_roma"])
def test_the_periods_of_every_vendor_are_those_of_its_windows(database, monkeypatch, name):
    """By the vendor's own listing of each day; a vendor that lists no windows is asked once."""
    short = name.removeprefix("huawei_")
    days = [TODAY - timedelta(days=back) for back in (4, 3, 2, 1)]
    flags = [
        f"--day={day:%Y-%m-%d}={count}" for day, count in zip(days, (3, 0, 120, 5), strict=True)
    ]
    with running("--vendor", short, "--items", "9", *flags) as sandbox:
        connect(monkeypatch, name, getattr(sandbox, short)["connection"])
        hook = AssetArchiveHook.for_conn(name)
        inputs = ExportInputs(hook.vendor, None, None, {})
        before = sandbox.stats()["totals"]["requests"]
        listed = list(each_period(hook, inputs, Window(days[0], TODAY), "day"))
        asked = sandbox.stats()["totals"]["requests"] - before
        assert [one.period.label for one in listed] == [f"{day:%Y-%m-%d}" for day in days]
        for one in listed:
            alone = hook.run(hook.vendor.select({}, one.period.window))
            assert sorted(one.selected.items) == sorted(alone.items)
        before = sandbox.stats()["totals"]["requests"]
        hook.run(hook.vendor.select({}, Window(days[0], TODAY)))
        once = sandbox.stats()["totals"]["requests"] - before
        assert sum(len(one.selected.items) for one in listed) >= 120
        assert asked == (5 if hook.vendor.spec.lists_windows else once)
