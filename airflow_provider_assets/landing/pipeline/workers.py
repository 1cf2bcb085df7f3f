"""A worker pool: threads with connections of their own repeat a step until no work is left."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field

from airflow_provider_assets.landing.cancel import CancelToken
from airflow_provider_assets.landing.options import LandingOptions
from airflow_provider_assets.landing.pipeline.autotune import Tuner
from airflow_provider_assets.landing.source.connections import Connections
from airflow_provider_assets.sansio.errors import TransferInterruptedError

_TICK = 0.02  # seconds between looks at progress and at the number of connections


@dataclass(slots=True)
class WorkerPool:
    """Runs *step* in parallel, in as many threads as the tuner allows.

    :param step: performs one piece of work over a worker's connections; returns false if no work is
        left for any worker.
    :param cancel: set by the first error, here or elsewhere. The caller has to register with it every
        wait inside *step*.
    :param options: options of the workers' connections.
    :param tuner: adapts the number of workers; None: the number is fixed. Workers beyond it pause before
        their next step and keep their connections.
    :param resized: called with the number of workers when it changes.
    :param busy: returns the number of "busy" responses of the source so far.
    """

    step: Callable[[Connections], bool]
    cancel: CancelToken
    options: LandingOptions
    tuner: Tuner | None = None
    resized: Callable[[int], None] = lambda _: None
    busy: Callable[[], int] = lambda: 0
    _errors: list[BaseException] = field(default_factory=list)
    _threads: list[threading.Thread] = field(default_factory=list)
    _connections: list[Connections] = field(default_factory=list)
    _limit: int = 0
    _is_done: bool = False
    _working: int = 0
    _changed: threading.Condition = field(default_factory=threading.Condition)

    def run(self, first: Connections, workers: int, tick: Callable[[], int]) -> None:
        """Run until every worker has finished.

        :param first: the connections of the first worker; they may hold an open response.
        :param tick: called often in this thread; returns the bytes received so far.
        :raises BaseException: the first error of any worker.
        """
        try:
            with self.cancel.on_cancel(self._wake):
                self._resize(workers)
                self._start(first)
                self._staff(workers)
                while self._is_at_work():
                    received = tick()
                    if self.tuner:
                        self._tune(self.tuner, received)
        finally:
            self._end()
        if self._errors:
            raise self._errors[0]
        # The caller cancelled: workers may have finished early, without an error.
        if self.cancel.is_set():
            raise TransferInterruptedError("the landing was cancelled")

    def _tune(self, tuner: Tuner, received: int) -> None:
        self._staff(
            tuner.decide(
                time.monotonic(), received=received, cpu=time.process_time(), busy=self.busy()
            )
        )

    def _resize(self, workers: int) -> None:
        with self._changed:
            if workers == self._limit:
                return
            self._limit = workers
            self._changed.notify_all()
        self.resized(workers)

    def _staff(self, workers: int) -> None:
        self._resize(workers)
        while len(self._threads) < workers:
            self._start(Connections(self.options))

    def _start(self, connections: Connections) -> None:
        number = len(self._threads)
        self._connections.append(connections)
        thread = threading.Thread(
            target=self._work, args=(number, connections), name=f"landing-{number}", daemon=True
        )
        self._threads.append(thread)
        with self._changed:
            self._working += 1
        thread.start()

    def _work(self, number: int, connections: Connections) -> None:
        try:
            with self.cancel.on_cancel(connections.interrupt):
                while self._may_work(number) and self.step(connections):
                    pass
                self._is_done = True
                self._wake()
        except BaseException as error:  # noqa: BLE001  # raised in the thread that waits
            self._errors.append(error)
            self.cancel.set()
        finally:
            with self._changed:
                self._working -= 1
                self._changed.notify_all()

    def _may_work(self, number: int) -> bool:
        """Pause while there are too many workers; return false if this one is no longer needed."""
        with self._changed:
            self._changed.wait_for(
                lambda: number < self._limit or self._is_done or self.cancel.is_set()
            )
            return number < self._limit and not self.cancel.is_set()

    def _wake(self) -> None:
        with self._changed:
            self._changed.notify_all()

    def _is_at_work(self) -> bool:
        """Wait for the next tick, or for the end; return whether there is work left after it."""
        with self._changed:
            is_over = self._changed.wait_for(
                lambda: not self._working or self.cancel.is_set(), timeout=_TICK
            )
            return not is_over

    def _end(self) -> None:
        if self._working:
            self.cancel.set()
        deadline = time.monotonic() + self.options.stall_seconds
        for thread in self._threads:
            thread.join(max(0.0, deadline - time.monotonic()))
        for connections in self._connections:
            connections.close()
