"""Threads with a connection each that repeat a step until there is nothing left to do."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field

from airflow_provider_assets.landing.cancel import CancelToken
from airflow_provider_assets.landing.http import Connections
from airflow_provider_assets.landing.transfer.autotune import Tuner
from airflow_provider_assets.sansio.errors import TransferInterruptedError

_TICK = 0.02  # seconds between looks at progress and at the number of connections


@dataclass(slots=True)
class WorkerPool:
    """Runs *step* side by side.

    :param step: does one piece of work for a worker (number, wire); false when it may go home.
    :param cancel: set by the first error, here or elsewhere. Whatever waits inside *step* has to be
        registered with it by the caller.
    :param timeout: seconds without a byte after which a connection counts as stalled.
    :param tuner: finds the number of workers; None: it stays as it was given.
    :param busy: how often the source refused for load so far.
    """

    step: Callable[[int, Connections], bool]
    cancel: CancelToken
    timeout: float
    tuner: Tuner | None = None
    resized: Callable[[int], None] = lambda _: None
    busy: Callable[[], int] = lambda: 0
    _errors: list[BaseException] = field(default_factory=list)
    _threads: list[threading.Thread] = field(default_factory=list)
    _wires: list[Connections] = field(default_factory=list)

    def run(self, first: Connections, workers: int, tick: Callable[[], int]) -> None:
        """Work until all are home; *tick* is called often, in this thread, and tells the bytes so far.

        :param first: the connection of the first worker; it may have a response under way.
        :raises BaseException: the first error of any worker.
        """
        try:
            self.resized(workers)
            self._start(first)
            self._staff(workers)
            while any(thread.is_alive() for thread in self._threads) and not self.cancel.wait(
                _TICK
            ):
                received = tick()
                if self.tuner:
                    self._tune(self.tuner, received)
        finally:
            self._end()
        if self._errors:
            raise self._errors[0]
        # Stopped by who started us: workers without an error may have gone home early.
        if self.cancel.is_set():
            raise TransferInterruptedError("the landing was stopped")

    def _tune(self, tuner: Tuner, received: int) -> None:
        self._staff(
            tuner.decide(
                time.monotonic(), received=received, cpu=time.process_time(), busy=self.busy()
            )
        )

    def _staff(self, workers: int) -> None:
        self.resized(workers)
        while len(self._threads) < workers:
            self._start(Connections(timeout=self.timeout))

    def _start(self, wire: Connections) -> None:
        number = len(self._threads)
        self._wires.append(wire)
        thread = threading.Thread(
            target=self._work, args=(number, wire), name=f"landing-{number}", daemon=True
        )
        self._threads.append(thread)
        thread.start()

    def _work(self, number: int, wire: Connections) -> None:
        try:
            with self.cancel.on_cancel(wire.interrupt):
                while self.step(number, wire):
                    pass
        except BaseException as error:  # noqa: BLE001  # handed to the thread that waits
            self._errors.append(error)
            self.cancel.set()

    def _end(self) -> None:
        if any(thread.is_alive() for thread in self._threads):
            self.cancel.set()
        deadline = time.monotonic() + self.timeout
        for thread in self._threads:
            thread.join(max(0.0, deadline - time.monotonic()))
        for wire in self._wires:
            wire.close()
