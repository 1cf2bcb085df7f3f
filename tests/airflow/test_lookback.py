"""``lookback``: what the vendor lists late is exported by a later run, and nothing twice."""

from __future__ import annotations

import json
import logging
from contextlib import closing
from dataclasses import dataclass
from datetime import timedelta

import pytest
from airflow.sdk import DAG
from airflow_runs import connect, day
from exported import CONN, archive, archives, export, exportable, ids_in, read

from airflow_provider_assets.airflow_compat import AIRFLOW_V_3_3_PLUS
from airflow_provider_assets.destinations import open_destination
from airflow_provider_assets.exports import asset_export
from airflow_provider_assets.hooks.base import AssetArchiveHook
from airflow_provider_assets.listing.batches import list_batches
from airflow_provider_assets.listing.inputs import ExportInputs
from airflow_provider_assets.listing.lookback import Lookback
from airflow_provider_assets.listing.spool import ListingSpool
from airflow_provider_assets.operators.choices import check_choices
from airflow_provider_assets.sandbox import running
from airflow_provider_assets.sansio.errors import InvalidRequestError
from airflow_provider_assets.sansio.records import Facts
from airflow_provider_assets.sansio.window import BEGINNING, Window
from airflow_provider_assets.vendors import huawei_roma_parsing
from airflow_provider_assets.vendors.base import Vendor

pytestmark = pytest.mark.airflow
DAYS = ("--day", "2026-01-04=2", "--day", "2026-01-05=3", "--day", "2026-01-06=4")
SIXTH = Window(day("2026-01-06"), day("2026-01-07"))


@pytest.fixture
def nights(monkeypatch):
    with running("--vendor", "scenario", "--items", "0", *DAYS, "--job-seconds", "0.2") as sandbox:
        connect(monkeypatch, CONN, sandbox.scenario["connection"])
        yield sandbox


def landed(folder):
    """Name of each object -> the ids of the items in it."""
    return {key: sorted(ids_in(data)) for key, data in archives(read(folder)).items()}


def ids_of(objects):
    return sorted(one for ids in objects.values() for one in ids)


def test_a_late_item_comes_with_a_later_run_and_nothing_comes_twice(airflow, nights, folder):
    told = {"archive_args": {"on_empty": "fail"}}
    dag = airflow.dag(export(folder.as_uri(), lookback=timedelta(days=1), retries=1, **told))
    assert airflow.run(dag, "2026-01-05").state == "success"
    first = landed(folder)
    assert ids_of(first) == exportable(nights, "2026-01-04", "2026-01-05")
    late = nights.add_items("scenario", "2026-01-04", 2)
    # The plan of the first attempt is submitted by the second one, which lists nothing from 3.3 on.
    nights.reset_stats()
    nights.fault("submit:500:1")
    run = airflow.run(dag, "2026-01-06")
    assert (run.state, len(run.tries)) == ("success", 1)
    listings = 2 if AIRFLOW_V_3_3_PLUS else 4  # the overlap and the window
    assert nights.stats()["totals"]["listings"] == listings
    second = landed(folder)
    assert first.items() <= second.items()
    assert set(late) <= set(ids_of(second))
    assert ids_of(second) == exportable(nights, "2026-01-04", "2026-01-06")
    # A window that is run again gets what is new in it, in an object of its own.
    again = airflow.clear(dag, run)
    assert again.states["export.archive"] == "failed"
    assert "nothing to export: all listed items have landed before" in str(again.error)
    (new,) = nights.add_items("scenario", "2026-01-05", 1)
    assert airflow.clear(dag, run).state == "success"
    third = landed(folder)
    assert second.items() <= third.items()
    assert ids_of({key: third[key] for key in third.keys() - second.keys()}) == [new]


def test_what_has_no_time_may_have_been_changed_since_it_landed(airflow, folder, monkeypatch):
    apps = ("--day", "2026-01-04=2")
    with running("--vendor", "roma", "--items", "0", *apps, "--job-seconds", "0.2") as roma:
        connect(monkeypatch, CONN, roma.roma["connection"])
        dag = airflow.dag(
            export(folder.as_uri(), select={"apps": True}, lookback=timedelta(days=3))
        )

        def exports_of(date):
            roma.reset_stats()
            assert airflow.run(dag, date).state == "success"
            return roma.stats()["totals"].get("accepted", 0)

        assert exports_of("2026-01-05") == 1
        assert exports_of("2026-01-06") == 0
        monkeypatch.setattr(huawei_roma_parsing, "CHANGED", ())
        assert exports_of("2026-01-07") == 1


@dataclass
class Touched:
    """A vendor that says of one item that it was changed much later."""

    vendor: Vendor
    changed: str

    @property
    def spec(self):
        return self.vendor.spec

    def facts(self, query, record):
        return Facts(changed_at=4e9 if record["id"] == self.changed else 0.0)


@pytest.fixture
def look(airflow, nights, folder):
    """What is left of a listing of the sixth and the day before, of which all has landed."""
    dag = airflow.dag(export(folder.as_uri()))
    for date in ("2026-01-05", "2026-01-06", "2026-01-07"):
        assert airflow.run(dag, date).state == "success"
    hook = AssetArchiveHook.for_conn(CONN)

    def looked(changed="", **facts):
        target, log = open_destination(folder.as_uri()), logging.getLogger("look")
        lookback = Lookback(timedelta(days=1), Touched(hook.vendor, changed), target, log, facts)
        with closing(ListingSpool()) as spool:
            inputs = ExportInputs(hook.vendor, None, None, {})
            list_batches(hook, inputs, SIXTH, "2026-01-07", spool, lookback=lookback)
            return sorted(item.id for item in spool)

    return looked


def test_what_has_landed_is_left_out_unless_it_was_changed_or_its_manifest_cannot_be_read(
    look, nights, folder, caplog
):
    assert look() == []
    item = exportable(nights, "2026-01-06", "2026-01-07")[0]
    assert look(changed=item) == [item]
    # Only manifests that may hold what is listed are read.
    manifests = {path.name[:19]: path for path in folder.glob("*.manifest.json")}
    manifests["scenario-2026-01-04"].write_text("broken")
    assert look() == []
    assert "cannot be read" not in caplog.text
    manifests["scenario-2026-01-05"].write_text("broken")
    assert look() == exportable(nights, "2026-01-05", "2026-01-06")
    assert "may be exported again" in caplog.text
    # A name that tells of no window is read.
    manifests["scenario-2026-01-06"].rename(folder / "mine.zip.manifest.json")
    assert look() == exportable(nights, "2026-01-05", "2026-01-06")


def test_what_has_landed_otherwise_has_not_landed(look, nights, folder):
    ours = {"conn_id": CONN, "options": {"flat": True}, "layout": "archive", "target_format": None}
    others = ["another", {"mode": "links"}, "files", "webp"]
    assert look(**ours) == []
    for name, other in zip(ours, others, strict=True):
        assert look(**{**ours, name: other}) == exportable(nights, "2026-01-05", "2026-01-07")
    for path in folder.glob("*.manifest.json"):  # as of an earlier release
        record = json.loads(path.read_text())
        del record["facts"]["options"]
        path.write_text(json.dumps(record))
    assert look(**{**ours, "options": {"mode": "links"}}) == []


def test_two_exports_of_the_same_items_in_one_place_do_not_count_for_each_other(
    airflow, nights, folder
):
    look = {"lookback": timedelta(days=1)}
    named = {"options": {"archive_name": "nightly-{{ run_id }}"}}
    originals = airflow.dag(export(folder.as_uri(), **look, **named))
    jpegs = airflow.dag(
        export(folder.as_uri(), **look, mode="links", target_format="jpeg", layout="files")
    )
    wanted = exportable(nights, "2026-01-04", "2026-01-06")
    for dag in (originals, jpegs):
        assert airflow.run(dag, "2026-01-06").state == "success"
        assert airflow.run(dag, "2026-01-06").states["export.archive"] == "skipped"
    files = {path.stem: path.suffix for path in folder.rglob("*.jpeg")}
    assert files == dict.fromkeys(wanted, ".jpeg")


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        ({}, {"layout": "archive", "target_format": None}),
        (
            {"layout": "files", "target_format": "webp"},
            {"layout": "files", "target_format": "webp"},
        ),
        ({"target_format": "{{ params.format }}"}, {"layout": "archive"}),
    ],
)
def test_an_export_tells_its_archive_task_how_it_lands(arguments, told):
    with DAG("told", schedule=None):
        group = asset_export("export", conn_id=CONN, destination="file:///landed/", **arguments)
    assert group.children["export.archive"].landing_facts == told
    with DAG("told", schedule=None, default_args=arguments):
        group = asset_export("export", conn_id=CONN, destination="file:///landed/")
    assert group.children["export.archive"].landing_facts == told


def check(operator):
    check_choices({**vars(operator), "dry_run": operator.is_dry_run})


@pytest.mark.parametrize(
    ("arguments", "named"),
    [
        ({"plans": None}, "set plans"),
        ({"window": "all"}, "window='all'"),
        ({"window": None}, "window='all'"),
        ({"items": {"asset_ids": ["a"]}}, "items"),
        ({"lookback": 0}, "lookback must be .*, not 0"),
        ({"lookback": "soon"}, "lookback must be .*, not 'soon'"),
        ({"lookback": timedelta(days=-1)}, "lookback must be a positive number"),
    ],
)
def test_a_lookback_without_a_meaning_is_refused_by_name(arguments, named):
    given = {"lookback": timedelta(days=1), "plans": "file:///landed", **arguments}
    with pytest.raises(InvalidRequestError, match=named):
        check(archive(**given))


@pytest.mark.parametrize("window", ["auto", "since_last", timedelta(days=1), ("a", "b")])
def test_a_window_with_a_start_may_be_extended(window):
    check(archive(lookback=timedelta(days=1), plans="file:///landed", window=window))


@pytest.mark.parametrize(
    ("days", "window", "named"),
    [(3_000_000, SIXTH, "year 1"), (1, Window(BEGINNING, SIXTH.end), "without a beginning")],
)
def test_a_lookback_before_all_time_is_refused(days, window, named):
    lookback = Lookback(timedelta(days=days), None, None, None)
    with pytest.raises(InvalidRequestError, match=named):
        lookback.overlap(window)


@pytest.mark.parametrize("is_default", [False, True])
def test_a_destination_of_each_run_of_its_own_needs_the_place_of_all_runs(is_default):
    given = {"conn_id": CONN, "destination": "file:///landed/{{ ds }}/"}
    look = {"lookback": 3600}
    arguments, defaults = ({}, look) if is_default else (look, {})
    with DAG("lookback", schedule=None, default_args=defaults):
        with pytest.raises(InvalidRequestError, match="set plans"):
            asset_export("refused", **given, **arguments)
        assert asset_export("export", **given, **arguments, plans="file:///landed/")
    place = {"plans": "file:///landed/"}
    with DAG("lookback", schedule=None, default_args={**defaults, **place}):
        group = asset_export("export", **given, **arguments)
    assert group.children["export.archive"].plans == "file:///landed/"


def test_how_the_defaults_of_a_dag_land_is_known_to_its_lookback(airflow, nights, folder):
    dag = airflow.dag(
        export(folder.as_uri(), lookback=timedelta(days=1)), default_args={"layout": "files"}
    )
    for date in ("2026-01-05", "2026-01-06"):
        assert airflow.run(dag, date).state == "success"
    assert airflow.run(dag, "2026-01-06").states["export.archive"] == "skipped"
