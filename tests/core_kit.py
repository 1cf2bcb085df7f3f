"""Drivers without a network: a clock that only sleeping moves, and a record of every effect."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

from airflow_provider_assets.sansio import flow as flows
from airflow_provider_assets.sansio.flow import Flow
from airflow_provider_assets.sansio.messages import HttpRequest, HttpResponse

NOW = 1768032100.0  # 2026-01-10T08:01:40Z


@dataclass
class Clock:
    now: float = NOW

    def __call__(self) -> float:
        return self.now


@dataclass
class Driver:
    """Performs flows with *answer*; ``trace`` holds requests and sleeps in their order."""

    answer: Callable[[HttpRequest], HttpResponse]
    clock: Clock = field(default_factory=Clock)
    trace: list[HttpRequest | float] = field(default_factory=list)

    def perform(self, request: HttpRequest) -> HttpResponse:
        self.trace.append(request)
        return self.answer(request)

    def sleep(self, seconds: float) -> None:
        self.trace.append(seconds)
        self.clock.now += seconds

    async def aperform(self, request: HttpRequest) -> HttpResponse:
        await asyncio.sleep(0)
        return self.perform(request)

    async def asleep(self, seconds: float) -> None:
        await asyncio.sleep(0)
        self.sleep(seconds)

    def run(self, flow: Flow):
        return flows.run(flow, perform=self.perform, sleep=self.sleep)

    def arun(self, flow: Flow):
        return asyncio.run(flows.arun(flow, perform=self.aperform, sleep=self.asleep))

    @property
    def sleeps(self) -> list[float]:
        return [effect for effect in self.trace if isinstance(effect, float)]

    @property
    def requests(self) -> list[HttpRequest]:
        return [effect for effect in self.trace if isinstance(effect, HttpRequest)]


def outcome(run: Callable[[], object]) -> tuple[str, object]:
    """What came of *run*, comparable."""
    try:
        return "returned", run()
    except Exception as error:  # noqa: BLE001  # any of them is an outcome
        return type(error).__name__, str(error)


def cycle(values: list[float]) -> Callable[[], float]:
    def turns() -> Iterator[float]:
        while True:
            yield from values

    turn = turns()
    return lambda: next(turn)
