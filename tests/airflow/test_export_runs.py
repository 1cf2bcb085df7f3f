from __future__ import annotations

import copy

import pytest
from airflow.providers.standard.operators.empty import EmptyOperator
from airflow.sdk import Asset, AssetAlias, task, task_group
from exported import CONN, archive, archives, assert_as_served, export, exportable, ids_in, read

from airflow_provider_assets.exports import land
from airflow_provider_assets.operators.archive import AssetArchiveOperator
from airflow_provider_assets.sensors.archive import AssetArchiveSensor
from airflow_provider_assets.transfers.archive_to_object_storage import (
    ArchiveToObjectStorageOperator,
)

pytestmark = pytest.mark.airflow
MODES = pytest.mark.parametrize("deferrable", [False, True], ids=["blocking", "deferred"])


@MODES
def test_what_lands_in_a_folder_is_what_the_vendor_served(airflow, sandbox, folder, deferrable):
    run = airflow(export(folder.as_uri(), deferrable=deferrable))
    assert run.state == "success", run.tries
    (manifest,) = run.results("export.land")
    assert_as_served(manifest, read(folder), sandbox)
    (data,) = archives(read(folder)).values()
    assert sorted(ids_in(data)) == exportable(sandbox, "2026-01-06", "2026-01-07")


def test_blocking_and_deferred_runs_return_the_same(airflow, sandbox, tmp_path):
    results = []
    for deferrable in (False, True):
        folder = tmp_path / str(deferrable)
        run = airflow(export(folder.as_uri(), deferrable=deferrable))
        results.append((run.result("export.archive"), run.results("export.land")))
    blocking, deferred = ([_lasting(result, tmp_path) for result in r] for r in results)
    assert blocking == deferred
    assert sandbox.stats()["totals"]["accepted"] == 2


def _lasting(result, tmp_path):
    """*result* without what names one run: job, tag, moments, folder."""
    result = copy.deepcopy(result)
    for part in result:
        if "job" in part:
            part["job"].update(job_id="", submitted_at=0)
            part["request"]["tag"] = ""
            part["request"]["plan"].update(uri="", sha256="")
        else:
            part["facts"]["job_id"] = ""
            for name in ("uri", "manifest_uri", "metadata_uri"):
                part[name] = part[name].rpartition("/")[2]
    return result


@MODES
def test_two_batches_land_side_by_side_in_s3(airflow, sandbox, s3, deferrable):
    body = export("s3://s3_test@exports/nightly/", deferrable=deferrable)
    run = airflow(body, run={"logical_date": "2026-01-09"})
    assert run.state == "success", run.tries
    manifests = run.results("export.land")
    stored = s3()
    assert [m["entries"] for m in manifests] == [1000, 3]
    assert len(archives(stored)) == 2
    assert all(key.startswith("nightly/") for key in stored)
    for manifest in manifests:
        assert_as_served(manifest, stored, sandbox)
    found = sorted(i for data in archives(stored).values() for i in ids_in(data))
    assert found == exportable(sandbox, "2026-01-08", "2026-01-09")
    assert sandbox.stats()["totals"]["accepted"] == 2


def landed(folder, s3, store):
    """All that is stored but the plans, of which each run has its own."""
    stored = read(folder) if store == "file" else s3()
    return {key: data for key, data in stored.items() if ".plans/" not in key}


@pytest.mark.parametrize("store", ["file", "s3"])
def test_a_second_run_of_the_same_day_moves_nothing(airflow, sandbox, folder, s3, store):
    destination = folder.as_uri() if store == "file" else "s3://s3_test@exports/again/"
    dag = airflow.dag(export(destination, deferrable=True))
    (before,) = airflow.run(dag).results("export.land")
    stored = landed(folder, s3, store)
    sandbox.reset_stats()
    (after,) = airflow.run(dag).results("export.land")
    assert (before["skipped"], after["skipped"]) == (False, True)
    steady = {"facts": {}}
    assert {**before, "skipped": True, **steady} == {**after, **steady}
    assert sandbox.stats()["totals"]["downloads"] == 0
    assert landed(folder, s3, store) == stored


def test_asset_events_tell_what_landed(airflow, sandbox, folder):
    asset, alias = Asset("https://exports.test/nightly"), AssetAlias("landed")
    named = Asset(name="named", uri="https://exports.test/named")
    outlets = [asset, alias, Asset.ref(name="named")]

    def build():
        EmptyOperator(task_id="declares", inlets=[named])
        export(folder.as_uri(), landing_args={"outlets": outlets}, deferrable=True)()

    run = airflow(build)
    assert run.state == "success", run.tries
    (manifest,) = run.results("export.land")
    assert len(run.events()) == 3
    for uri, extra in run.events():
        assert uri in {asset.uri, named.uri, manifest["uri"]}
        assert extra.pop("window") == ["2026-01-06T00:00:00.000Z", "2026-01-07T00:00:00.000Z"]
        assert extra.pop("vendor") == "scenario"
        for name in ("conn_id", "job_id", "items", "batch", "batches"):
            assert extra.pop(name) == manifest["facts"][name]
        assert extra.keys() == manifest.keys() & {
            "uri", "bytes", "sha256", "entries", "manifest_uri", "metadata_uri", "skipped"
        }  # fmt: skip
        assert extra.items() <= manifest.items()


def test_an_address_that_no_asset_may_have_costs_its_event_only(airflow, sandbox, tmp_path):
    far = tmp_path.joinpath(*["d" * 200] * 8)
    run = airflow(export(far.as_uri(), landing_args={"outlets": [AssetAlias("landed")]}))
    assert run.state == "success", run.tries
    assert len(archives(read(far))) == 1
    assert run.events() == []


@MODES
def test_a_sensor_waits_for_what_another_task_submitted(airflow, sandbox, folder, deferrable):
    def build():
        submitted = archive(wait_for_completion=False)
        waited = AssetArchiveSensor(
            task_id="wait", archives=submitted.output, deferrable=deferrable, poke_interval=0.1
        )
        ArchiveToObjectStorageOperator.partial(task_id="land", destination=folder.as_uri()).expand(
            archive=waited.output
        )

    run = airflow(build)
    assert run.state == "success", run.tries
    (submitted,), (waited,) = run.result("archive"), run.result("wait")
    assert (submitted["job"]["state"], waited["job"]["state"]) == ("running", "succeeded")
    assert submitted["request"] == waited["request"]
    (manifest,) = run.results("land")
    assert_as_served(manifest, read(folder), sandbox)
    assert sandbox.stats()["totals"]["accepted"] == 1


def test_an_unfinished_archive_is_not_landed(airflow, sandbox, folder):
    sandbox.fault("job:stuck")

    def build():
        submitted = archive(wait_for_completion=False)
        ArchiveToObjectStorageOperator.partial(task_id="land", destination=folder.as_uri()).expand(
            archive=submitted.output
        )

    run = airflow(build)
    assert run.state == "failed"
    assert type(run.error).__name__ == "InvalidRequestError"
    assert "wait for it with AssetArchiveSensor" in str(run.error)
    assert read(folder) == {}


def test_an_empty_window_skips_succeeds_or_fails_as_told(airflow, sandbox):
    def build():
        for choice in ("skip", "succeed", "fail"):
            archive(task_id=choice, on_empty=choice)

    run = airflow(build, run={"logical_date": "2026-01-03"})
    assert run.states == {"skip": "skipped", "succeed": "success", "fail": "failed"}
    assert run.result("succeed") == []
    asked = "window 2026-01-02T00:00:00.000Z to 2026-01-03T00:00:00.000Z"
    assert f"nothing to export: no item matches: connection '{CONN}', {asked}" in str(run.error)
    assert sandbox.stats()["totals"]["submits"] == 0


@MODES
def test_a_partial_archive_fails_by_default_and_names_what_is_missing(
    airflow, sandbox, folder, deferrable
):
    sandbox.fault("job:partial=2")
    run = airflow(export(folder.as_uri(), deferrable=deferrable))
    assert run.state == "failed"
    assert type(run.error).__name__ == "PartialArchiveError"
    (reference,) = run.result("export.archive")
    packed = {entry["item_id"] for entry in sandbox.archive(reference["job"]["job_id"])["entries"]}
    missing = set(exportable(sandbox, "2026-01-06", "2026-01-07")) - packed
    assert len(missing) == 2
    assert all(item in str(run.error) for item in missing)
    assert 'on_partial="land"' in str(run.error)


@pytest.mark.parametrize("layout", ["archive", "files"])
def test_an_archive_without_files_fails_as_a_partial_one(airflow, sandbox, folder, layout):
    sandbox.fault("job:partial=7")
    run = airflow(export(folder.as_uri(), layout=layout))
    assert type(run.error).__name__ == "PartialArchiveError", run.tries
    assert "holds 0 of the 7 requested items" in str(run.error)


def test_a_partial_archive_lands_where_that_is_wanted(airflow, sandbox, folder):
    sandbox.fault("job:partial=2")
    run = airflow(export(folder.as_uri(), on_partial="land"))
    assert run.state == "success", run.tries
    (manifest,) = run.results("export.land")
    assert (manifest["entries"], manifest["facts"]["items"]) == (5, 7)
    assert_as_served(manifest, read(folder), sandbox)


def test_named_items_are_exported_whatever_the_window(airflow, sandbox, folder):
    ids = exportable(sandbox, "2026-01-05", "2026-01-08")[::3]
    run = airflow(
        export(folder.as_uri(), items={"asset_ids": ids}), run={"logical_date": "2030-01-01"}
    )
    assert run.state == "success", run.tries
    (data,) = archives(read(folder)).values()
    assert ids_in(data) == ids


def test_inputs_may_be_templates(airflow, sandbox):
    ids = exportable(sandbox, "2026-01-05", "2026-01-06")

    def build():
        archive(task_id="items", items={"asset_ids": "{{ dag_run.conf['ids'] }}"})
        archive(
            task_id="window",
            conn_id="{{ dag_run.conf['conn_id'] }}",
            window=["{{ macros.ds_add(ds, -2) }}T00:00:00Z", "{{ logical_date }}"],
            select={"originalAssets": "{{ dag_run.conf['originals'] }}"},
            max_items="{{ 5 + 6 }}",
        )

    conf = {"ids": ids, "conn_id": CONN, "originals": False}
    run = airflow(build, render_template_as_native_obj=True, run={"conf": conf})
    assert run.state == "success", run.tries
    (items,), (window,) = run.result("items"), run.result("window")
    assert items["request"]["items"]["asset_ids"] == ids
    assert items["request"]["window"] is None
    assert window["request"]["window"] == ["2026-01-05T00:00:00.000Z", "2026-01-07T00:00:00.000Z"]
    found = sorted(window["request"]["items"]["asset_ids"])
    assert found == exportable(sandbox, "2026-01-05", "2026-01-07")


@MODES
def test_what_mapped_tasks_found_can_be_exported_and_flattened_to_be_landed(
    airflow, sandbox, folder, deferrable
):
    ids = exportable(sandbox, "2026-01-05", "2026-01-06")

    @task
    def find(number):
        return ids[number]

    @task
    def flat(archives):
        return [one for many in archives for one in many]

    def build():
        items = {"asset_ids": find.expand(number=[0, 1, 2])}
        mapped = AssetArchiveOperator.partial(
            task_id="archive", conn_id=CONN, poll_interval=0.1, deferrable=deferrable
        ).expand(items=[items])
        ArchiveToObjectStorageOperator.partial(task_id="land", destination=folder.as_uri()).expand(
            archive=flat(mapped.output)
        )

    run = airflow(build)
    assert run.state == "success", run.tries
    (data,) = archives(read(folder)).values()
    assert ids_in(data) == ids[:3]


NOTHING = {"types": ["no-such-type"]}


def test_a_mapped_archive_that_finds_nothing_does_not_hold_up_the_others(airflow, sandbox, folder):
    @task
    def flat(archives):
        return [one for many in archives for one in many]

    def build():
        mapped = AssetArchiveOperator.partial(
            task_id="archive", conn_id=CONN, poll_interval=0.1
        ).expand(select=[{}, NOTHING])
        ArchiveToObjectStorageOperator.partial(task_id="land", destination=folder.as_uri()).expand(
            archive=flat(mapped.output)
        )

    run = airflow(build)
    assert set(run.states.values()) == {"success"}, run.states
    assert run.result("archive", 1) == []
    (data,) = archives(read(folder)).values()
    assert sorted(ids_in(data)) == exportable(sandbox, "2026-01-06", "2026-01-07")


@pytest.mark.parametrize("is_read_outside", [False, True], ids=["inside", "outside"])
def test_in_a_mapped_group_nothing_skips_the_landing_of_its_own_instance_alone(
    airflow, sandbox, folder, is_read_outside
):
    @task
    def landed(archives):
        return [land(one, folder.as_uri())["uri"] for one in archives]

    @task
    def count(archives):
        return sum(len(many) for many in archives)

    def build():
        @task_group
        def one(select):
            found = archive(select=select)
            landed(found.output)
            return found.output

        found = one.expand(select=[{}, NOTHING])
        if is_read_outside:
            count(found)

    run = airflow(build)
    ends = [run.states[f"one.{name}[1]"] for name in ("archive", "landed")]
    assert len(run.result("one.landed", 0)) == len(archives(read(folder))) == 1
    if is_read_outside:
        assert ends == ["success", "success"]
        assert run.result("count") == 1
    else:
        assert ends == ["skipped", "skipped"]


def test_a_list_of_archives_is_refused_with_the_way_to_map_over_it(airflow, sandbox, folder):
    def build():
        ArchiveToObjectStorageOperator(
            task_id="land", archive=archive().output, destination=folder.as_uri()
        )

    error = str(airflow(build).error)
    assert "got list; map over the list with .expand(archive=...). If the archive task is" in error


BAD = {
    "unknown_kind": (
        {"items": {"asset_id": ["a"]}},
        "items: unknown asset_id; known names are asset_ids",
    ),
    "text_for_a_list": ({"items": {"asset_ids": "abc"}}, "items.asset_ids: expected a list of ids"),
    "empty_id": ({"items": {"asset_ids": ["a", " "]}}, "items.asset_ids[1]"),
    "rendered_to_text": (
        {"items": "{{ {'asset_ids': []} }}"},
        "render_template_as_native_obj=True",
    ),
    "both": (
        {"items": {"asset_ids": ["a"]}, "select": {}},
        "items and select are mutually exclusive",
    ),
    "unknown_filter": ({"select": {"modelID": "m"}}, "select: unknown modelID; known names are"),
    "type_and_types": (
        {"select": {"type": "a", "types": ["b"]}},
        "type and types are mutually exclusive",
    ),
    "unknown_option": (
        {"options": {"template": "x"}},
        "options: unknown template; known names are",
    ),
    "long_name": ({"options": {"archive_name": "n" * 129}}, "the limit is 128"),
    "naive": ({"window": ("2026-01-06T00:00:00", "2026-01-07T00:00:00")}, "has no time zone"),
    "backward": ({"window": ("2026-01-07T00:00:00Z", "2026-01-06T00:00:00Z")}, "is empty"),
    "no_moment": ({"window": ("yesterday", "today")}, "window start: 'yesterday'"),
    "too_many": ({"max_items": 6}, "7 items are selected, more than max_items=6"),
    "on_empty": (
        {"on_empty": "ignore"},
        "on_empty must be one of skip, succeed, fail, not 'ignore'",
    ),
    "on_partial": ({"on_partial": "skip"}, "on_partial must be one of fail, land, not 'skip'"),
    "timeout": ({"timeout": 0}, "timeout must be a positive number of seconds"),
    "poll_interval": ({"poll_interval": "5s"}, "poll_interval must be a positive number"),
    "max_items": ({"max_items": "many"}, "max_items must be a positive whole number, not 'many'"),
}


def test_bad_inputs_are_named_before_anything_is_submitted(airflow, sandbox):
    def build():
        for name, (arguments, _) in BAD.items():
            archive(task_id=name, retries=3, **arguments)

    run = airflow(build)
    errors = {one.task_id: one.error for one in run.tries}
    assert {name: type(error).__name__ for name, error in errors.items()} == dict.fromkeys(
        BAD, "InvalidRequestError"
    )
    assert len(run.tries) == len(BAD), "what a person must correct is not tried again"
    assert [name for name, (_, text) in BAD.items() if text not in str(errors[name])] == []
    assert sandbox.stats()["totals"]["submits"] == 0
