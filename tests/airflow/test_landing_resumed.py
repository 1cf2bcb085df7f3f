"""An attempt that breaks while its archive lands, and the retry that fetches only the rest."""

from __future__ import annotations

import json
import random
from dataclasses import dataclass, field, replace

import pytest
from airflow.sdk.execution_time.context import TaskStateStoreAccessor
from airflow_runs import connect
from exported import archive, archives, read

from airflow_provider_assets.sandbox import running
from airflow_provider_assets.sansio.errors import TransferInterruptedError
from airflow_provider_assets.transfers.archive_to_object_storage import (
    ArchiveToObjectStorageOperator,
)

pytestmark = pytest.mark.airflow
ITEM = 2_000_000
COUNT = 12
MIB = 1 << 20


@pytest.fixture(scope="module")
def _large():
    with running(
        "--vendor", "scenario", "--day", f"2026-01-06={COUNT}", "--items", "0",
        "--item-bytes", str(ITEM), "--job-seconds", "0.2",
    ) as sandbox:  # fmt: skip
        yield sandbox


@pytest.fixture
def large(_large, monkeypatch):
    """Vendors with large items."""
    _large.clear_faults()
    _large.reset_stats()
    connect(monkeypatch, "scenario_default", _large.scenario["connection"])
    return _large


class Hasty(ArchiveToObjectStorageOperator):
    """Gives up at the first broken request, so that a test need not wait for six."""

    def _options(self, hook):
        return replace(super()._options(hook), attempts=1)


@dataclass
class Fetched:
    """Bytes that the source has sent: until the retry, and in all."""

    sandbox: object
    before: list[int] = field(default_factory=list)
    errors: list[type] = field(default_factory=list)

    def note(self, context) -> None:
        self.errors.append(type(context["exception"]))
        self.before.append(self.sandbox.stats()["totals"]["bytes"])

    @property
    def total(self) -> int:
        return self.sandbox.stats()["totals"]["bytes"]


@pytest.fixture(params=["local", "s3"])
def destination(request, folder):
    """Where it lands, and what has landed there."""
    if request.param == "local":
        return folder.as_uri(), lambda: read(folder)
    return f"s3://s3_test@exports/resumed{random.randrange(10**6)}/", request.getfixturevalue("s3")


def landing(fetched, destination, *, mode="archive", **options):
    def build():
        submitted = archive(mode=mode)
        Hasty.partial(
            task_id="land", destination=destination, retries=1, part_size=5 * MIB,
            on_retry_callback=fetched.note, **options,
        ).expand(archive=submitted.output)  # fmt: skip

    return build


def test_a_retry_fetches_only_the_rest_of_an_archive(airflow, large, destination, statsd):
    where, stored = destination
    large.fault("download:reset@0:1,after=4")
    fetched = Fetched(large)
    run = airflow(landing(fetched, where, concurrency=1))
    assert run.state == "success", run.tries
    assert fetched.errors == [TransferInterruptedError]
    (manifest,) = run.results("land")
    size = manifest["bytes"]
    assert size > COUNT // 2 * ITEM
    assert fetched.before[0] >= 10 * MIB
    assert fetched.total <= 1.1 * size + ITEM, "a part that was stored came once more"
    assert [len(data) for data in archives(stored()).values()] == [size]
    counted = statsd.sums()
    assert (counted["landed"], counted["resumed"]) == (1, 1)


def test_a_retry_fetches_only_the_files_of_an_archive_that_are_missing(
    airflow, large, destination, statsd
):
    where, stored = destination
    large.fault("download:reset@0:1,after=6")
    fetched = Fetched(large)
    run = airflow(landing(fetched, where, concurrency=1, layout="files"))
    assert run.state == "success", run.tries
    assert fetched.errors == [TransferInterruptedError]
    (manifest,) = run.results("land")
    assert fetched.before[0] >= 4 * MIB
    assert fetched.total <= 1.3 * manifest["bytes"]
    assert len(archives(stored())) == manifest["entries"]
    assert statsd.sums()["resumed"] == 1


@pytest.mark.parametrize("how", [{"target_format": "png"}, {"mode": "links"}])
def test_a_retry_fetches_only_the_downloads_that_are_missing(
    airflow, large, destination, statsd, how
):
    where, stored = destination
    large.fault("download:reset@0:1,after=6")
    fetched = Fetched(large)
    few = {"layout": "files", "concurrency": 1, "max_memory": 32 * MIB}
    run = airflow(landing(fetched, where, **few, **how))
    assert run.state == "success", run.tries
    assert fetched.errors == [TransferInterruptedError]
    (manifest,) = run.results("land")
    assert fetched.before[0] >= 4 * ITEM
    # The broken one, and the three that were under way beside it.
    assert fetched.total <= manifest["bytes"] + 4 * ITEM
    assert len(archives(stored())) == manifest["entries"]
    assert statsd.sums()["resumed"] == 1


def test_a_task_state_that_fails_costs_a_resume_and_nothing_else(
    airflow, large, folder, monkeypatch
):
    def unavailable(self, key, *value):
        raise RuntimeError("the API server is unavailable")

    for name in ("set", "delete"):
        keep = getattr(TaskStateStoreAccessor, name)

        def fail(self, key, *value, _keep=keep, **how):
            if key.startswith("landing:"):
                unavailable(self, key)
            _keep(self, key, *value, **how)

        monkeypatch.setattr(TaskStateStoreAccessor, name, fail)
    large.fault("download:reset@0:1,after=4")
    fetched = Fetched(large)
    run = airflow(landing(fetched, folder.as_uri(), concurrency=1))
    assert run.state == "success", run.tries
    assert fetched.errors == [TransferInterruptedError]
    document = next(data for name, data in read(folder).items() if name.endswith(".manifest.json"))
    assert json.loads(document)["bytes"] > 0


def test_downloads_in_parallel_share_the_task_state(airflow, large, folder, caplog):
    where = folder.as_uri()
    run = airflow(landing(Fetched(large), where, layout="files", target_format="png"))
    assert run.state == "success", run.tries
    assert len(archives(read(folder))) == COUNT
    assert [text for text in caplog.messages if "state of the landing" in text] == []
