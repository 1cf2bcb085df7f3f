"""More batches than Airflow can map over land all the same, several in each mapped task."""

from __future__ import annotations

from dataclasses import replace

import pytest
from airflow.sdk import Asset, AssetAlias
from exported import archive, archives, assert_as_served, export, exportable, ids_in, read

from airflow_provider_assets.sansio import errors
from airflow_provider_assets.sansio.groups import ungrouped
from airflow_provider_assets.sensors.archive import AssetArchiveSensor
from airflow_provider_assets.transfers.archive_to_object_storage import (
    ArchiveToObjectStorageOperator,
)
from airflow_provider_assets.vendors.scenario import Scenario

pytestmark = pytest.mark.airflow


@pytest.fixture(autouse=True)
def limits(airflow, monkeypatch):
    """Seven assets make four batches, and no task may be mapped over more than three."""
    monkeypatch.setenv("AIRFLOW__CORE__MAX_MAP_LENGTH", "3")
    monkeypatch.setattr(Scenario, "spec", replace(Scenario.spec, max_batch=2))


@pytest.mark.parametrize("deferrable", [False, True], ids=["blocking", "deferred"])
def test_more_batches_than_can_be_mapped_over_land_in_groups(airflow, sandbox, folder, deferrable):
    outlets = [Asset("https://exports.test/grouped"), AssetAlias("grouped")]
    body = export(folder.as_uri(), deferrable=deferrable, landing_args={"outlets": outlets})
    run = airflow(body)
    assert run.state == "success", run.tries
    groups = run.result("export.archive")
    assert [len(ungrouped(one)) for one in groups] == [2, 2]
    landed = run.results("export.land")
    assert [len(manifests) for manifests in landed] == [2, 2]
    stored = read(folder)
    for manifest in [one for manifests in landed for one in manifests]:
        assert_as_served(manifest, stored, sandbox)
    found = sorted(i for data in archives(stored).values() for i in ids_in(data))
    assert found == exportable(sandbox, "2026-01-06", "2026-01-07")
    uris = sorted(one["uri"] for manifests in landed for one in manifests)
    extras = [extra for _, extra in run.events()]
    ours = [one for extra in extras for one in extra.get("landed", ())]
    assert sorted(one["uri"] for one in ours) == uris
    assert sorted(extra["uri"] for extra in extras if "uri" in extra) == uris


def test_a_partial_archive_does_not_hold_up_the_others_of_its_group(airflow, sandbox, folder):
    sandbox.fault("job:partial=1:1")
    run = airflow(export(folder.as_uri(), report=True))
    assert [type(one.error) for one in run.tries] == [errors.PartialArchiveError] * 2
    assert len(archives(read(folder))) == 4
    assert sorted(run.states.values()) == ["failed", "failed", "success", "success"]
    (page,) = (folder / "reports").iterdir()
    shown = page.read_text(encoding="utf-8")
    assert "4 of 4" in shown
    assert "PartialArchiveError" in shown
    assert "has not landed" not in shown


def test_a_damaged_archive_does_not_hold_up_the_others_of_its_group(airflow, sandbox, folder):
    sandbox.fault("download:corrupt@900:1")
    run = airflow(export(folder.as_uri()))
    assert [type(one.error) for one in run.tries] == [errors.IntegrityError]
    assert len(archives(read(folder))) == 3


def test_a_damaged_archive_is_tried_again_though_another_of_its_group_is_partial(
    airflow, sandbox, folder
):
    sandbox.fault("job:partial=1:1")
    sandbox.fault("download:corrupt@900:1,after=1")
    run = airflow(export(folder.as_uri(), landing_args={"retries": 1}))
    assert [type(one.error) for one in run.tries] == [
        errors.IntegrityError,
        errors.PartialArchiveError,
    ]
    assert len(archives(read(folder))) == 4


def test_a_retry_lands_what_is_left_of_its_group(airflow, sandbox, folder):
    sandbox.fault("download:500html:8,after=1")
    run = airflow(export(folder.as_uri(), landing_args={"retries": 3}))
    assert run.state == "success", run.tries
    assert run.tries
    found = sorted(i for data in archives(read(folder)).values() for i in ids_in(data))
    assert found == exportable(sandbox, "2026-01-06", "2026-01-07")


def test_a_sensor_hands_groups_on(airflow, sandbox, folder):
    def build():
        submitted = archive(wait_for_completion=False)
        waited = AssetArchiveSensor(task_id="wait", archives=submitted.output, poke_interval=0.1)
        ArchiveToObjectStorageOperator.partial(task_id="land", destination=folder.as_uri()).expand(
            archive=waited.output
        )

    run = airflow(build)
    assert run.state == "success", run.tries
    assert len(archives(read(folder))) == 4
