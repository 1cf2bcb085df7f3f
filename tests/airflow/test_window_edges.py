"""Nothing is lost and nothing is exported twice where a window ends, however late the vendor is."""

from __future__ import annotations

from contextlib import closing
from datetime import datetime, timedelta, timezone
from pathlib import Path
from tempfile import TemporaryDirectory
from types import SimpleNamespace

import pytest
from airflow.providers.standard.triggers.temporal import DateTimeTrigger
from airflow.sdk.exceptions import TaskDeferred
from airflow_runs import connect
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from airflow_provider_assets.hooks.scenario import ScenarioHook
from airflow_provider_assets.landing.manifest import Contents, Entry, Manifest
from airflow_provider_assets.landing.markers import MANIFEST_SUFFIX
from airflow_provider_assets.listing import settled
from airflow_provider_assets.listing.spool import ListingSpool
from airflow_provider_assets.operators.archive import AssetArchiveOperator
from airflow_provider_assets.sandbox import running
from airflow_provider_assets.sansio import errors
from airflow_provider_assets.sansio.moments import iso_ms
from airflow_provider_assets.sansio.settle import LISTING_LAG, PENDING_TIMEOUT
from airflow_provider_assets.sansio.window import Window

pytestmark = pytest.mark.airflow
DAY = timedelta(days=1)
# Topaz keeps seven days, by this machine's clock as well.
TODAY = datetime.now(timezone.utc).replace(hour=0, minute=0, second=0, microsecond=0)
NIGHTS = [TODAY - 3 * DAY, TODAY - 2 * DAY, TODAY - DAY]
CONN = "late_vendor"


@pytest.fixture(scope="module")
def late():
    with running("--items", "0", "--empty-pages", "0") as sandbox:
        yield sandbox


@pytest.fixture
def vendors(late, monkeypatch):
    for vendor in ("scenario", "topaz"):
        connect(monkeypatch, f"{CONN}_{vendor}", getattr(late, vendor)["connection"])
    return late


class Night:
    """The listing of one run, on the sandbox's clock, which waiting moves."""

    def __init__(self, sandbox, operator, now):
        self.sandbox, self.operator, self.now = sandbox, operator, now

    def pause(self, wait):
        self.now += timedelta(seconds=wait)
        self.sandbox.set_clock(iso_ms(self.now))

    def listed(self, window, monkeypatch):
        self.pause(0.0)
        with monkeypatch.context() as patch:
            patch.setattr(settled, "_now", lambda: self.now)
            patch.setattr(self.operator, "_pause", self.pause)
            run = SimpleNamespace(logical_date=window.end, run_after=None)
            selection = self.operator._inputs({})
            if selection.items is not None:
                window = None
            with closing(ListingSpool()) as spool:
                requests = self.operator._listed({"dag_run": run}, selection, window, spool)
                return [
                    one for request in requests for ids in request.items.values() for one in ids
                ]


def note_landed(folder: Path, night: int, ids: list[str]) -> None:
    """The manifest that the landing of a night's archive leaves."""
    name = f"{night}.zip"
    manifest = Manifest(
        (folder / name).as_uri(),
        bytes=len(ids),
        sha256=None,
        crc32=None,
        entries=len(ids),
        manifest_uri=(folder / f"{name}{MANIFEST_SUFFIX}").as_uri(),
        verified=("zip_structure",),
        facts={"vendor": "scenario", "items": len(ids)},
    )
    entries = [Entry(f"{item}.png", 1) for item in ids]
    document = manifest.document(entries, Contents({"asset_ids": tuple(ids)}))
    (folder / f"{name}{MANIFEST_SUFFIX}").write_bytes(document)


seconds = st.integers(0, 86_400_000 - 1).map(lambda ms: timedelta(milliseconds=ms))
near_the_edge = st.integers(-20 * 60_000, -1).map(lambda ms: DAY + timedelta(milliseconds=ms))
items = st.lists(
    st.fixed_dictionaries(
        {
            "night": st.sampled_from(NIGHTS),
            "at": st.one_of(near_the_edge, seconds),
            "finish_after": st.integers(0, int(PENDING_TIMEOUT.total_seconds()) - 1),
            "list_after": st.integers(0, int(LISTING_LAG.total_seconds()) - 1),
            "touched": st.booleans(),
        }
    ),
    max_size=6,
)


@pytest.mark.long
@pytest.mark.parametrize(
    ("vendor", "select"),
    [("scenario", {}), ("scenario", {"by": "updatedAt"}), ("topaz", {})],
    ids=["scenario by creation", "scenario by update", "topaz"],
)
@settings(
    max_examples=30,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(late_items=items, starts_after=st.integers(0, 120))
def test_whatever_is_finished_or_listed_late_is_exported_exactly_once(
    vendors, monkeypatch, vendor, select, late_items, starts_after
):
    vendors.set_clock(iso_ms(NIGHTS[0]))
    made = []
    for item in late_items:
        how = {name: item[name] for name in ("finish_after", "list_after", "touched")}
        how["touched"] |= vendor == "topaz"  # whose processes always are
        made.append(vendors.add_late_item(vendor, iso_ms(item["night"] + item["at"]), **how))
    try:
        exported = []
        operator = AssetArchiveOperator(
            task_id="archive", conn_id=f"{CONN}_{vendor}", select=select
        )
        for start in [*NIGHTS, TODAY]:
            window = Window(start, start + DAY)
            night = Night(vendors, operator, window.end + timedelta(seconds=starts_after))
            exported += night.listed(window, monkeypatch)
        assert sorted(exported) == sorted(made)
    finally:
        for item in made:
            vendors.remove_item(vendor, item)


within_a_day = st.integers(0, 86_400 - 1)
much_later = st.lists(
    st.fixed_dictionaries(
        {
            "at": st.one_of(near_the_edge, seconds).map(lambda at: at + NIGHTS[0]),
            "list_after": st.one_of(within_a_day, st.just(86_400 - 1)),
        }
    ),
    max_size=5,
)


@pytest.mark.long
@settings(max_examples=20, deadline=None, suppress_health_check=list(HealthCheck))
@given(items=much_later, starts_after=st.integers(0, 120))
def test_with_a_lookback_whatever_is_listed_within_it_is_exported_exactly_once(
    vendors, monkeypatch, items, starts_after
):
    vendors.set_clock(iso_ms(NIGHTS[0]))
    made = [
        vendors.add_late_item("scenario", iso_ms(item["at"]), list_after=item["list_after"])
        for item in items
    ]
    try:
        with TemporaryDirectory() as place:
            folder, exported = Path(place), []
            for number, start in enumerate([*NIGHTS, TODAY]):
                window = Window(start, start + DAY)
                night = night_of(
                    vendors,
                    window.end + timedelta(seconds=starts_after),
                    lookback=DAY,
                    plans=folder.as_uri(),
                )
                found = night.listed(window, monkeypatch)
                note_landed(folder, number, found)
                exported += found
        assert sorted(exported) == sorted(made)
    finally:
        for item in made:
            vendors.remove_item("scenario", item)


@pytest.fixture
def stuck(vendors):
    """An asset that stays unfinished for two days, and the window it was created in."""
    window = Window(NIGHTS[0], NIGHTS[1])
    at = iso_ms(window.end - timedelta(minutes=1))
    vendors.set_clock(at)
    item = vendors.add_late_item("scenario", at, finish_after=2 * 86400)
    yield item, window
    vendors.remove_item("scenario", item)


def night_of(sandbox, now, **arguments):
    operator = AssetArchiveOperator(task_id="archive", conn_id=f"{CONN}_scenario", **arguments)
    return Night(sandbox, operator, now)


def test_what_stays_unfinished_fails_the_run_before_anything_is_submitted(
    vendors, stuck, monkeypatch
):
    item, window = stuck
    night = night_of(vendors, window.end)
    with pytest.raises(errors.ItemsPendingError, match=item) as caught:
        night.listed(window, monkeypatch)
    assert night.now == window.end + PENDING_TIMEOUT
    assert 'on_partial="land"' in str(caught.value)
    assert caught.value.retry_after == 300


def test_what_stays_unfinished_is_named_where_that_is_accepted(vendors, stuck, monkeypatch, capsys):
    item, window = stuck
    night = night_of(vendors, window.end, on_partial="land", pending_timeout=0)
    assert night.listed(window, monkeypatch) == []
    assert night.now == window.end + LISTING_LAG
    assert item in "".join(capsys.readouterr())


def test_what_a_named_inference_has_not_finished_fails_the_run_or_is_named(
    vendors, stuck, monkeypatch, capsys
):
    item, window = stuck
    record = ScenarioHook(f"{CONN}_scenario").asset_metadata([item])[item]
    items = {"inference_ids": [record["metadata"]["inferenceId"]]}
    night = night_of(vendors, window.end, items=items)
    with pytest.raises(errors.ItemsPendingError, match=item):
        night.listed(window, monkeypatch)
    assert night.now == window.end + PENDING_TIMEOUT
    night = night_of(vendors, window.end, items=items, on_partial="land", pending_timeout=0)
    assert item not in night.listed(window, monkeypatch)
    assert item in "".join(capsys.readouterr())


def test_what_the_vendor_never_finished_does_not_hold_up_a_backfill(vendors, stuck, monkeypatch):
    _, window = stuck
    night = night_of(vendors, window.end + timedelta(days=1, minutes=1))
    assert night.listed(window, monkeypatch) == []


@pytest.fixture
def spool():
    with closing(ListingSpool()) as made:
        yield made


def test_a_deferrable_task_settles_in_the_triggerer(vendors, spool):
    operator = AssetArchiveOperator(
        task_id="archive", conn_id=f"{CONN}_scenario", deferrable=True, settle=90
    )
    now = datetime.now(timezone.utc)
    window = Window(now - DAY, now)
    run = SimpleNamespace(logical_date=window.end, run_after=None)
    with pytest.raises(TaskDeferred) as caught:
        operator._listed({"dag_run": run}, operator._inputs({}), window, spool)
    deferred = caught.value
    assert isinstance(deferred.trigger, DateTimeTrigger)
    assert 0 < (deferred.trigger.moment - now).total_seconds() <= 91
    assert deferred.method_name == "execute_listing"


@pytest.mark.parametrize("name", ["settle", "pending_timeout"])
@pytest.mark.parametrize("value", [-1, "soon", None, float("nan"), True, timedelta(seconds=-1)])
def test_a_time_that_is_none_is_refused_by_name(vendors, spool, name, value):
    operator = AssetArchiveOperator(task_id="archive", conn_id=f"{CONN}_scenario", **{name: value})
    window = Window(NIGHTS[0], NIGHTS[1])
    with pytest.raises(errors.InvalidRequestError, match=f"{name} must be 0 or more"):
        operator._listed({}, operator._inputs({}), window, spool)
