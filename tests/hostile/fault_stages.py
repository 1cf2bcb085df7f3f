"""The stages of an export, each played by the real operator, sensor or trigger without a DAG."""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
import io
import json
import urllib.request
import zipfile
from collections.abc import Callable, Coroutine, Iterator
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta, timezone
from itertools import count
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import psutil
from airflow.sdk.bases.operator import ExecutorSafeguard
from airflow.sdk.exceptions import TaskDeferred
from airflow.triggers.base import TriggerEvent
from front import Front
from landing_kit import MemoryState

from airflow_provider_assets.operators.archive import AssetArchiveOperator
from airflow_provider_assets.sansio.moments import iso_ms
from airflow_provider_assets.sensors.archive import AssetArchiveSensor
from airflow_provider_assets.transfers.archive_to_object_storage import (
    ArchiveToObjectStorageOperator,
)
from airflow_provider_assets.triggers.archive import AssetArchiveEventTrigger

STAGES = ("archive", "landing", "sensor", "trigger", "watcher")
VENDORS = ("scenario", "topaz", "roma")
PACE = 0.05
MIB = 1 << 20
_NUMBER = count(1)


@dataclass(frozen=True)
class Budget:
    """What a landing may spend: seconds without a byte, failures in a row, bytes of a part."""

    stall: float = 10.0
    attempts: int = 2
    part_size: int = MIB


class Lander(ArchiveToObjectStorageOperator):
    """The landing operator with a small budget."""

    budget = Budget()

    def _options(self, hook: Any) -> Any:
        one = self.budget
        small = {"attempts": one.attempts, "stall_seconds": one.stall, "part_size": one.part_size}
        return replace(super()._options(hook), jitter=lambda: 0.0, **small)


class AssetState(MemoryState):
    """The state of an asset, as a triggerer gives it to a watcher."""

    async def aget(self, key: str, default: Any = None) -> Any:
        return self.get(key)

    async def aset(self, key: str, value: Any) -> None:
        self.set(key, value)


def run_task(operator: Any, call: Callable[[], Any]) -> Any:
    """The result of *call*, as in a task's process."""
    token = ExecutorSafeguard.tracker.set(operator)
    try:
        return call()
    finally:
        ExecutorSafeguard.tracker.reset(token)


def on_a_loop(wanted: Coroutine[Any, Any, Any], ports: set[int]) -> Any:
    """The result of *wanted* on a loop that, as that of a triggerer, outlives its connections to *ports*."""

    def connections() -> set[int]:
        found = psutil.Process().net_connections("tcp")
        return {one.laddr.port for one in found if one.raddr and one.raddr.port in ports}

    async def run() -> Any:
        before = connections()
        try:
            return await wanted
        finally:
            for _ in range(100):
                if connections() <= before:
                    break
                await asyncio.sleep(0.05)

    return asyncio.run(run())


@dataclass
class Case:
    """One export on its way to the stage that is tried.

    :ivar state: of the task, which outlives its attempts. :ivar policy: what decides on its retries.
    :ivar connect: sets the vendor's connection. :ivar plans: where plans are written; None: nowhere.
    """

    front: Front
    vendor: str
    scheme: str
    folder: Path
    destination: str
    connect: Callable[[str, dict[str, Any]], None]
    plans: str | None = None
    budget: Budget = field(default_factory=Budget)
    state: AssetState = field(default_factory=AssetState)
    number: int = field(default_factory=lambda: next(_NUMBER))
    references: list[Any] = field(default_factory=list)
    processes: list[str] = field(default_factory=list)
    attempts: int = 0
    policy: Any = None

    @property
    def conn_id(self) -> str:
        return f"fault_{self.number}"

    def point_to(self, door: str) -> None:
        """Let the connection lead to *door*, a name of the front or an address."""
        part = getattr(self.front.sandbox, self.vendor)
        address = self.front.doors.get(door, door)
        connection = json.loads(json.dumps(part["connection"]))
        extra = connection["extra"]
        for name in ("base_url", "iam_url"):
            if name in extra:
                _, _, rest = extra[name].partition("://")
                extra[name] = f"{address}/{rest.partition('/')[2]}".rstrip("/")
        extra["allow_http"] = True
        self.connect(self.conn_id, connection)

    def context(self) -> dict[str, Any]:
        """The context of the next attempt."""
        self.attempts += 1
        ti = SimpleNamespace(
            dag_id="faults",
            task_id="task",
            run_id=f"run{self.number}",
            map_index=-1,
            max_tries=3,
            try_number=self.attempts,
            start_date=datetime.now(timezone.utc),
            xcom_push=lambda *_, **__: None,
        )
        date = datetime(2026, 1, 10, tzinfo=timezone.utc)
        run = SimpleNamespace(clear_number=0, start_date=date, logical_date=date, run_id=ti.run_id)
        return {"ti": ti, "dag_run": run, "task_state_store": self.state, "run_id": ti.run_id}

    # --- the selection ------------------------------------------------------------------------

    def selection(self) -> dict[str, Any]:
        sandbox = self.front.sandbox
        if self.vendor == "topaz":
            return {"items": {"process_ids": self.processes or self.front.images}}
        if self.vendor == "roma":
            return {"items": {"apps": sandbox.roma["apps"][:2]}}
        return {"window": ("2026-01-09T00:00:00Z", "2026-01-10T00:00:00Z")}

    def begin(self, seconds: float) -> None:
        """Let jobs last a while, that of Topaz Labs too, which collects what others have started."""
        self.front.sandbox.configure(job_seconds=seconds)
        if self.vendor != "topaz":
            return
        part = self.front.sandbox.topaz
        request = urllib.request.Request(
            f"{part['base_url']}/enhance/async",
            data=b"source_url=https%3A%2F%2Fx.test%2Fkite.png",
            headers={"X-API-Key": part["connection"]["password"]},
        )
        with urllib.request.urlopen(request, timeout=30) as reply:
            self.processes = [str(json.loads(reply.read())["process_id"])]

    def end(self) -> None:
        """Remove what :meth:`begin` has made."""
        for one in self.processes:
            self.front.sandbox.remove_item("topaz", one)

    def archive(self, **more: Any) -> AssetArchiveOperator:
        one = AssetArchiveOperator(
            task_id="task", conn_id=self.conn_id, poll_interval=PACE, timeout=60.0, settle=0,
            plans=self.plans, **self.selection(), **more,
        )  # fmt: skip
        self.policy = one.retry_policy
        return one

    def submit(self) -> None:
        """References for the stages after the first, through a network without faults."""
        one = self.archive(wait_for_completion=False, deferrable=False)
        context = {**self.context(), "task_state_store": MemoryState()}
        self.references = run_task(one, lambda: one.execute(context))
        self.attempts = 0

    def finish(self) -> None:
        """The references of jobs that have ended."""
        self.submit()
        self.references = self.sensor_attempt()
        self.attempts = 0

    # --- one attempt of each stage --------------------------------------------------------------

    def archive_attempt(self) -> Any:
        one = self.archive(deferrable=False)
        return run_task(one, lambda: one.execute(self.context()))

    def landing_attempt(self) -> Any:
        [reference] = self.references
        one = Lander(task_id="task", archive=reference, destination=self.destination)
        one.budget, self.policy = self.budget, one.retry_policy
        return run_task(one, lambda: one.execute(self.context()))

    def sensor_attempt(self, timeout: float = 60.0) -> Any:
        one = AssetArchiveSensor(
            task_id="task",
            archives=self.references,
            poke_interval=PACE,
            timeout=timeout,
            deferrable=False,
        )
        self.policy = one.retry_policy
        return run_task(one, lambda: one.execute(self.context()))

    def trigger_attempt(self, before_wait: Callable[[], None] = lambda: None) -> Any:
        """The operator up to its deferral, the trigger, and the operator again."""
        one, context = self.archive(deferrable=True), self.context()
        try:
            return run_task(one, lambda: one.execute(context))
        except TaskDeferred as deferred:
            left = deferred
        before_wait()
        _, arguments = left.trigger.serialize()
        made = type(left.trigger)(**json.loads(json.dumps(arguments)))

        async def run() -> TriggerEvent:
            [event] = [event async for event in made.run()]
            return event

        event = json.loads(json.dumps(on_a_loop(run(), self.front.ports).payload))
        again = self.archive(deferrable=True)
        return run_task(again, lambda: getattr(again, left.method_name)(context, event=event))

    def watcher_attempt(self) -> Any:
        """The event of a watcher that last looked a day before the items came."""
        one = AssetArchiveEventTrigger(self.conn_id, poll_interval=PACE, settle=0.0)
        one.asset_state_store = self.state
        if self.attempts == 0:
            self.state.kept.setdefault(one._key, json.dumps([iso_ms(self.since)]))
        self.attempts += 1

        async def first() -> TriggerEvent:
            async with contextlib.aclosing(one.run()) as run:
                async for event in run:
                    return event
            raise AssertionError("the watch ended")

        return on_a_loop(first(), self.front.ports).payload

    # --- what is right --------------------------------------------------------------------------

    def check(self, stage: str, result: Any) -> str:
        """What is wrong with the result; empty if nothing is."""
        if stage == "watcher":
            listed = self.listed(result["window"])
            return "" if result["items"] == listed > 1 else f"{result['items']} of {listed} items"
        if stage != "landing":
            jobs = [one["job"]["state"] for one in result]
            return "" if jobs == ["succeeded"] else f"jobs {jobs}"
        return self.wrong_bytes(result)

    def listed(self, window: list[str]) -> int:
        """Number of items that the vendor has in a window."""
        return len(self.front.sandbox.items(self.vendor, start=window[0], end=window[1]))

    @property
    def since(self) -> datetime:
        """Until when a watcher has looked; Topaz Labs keeps images for a week."""
        if self.vendor == "topaz":
            return datetime.now(timezone.utc) - timedelta(days=3)
        return datetime(2026, 1, 8, tzinfo=timezone.utc)

    def wrong_bytes(self, manifest: dict[str, Any], *, is_other: bool = False) -> str:
        """What is wrong with the bytes that landed.

        :param is_other: whether files are right, too, that :func:`fault_rows.other` made.
        """
        stored = self.stored()
        data = stored.get(manifest["uri"].rpartition("/")[2])
        if data is None:
            return f"{manifest['uri']} is not there but {sorted(stored)}"
        truth = self.front.sandbox.archive
        if self.vendor == "topaz":
            ids = self.selection()["items"]["process_ids"]
            served = sorted(truth(one)["sha256"] for one in ids)
            whole = [_sha256(one[:-1] if one.endswith(b"!") else one) for one in entries(data)]
            return "" if sorted(whole) == served else "WRONG BYTES"
        served_one = truth(manifest["facts"]["job_id"])
        if is_other and data.endswith(b"another one"):
            sizes = sorted(len(one) for one in entries(data))
            listed = sorted(one["bytes"] for one in served_one["entries"])
            return "" if sizes == listed else "WRONG BYTES"
        return "" if _sha256(data) == served_one["sha256"] else "WRONG BYTES"

    stored: Callable[[], dict[str, bytes]] = field(default=dict)


def _sha256(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


def entries(data: bytes) -> Iterator[bytes]:
    """The files in a zip; reading them compares their CRC-32."""
    with zipfile.ZipFile(io.BytesIO(data)) as opened:
        for name in opened.namelist():
            yield opened.read(name)
