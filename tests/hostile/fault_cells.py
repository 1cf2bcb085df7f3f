"""Plays a cell of the fault table: a fault at a stage for a vendor, until the export has gone right."""

from __future__ import annotations

import errno
import gc
import json
import logging
import os
import re
import shutil
import signal
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import pytest
import tenacity
from airflow.sdk._shared.secrets_masker import reset_secrets_masker
from airflow.sdk.definitions.retry_policy import RetryAction
from airflow.sdk.exceptions import AirflowSensorTimeout
from fault_rows import ALWAYS, ONCE, Row
from fault_stages import MIB, Case
from front import Front
from landing_kit import leftovers
from leaks import nothing_leaks
from s3_quirks import Quirks, QuirkyS3

from airflow_provider_assets.landing import LocalStore, S3Store
from airflow_provider_assets.network import retries, transport
from airflow_provider_assets.retry_policy import ArchiveRetryPolicy
from airflow_provider_assets.sansio import waiter
from airflow_provider_assets.sansio.errors import JobError
from airflow_provider_assets.triggers.events import Look
from airflow_provider_assets.vendors import BUILT_IN, base, vendor_class

NOT_MET = "n/a"
BUCKET = "faults"
_HOPELESS_LOOKS = 3  # after which somebody repairs what a watcher cannot read
_TRIES = 3
_LIMIT = 90  # seconds of a cell


@dataclass
class Kit:
    """The surroundings of the cells.

    :param patch: undone after each cell. :param s3: gives the store, started on first use.
    """

    front: Front
    folder: Path
    patch: pytest.MonkeyPatch
    s3: Callable[[], QuirkyS3]

    def play(self, row: Row, stage: str, vendor: str, scheme: str) -> str:
        """How the export fares, in the words of the table.

        :raises AssertionError: if it ends wrongly, or leaves something behind.
        """
        if not row.applies(stage, vendor, scheme):
            return NOT_MET
        with self.patch.context() as patch, _limited(_LIMIT):
            self.prepare(row, patch)
            cell = Cell(self, row, stage, vendor, scheme, patch)
            ports = set(self.front.ports)
            with nothing_leaks(self.folder, ports):
                try:
                    told = cell.play()
                except Exception as error:
                    where = f"{row.title} | {stage} | {vendor} | {scheme}"
                    raise AssertionError(f"{where}: {type(error).__name__}: {error}") from error
                finally:
                    cell.clean()
                del cell
                gc.collect()
        # Airflow compiles the masks of all cells again for each new one, and Python keeps what it compiles.
        reset_secrets_masker()
        re.purge()
        return told

    def prepare(self, row: Row, patch: pytest.MonkeyPatch) -> None:
        """Short pauses, and as much patience as the fault leaves to be tried."""
        # Errors that pytest keeps for its report hold the connections of whoever raised them.
        patch.setattr(logging.root.manager, "disable", logging.CRITICAL)
        patch.setattr(retries, "_BACKOFF", tenacity.wait_none())
        patch.setattr(retries, "_STOP", tenacity.stop_after_attempt(2))
        patch.setattr(waiter, "OUTAGE_SECONDS", 0.0)
        patch.setattr(waiter, "MAX_FAILED_POLLS", 2)
        patch.setattr(waiter, "LONGEST_BACKOFF", 0.05)
        patch.setattr(waiter, "BUSY_PAUSE_SECONDS", 0.1)
        patch.setattr(base, "FRESH_SECONDS", 0.0)
        for name in BUILT_IN:
            vendor = vendor_class(name)
            quick = replace(vendor.spec.poll, initial=0.1, maximum=0.2)
            patch.setattr(vendor, "spec", replace(vendor.spec, poll=quick))
        if row.budget.stall < 1:
            patch.setattr(transport, "READ_SECONDS", row.budget.stall)
            patch.setattr(transport, "TOTAL_SECONDS", 2 * row.budget.stall)


@dataclass
class Cell:
    """One cell."""

    kit: Kit
    row: Row
    stage: str
    vendor: str
    scheme: str
    patch: pytest.MonkeyPatch
    store: QuirkyS3 | None = None
    folder: Path = field(init=False)
    case: Case = field(init=False)
    is_met: bool = False
    looks: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        """Open the store, and let the connections lead to the front and to the store."""
        if self.row.store != "disk":
            self.store = self.kit.s3()
            self.store.quirks = Quirks()
        self.case = Case(
            self.kit.front, self.vendor, self.scheme, self.kit.folder, "", self._connect
        )
        self.case.budget = self.row.budget
        prefix = f"case{self.case.number}"
        self.folder = self.kit.folder / prefix
        self.case.destination = (
            f"s3://fault_store@{BUCKET}/{prefix}/" if self.store else self.folder.as_uri()
        )
        if self.row.hits_store and self.stage == "archive":
            self.case.plans = self.case.destination
        self.case.stored = self._stored
        self.case.point_to(self.scheme)
        if self.store:
            self._connect_store(self.store.url)

    def _connect(self, conn_id: str, connection: dict[str, Any]) -> None:
        self.patch.setenv(f"AIRFLOW_CONN_{conn_id.upper()}", json.dumps(connection))

    def _connect_store(self, address: str) -> None:
        assert self.store
        extra = {
            "endpoint_url": address,
            "region_name": "us-east-1",
            "config_kwargs": {
                "s3": {"addressing_style": "path"},
                "retries": {"mode": "standard", "total_max_attempts": 2},
                "connect_timeout": 5,
            },
        }
        keys = {"login": self.store.upstream.access_key, "password": self.store.upstream.secret_key}
        self._connect("fault_store", {"conn_type": "aws", **keys, "extra": extra})

    # --- playing -----------------------------------------------------------------------------

    def play(self) -> str:
        """How it goes, from the first attempt to the right bytes."""
        if self.stage in ("archive", "sensor", "trigger"):
            self.case.begin(0.4)
        if self.stage == "landing":
            self.case.finish()
        elif self.stage == "sensor":
            self.case.submit()
        errors, result, is_final = self._tried()
        if not self.is_met:
            return NOT_MET
        wrong = self._wrong(result)
        assert not wrong, f"{wrong} after {errors}"
        assert not self._left(), self._left()
        told = self._told(errors, is_final=is_final)
        self._judge(told, errors, is_final=is_final)
        return told

    def _tried(self) -> tuple[list[str], Any, bool]:
        """The errors, the result that came in the end, and whether the last error was not tried again."""
        errors: list[str] = []
        is_always = self.row.lasts == ALWAYS
        for number in range(1, _TRIES + 1):
            try:
                return errors, self._attempt(number, is_hit=is_always or number == 1), False
            except Exception as error:  # noqa: BLE001  # the policy judges it
                errors.append(self._named(error))
                # Airflow itself does not try a sensor again whose time is over.
                is_over = isinstance(error, AirflowSensorTimeout)
                decision = (self.case.policy or ArchiveRetryPolicy()).evaluate(
                    error, number, _TRIES
                )
                if is_over or decision.action is RetryAction.FAIL:
                    return errors, self._attempt(number + 1, is_hit=False), True
        assert is_always, f"still failing in attempt {_TRIES}: {errors}"
        return errors, self._attempt(_TRIES + 1, is_hit=False), False  # after somebody's repair

    def _named(self, error: Exception) -> str:
        """The class of an error, whose text is public."""
        assert "Signature=" not in str(error), "a signed link is told"
        return type(error).__name__.removesuffix("Error")

    def _judge(self, told: str, errors: list[str], *, is_final: bool) -> None:
        if self.row.is_final and self.stage != "watcher":
            # The verdict on a job is tried again, because the operator then submits another.
            verdicts = {one.__name__.removesuffix("Error") for one in JobError.__subclasses__()}
            assert is_final or errors[-1] in verdicts, f"a retry cannot change this: {told}"
        elif not self.row.is_final and self.stage != "sensor":
            assert not is_final, f"this passes, but was not tried again: {told}"

    def clean(self) -> None:
        """Remove what was made at the vendor and in the store."""
        self.case.end()
        shutil.rmtree(self.folder, ignore_errors=True)
        if self.store:
            for key, _ in self._s3().listing(self._prefix()):
                self._s3().delete(key)

    def _told(self, errors: list[str], *, is_final: bool) -> str:
        if is_final:
            return f"{errors[-1]}, not tried again"
        if len(errors) == _TRIES:
            return f"{errors[-1]} in every attempt"
        names = list(dict.fromkeys([*errors, *self.looks]))
        return f"{', '.join(names)}, then right" if names else "right"

    def _attempt(self, number: int, *, is_hit: bool) -> Any:
        act = getattr(self.case, f"{self.stage}_attempt")
        if self.stage == "trigger" and not self.row.state:
            strikes = ExitStack()
            with strikes:
                return act(lambda: strikes.enter_context(self._struck(is_hit)) and None)
        with self._struck(is_hit):
            return act(1.0) if self.stage == "sensor" and is_hit else act()

    @contextmanager
    def _struck(self, is_hit: bool) -> Iterator[None]:
        """The fault, while it lasts."""
        if not is_hit:
            yield
            return
        with ExitStack() as stack:
            if self.stage == "watcher":
                stack.enter_context(self._watched_looks(stack))
            for strike in (self._network, self._endpoint, self._store, self._disk, self._state):
                stack.enter_context(strike())
            yield

    # --- what goes wrong -----------------------------------------------------------------------

    @contextmanager
    def _network(self) -> Iterator[None]:
        front, trouble = self.kit.front, self.row.trouble(self.stage, self.vendor)
        with self.patch.context() as patch:
            if trouble and self.row.clock:
                trouble.spoil = self._setting_back(patch)
            front.trouble = trouble
            try:
                yield
            finally:
                front.trouble = None
                self.is_met |= bool(trouble and trouble.hits)

    def _setting_back(self, patch: pytest.MonkeyPatch) -> Any:
        real = time.time

        def spoil(reply: Any, asked: Any) -> Any:
            patch.setattr(time, "time", lambda: real() + self.row.clock)
            return reply

        return spoil

    @contextmanager
    def _endpoint(self) -> Iterator[None]:
        door = self.row.door
        if not door:
            yield
            return
        self.is_met = True
        nowhere = f"{self.scheme}://nowhere.invalid"
        address = nowhere if door == "dns" else self.kit.front.doors[door]
        if self.stage == "landing" and self.vendor != "roma":
            self.kit.front.links_to = address
        else:
            self.case.point_to(address)
        try:
            yield
        finally:
            self.kit.front.links_to = None
            self.case.point_to(self.scheme)

    @contextmanager
    def _store(self) -> Iterator[None]:
        store = self.store
        if not store:
            yield
            return
        store.refused.clear()
        store.quirks = Quirks(refuses=self.row.refusals)
        if self.row.store == "closed":
            self.is_met = True
            self._connect_store(self.kit.front.doors["closed"])
        if self.row.lasts == ONCE:
            store.quirks = Quirks(refuses=tuple(replace(one, times=1) for one in self.row.refusals))
        try:
            yield
        finally:
            hits = [store.refused.get(one.what, 0) > one.after for one in self.row.refusals]
            self.is_met |= any(hits)
            store.quirks = Quirks()
            self._connect_store(store.url)

    @contextmanager
    def _disk(self) -> Iterator[None]:
        """The file system refuses to write, after 2 MiB or at once."""
        if not self.row.disk:
            yield
            return
        number = getattr(errno, self.row.disk)
        real_open, real_write, root = os.open, os.pwrite, str(self.folder)
        written = [0]

        def fail() -> None:
            self.is_met = True
            raise OSError(number, os.strerror(number))

        def opening(path: Any, flags: int, *rest: Any, **more: Any) -> int:
            is_made = flags & os.O_CREAT and str(path).startswith(root)
            if is_made and self.row.is_final:
                fail()
            return real_open(path, flags, *rest, **more)

        def writing(handle: int, data: Any, at: int) -> int:
            written[0] += len(data)
            if written[0] > 2 * MIB or self.stage == "archive":
                fail()
            return real_write(handle, data, at)

        with self.patch.context() as patch:
            patch.setattr(os, "open", opening)
            if not self.row.is_final:
                patch.setattr(os, "pwrite", writing)
            yield

    @contextmanager
    def _state(self) -> Iterator[None]:
        self.case.state.fails = self.row.state
        try:
            yield
        finally:
            self.is_met |= self.case.state.failures > 0
            self.case.state.fails = False

    @contextmanager
    def _watched_looks(self, strikes: ExitStack) -> Iterator[None]:
        """Notes the errors of a watcher's looks, and ends the fault after the first, or after a few."""
        real = Look.count
        enough = _HOPELESS_LOOKS if self.row.lasts == ALWAYS else 1

        async def count(look: Look, window: Any) -> int:
            try:
                return await real(look, window)
            except Exception as error:
                self.looks.append(type(error).__name__.removesuffix("Error"))
                if len(self.looks) >= enough and self.row.lasts != ONCE:
                    self.kit.front.trouble = None if not self.kit.front.trouble else self._over()
                    self.case.point_to(self.scheme)
                raise

        with self.patch.context() as patch:
            patch.setattr(Look, "count", count)
            yield

    def _over(self) -> None:
        self.is_met |= bool(self.kit.front.trouble and self.kit.front.trouble.hits)

    # --- what is right -------------------------------------------------------------------------

    def _stored(self) -> dict[str, bytes]:
        if self.store:
            found = dict(self._s3().listing(self._prefix()))
            return {key.rpartition("/")[2]: self._s3().get(key) or b"" for key in found}
        return {one.name: one.read_bytes() for one in self.folder.rglob("*") if one.is_file()}

    def _prefix(self) -> str:
        return self.case.destination.partition(f"{BUCKET}/")[2]

    def _s3(self) -> S3Store:
        assert self.store
        return S3Store(self.store.upstream.client(), BUCKET)

    def _wrong(self, result: Any) -> str:
        if self.row.ends_as == "other" and self.stage == "landing":
            return self.case.wrong_bytes(result, is_other=True)
        return self.case.check(self.stage, result)

    def _left(self) -> list[str]:
        """Unfinished uploads and files, and whatever else a landing puts beside the object."""
        left = leftovers(self._s3() if self.store else LocalStore(self.folder))
        odd = (".part", ".landing", ".started.json", ".resume")
        left += [name for name in self._stored() if name.endswith(odd)]
        return left + [key for key in self.case.state.kept if key.startswith("landing:")]


@contextmanager
def _limited(seconds: int) -> Iterator[None]:
    """Fails if the block hangs."""

    def give_up(*_: object) -> None:
        raise AssertionError(f"it takes longer than {seconds} s")

    before = signal.signal(signal.SIGALRM, give_up)
    signal.alarm(seconds)
    try:
        yield
    finally:
        signal.alarm(0)
        signal.signal(signal.SIGALRM, before)
