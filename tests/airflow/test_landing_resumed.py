"""An attempt that breaks while its archive lands, and the retry that fetches only the rest."""

from __future__ import annotations

import json
from dataclasses import dataclass, field

import pytest
from airflow.sdk.execution_time.context import TaskStateStoreAccessor
from exported import COUNT, ITEM, Hasty, archive, archives, read

from airflow_provider_assets.sansio.errors import TransferInterruptedError

pytestmark = pytest.mark.airflow
MIB = 1 << 20


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
