from __future__ import annotations

import asyncio
from dataclasses import dataclass, field

import pytest
from core_kit import Driver, outcome
from hypothesis import given
from hypothesis import strategies as st

from airflow_provider_assets.sansio import flow as flows
from airflow_provider_assets.sansio.errors import (
    AssetsError,
    AuthenticationError,
    IntegrityError,
    JobFailedError,
    ProtocolError,
    RateLimitedError,
    TransferInterruptedError,
    VendorUnavailableError,
)
from airflow_provider_assets.sansio.flow import Flow, Sleep, call, pause
from airflow_provider_assets.sansio.messages import HttpRequest, HttpResponse

REQUEST = HttpRequest("GET", "https://api.test/x")
TRANSIENT = (RateLimitedError, VendorUnavailableError, TransferInterruptedError)
FINAL = (AuthenticationError, ProtocolError, JobFailedError, IntegrityError)
OURS = (ValueError, KeyError)


@dataclass(frozen=True)
class Step:
    """One effect of a made-up flow, and what the driver does with it."""

    seconds: float | None  # None: a request
    fault: type[Exception] | None
    catches: bool


STEPS = st.lists(
    st.builds(
        Step,
        st.one_of(st.none(), st.floats(0, 100)),
        st.sampled_from([None, None, None, *TRANSIENT, *FINAL, *OURS, StopIteration]),
        st.booleans(),
    ),
    max_size=12,
)


@dataclass
class Play:
    """A flow made of steps, with a driver that fails where the steps say so."""

    steps: list[Step]
    log: list[str] = field(default_factory=list)
    closed: int = 0

    def flow(self) -> Flow[str]:
        try:
            for number, step in enumerate(self.steps):
                try:
                    if step.seconds is None:
                        response = yield from call(HttpRequest("GET", f"https://api.test/{number}"))
                        self.log.append(f"{number}: {response.status}")
                    else:
                        yield Sleep(step.seconds)
                except AssetsError as error:
                    self.log.append(f"{number}: caught {type(error).__name__}")
                    if not step.catches:
                        raise
        finally:
            self.closed += 1
        return "done"

    def effects(self) -> Driver:
        play = self

        class Faulty(Driver):
            turn = -1

            def fail(self) -> None:
                self.turn += 1
                fault = play.steps[self.turn].fault
                if fault is not None:
                    raise fault(f"fault {self.turn}")

            def sleep(self, seconds: float) -> None:
                super().sleep(seconds)
                self.fail()

        def answer(request: HttpRequest) -> HttpResponse:
            driver.fail()
            return HttpResponse(200)

        driver = Faulty(answer)
        return driver


@given(STEPS)
def test_both_drivers_perform_the_same_effects_and_end_alike(steps) -> None:
    plays = Play(steps), Play(steps)
    drivers = [play.effects() for play in plays]
    ends = [
        outcome(lambda: drivers[0].run(plays[0].flow())),
        outcome(lambda: drivers[1].arun(plays[1].flow())),
    ]
    if "raised StopIteration" in ends[0][1]:  # Python's words differ: a generator, and a coroutine
        ends = [(name, "") for name, _ in ends]
    assert ends[0] == ends[1]
    assert drivers[0].trace == drivers[1].trace
    assert plays[0].log == plays[1].log
    assert [play.closed for play in plays] == [1, 1]


@given(STEPS)
def test_errors_of_the_package_are_raised_in_the_flow_and_no_error_passes_for_a_result(
    steps,
) -> None:
    play = Play(steps)
    name, _ = outcome(lambda: play.effects().run(play.flow()))
    fatal = [
        step.fault.__name__
        for step in steps
        if step.fault and not (issubclass(step.fault, AssetsError) and step.catches)
    ]
    expected = fatal[0] if fatal else "returned"
    # Neither driver may raise StopIteration, and Python renames it.
    assert name == ("RuntimeError" if expected == "StopIteration" else expected)
    assert not any(fault.__name__ in line for fault in (*OURS, StopIteration) for line in play.log)


@pytest.mark.parametrize("error", [*TRANSIENT, *FINAL, *OURS])
@pytest.mark.parametrize("driver", ["run", "arun"])
def test_a_flow_sees_every_error_of_the_package_and_no_other(driver, error) -> None:
    seen: list[BaseException] = []

    def flow() -> Flow[str]:
        try:
            yield REQUEST
        except Exception as caught:  # noqa: BLE001  # even the greediest flow
            seen.append(caught)
        return "went on"

    def answer(request: HttpRequest) -> HttpResponse:
        raise error("x")

    end = outcome(lambda: getattr(Driver(answer), driver)(flow()))
    if issubclass(error, AssetsError):
        assert [type(caught) for caught in seen] == [error]
        assert end == ("returned", "went on")
    else:
        assert seen == []
        assert end == (error.__name__, str(error("x")))


@pytest.mark.parametrize("driver", ["run", "arun"])
def test_a_flow_is_closed_however_it_ends(driver) -> None:
    closed: list[str] = []

    def flow() -> Flow[None]:
        try:
            yield REQUEST
        finally:
            closed.append("closed")

    class Interrupted(BaseException):
        pass

    def interrupted(request: HttpRequest) -> HttpResponse:
        raise Interrupted

    with pytest.raises(Interrupted):
        getattr(Driver(interrupted), driver)(flow())
    assert closed == ["closed"]


def test_a_cancelled_wait_closes_its_flow() -> None:
    closed: list[str] = []

    def flow() -> Flow[None]:
        try:
            yield Sleep(3600)
        finally:
            closed.append("closed")

    async def scenario() -> None:
        task = asyncio.create_task(
            flows.arun(
                flow(), perform=Driver(lambda _: HttpResponse(200)).aperform, sleep=asyncio.sleep
            )
        )
        await asyncio.sleep(0)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task

    asyncio.run(scenario())
    assert closed == ["closed"]


def test_a_driver_that_answers_a_request_with_nothing_is_found_out() -> None:
    with pytest.raises(TypeError, match="no response to a request"):
        flows.run(call(REQUEST), perform=lambda _: None, sleep=lambda _: None)


@given(st.floats(-10, 10))
def test_a_pause_asks_the_driver_only_for_time_that_lies_ahead(seconds) -> None:
    driver = Driver(lambda _: HttpResponse(200))
    driver.run(pause(seconds))
    assert driver.trace == ([seconds] if seconds > 0 else [])


def test_an_error_that_a_flow_lets_through_reaches_the_caller_as_it_is() -> None:
    error = VendorUnavailableError("down", vendor="v", status=503)

    def answer(request: HttpRequest) -> HttpResponse:
        raise error

    with pytest.raises(AssetsError) as raised:
        Driver(answer).run(call(REQUEST))
    assert raised.value is error
