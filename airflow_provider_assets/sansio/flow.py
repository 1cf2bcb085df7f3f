"""The one place where synchronous and asynchronous meet.

A *flow* is a generator that yields effects (an :class:`HttpRequest` to perform, or a :class:`Sleep`)
and returns a typed value. :func:`run` and :func:`arun` perform it with whatever is passed in. An
:class:`AssetsError` of an effect is raised at the ``yield`` that asked for it, as if the flow had
performed the effect itself: the flow may catch it and continue. Every other exception (a cancellation,
a bug of ours) ends the flow at once: its ``finally`` blocks run, and the caller gets the
exception as it is.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Generator, Iterator
from dataclasses import dataclass
from functools import partial
from typing import TypeVar, cast

from airflow_provider_assets.sansio.errors import AssetsError
from airflow_provider_assets.sansio.messages import HttpRequest, HttpResponse


@dataclass(frozen=True, slots=True)
class Sleep:
    """Wait for *seconds*."""

    seconds: float


Effect = HttpRequest | Sleep
Reply = HttpResponse | None
T = TypeVar("T")
Flow = Generator[Effect, Reply, T]


def call(request: HttpRequest) -> Flow[HttpResponse]:
    """Perform *request* and return its response."""
    response = yield request
    if response is None:  # a driver's fault, not the vendor's
        raise TypeError("the driver returned no response to a request")
    return response


def pause(seconds: float) -> Flow[None]:
    """Wait for *seconds*; the driver is not involved unless that is positive."""
    if seconds > 0:
        yield Sleep(seconds)


def steps(
    flow: Flow[T],
    *,
    perform: Callable[[HttpRequest], HttpResponse],
    sleep: Callable[[float], object],
) -> Iterator[T | None]:
    """Drive *flow* in this thread: None after each of its effects, and at last its result.

    Between the effects the caller can use what the flow has found so far.

    :param perform: performs one request; raises an :class:`AssetsError` for what is not a response.
    :param sleep: waits for a number of seconds.
    """
    step: Callable[[], Effect] = partial(next, flow)
    try:
        while True:
            try:
                effect = step()
            except StopIteration as stop:
                yield stop.value
                return
            try:
                reply: Reply = None
                if isinstance(effect, HttpRequest):
                    reply = perform(effect)
                else:
                    sleep(effect.seconds)
                step = partial(flow.send, reply)
            except AssetsError as error:
                step = partial(flow.throw, error)
            yield None
    finally:
        flow.close()


def run(
    flow: Flow[T],
    *,
    perform: Callable[[HttpRequest], HttpResponse],
    sleep: Callable[[float], object],
) -> T:
    """Drive *flow* to its end in this thread; see :func:`steps`."""
    *_, result = steps(flow, perform=perform, sleep=sleep)
    return cast("T", result)


async def arun(
    flow: Flow[T],
    *,
    perform: Callable[[HttpRequest], Awaitable[HttpResponse]],
    sleep: Callable[[float], Awaitable[object]],
) -> T:
    """Drive *flow* on the running event loop; the twin of :func:`run`, effect for effect."""
    step: Callable[[], Effect] = partial(next, flow)
    try:
        while True:
            try:
                effect = step()
            except StopIteration as stop:
                result: T = stop.value
                return result
            try:
                reply: Reply = None
                if isinstance(effect, HttpRequest):
                    reply = await perform(effect)
                else:
                    await sleep(effect.seconds)
                step = partial(flow.send, reply)
            except AssetsError as error:
                step = partial(flow.throw, error)
    finally:
        flow.close()
