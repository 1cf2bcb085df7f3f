from __future__ import annotations

import threading
import traceback
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from signal import SIGKILL, SIGTERM

import pytest
from cells import SCRIPTS, Cell, Seen, Stage, staged
from standalone import Standalone

pytestmark = [pytest.mark.airflow, pytest.mark.chaos]
MODES = ("blocking", "deferred")
RIGHT, FAILED = ("success", "right"), ("failed", "nothing")
# Event -> what Scenario and Topaz must have seen: submits, cancels, and the end.
EXPECTED = {
    "crash before submit": {"scenario": (1, 0, *RIGHT)},
    "crash between submit and record": {"scenario": (1, 0, *RIGHT)},
    "crash after record": {"scenario": (1, 0, *RIGHT), "topaz": (0, 0, *RIGHT)},
    "loss of the whole worker": {"scenario": (1, 0, *RIGHT)},
    "triggerer crash": {"scenario": (1, 0, *RIGHT), "topaz": (0, 0, *RIGHT)},
    "triggerer restart": {"scenario": (1, 0, *RIGHT), "topaz": (0, 0, *RIGHT)},
    "clear while waiting": {"scenario": (2, 0, *RIGHT), "topaz": (0, 0, *RIGHT)},
    "clear after success": {"scenario": (2, 0, *RIGHT), "topaz": (0, 0, *RIGHT)},
    "mark failed": {"scenario": (1, 0, *FAILED), "topaz": (0, 1, *FAILED)},
    "mark failed while submitting": {"scenario": (2, 0, *FAILED)},
    "timeout while waiting": {"scenario": (1, 0, *FAILED), "topaz": (0, 1, *FAILED)},
    "Airflow's own timeout": {"scenario": (1, 0, *FAILED), "topaz": (0, 1, *FAILED)},
}
SIGNALS = {"triggerer crash": SIGKILL, "triggerer restart": SIGTERM}
AT_ONCE = 8
NOT_A_CASE = {
    ("Airflow's own timeout", "blocking"),  # there is no deferral that could end
    ("mark failed while submitting", "deferred"),  # submitting is the same in both modes
}
# What the short form leaves out: it takes long, and another cell goes much the same way.
LONG = {"loss of the whole worker", "triggerer restart"}


def cells(*, long_form: bool) -> Iterator[Cell]:
    for event, vendors in EXPECTED.items():
        for vendor in vendors:
            for mode in MODES:
                brief = event not in LONG and (vendor, mode) != ("topaz", "blocking")
                if (event, mode) not in NOT_A_CASE and (long_form or brief):
                    yield Cell(event, vendor, mode)


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    long_form = metafunc.config.getoption("-m") == "slow"
    metafunc.parametrize("cell", list(cells(long_form=long_form)), ids=lambda cell: cell.name)


@pytest.fixture(scope="module")
def matrix(request, airflow, tmp_path_factory, chaos_table) -> dict[Cell, Seen | str]:
    """What came of every cell that is asked for; as many as two cores bear run side by side."""
    items = [item for item in request.session.items if item.path == request.path]
    wanted = [item.callspec.params["cell"] for item in items]
    folder = tmp_path_factory.mktemp("landed")
    seen: dict[Cell, Seen | str] = {}

    def play(cell: Cell, script: Callable[[Stage], None]) -> None:
        try:
            with staged(airflow, cell, folder) as stage:
                script(stage)
                seen[cell] = stage.seen()
        except Exception:  # noqa: BLE001  # the cell's test raises it
            seen[cell] = traceback.format_exc()

    with ThreadPoolExecutor(AT_ONCE) as pool:
        for cell in wanted:
            if cell.event in SCRIPTS:
                pool.submit(play, cell, SCRIPTS[cell.event])
    for event, signum in SIGNALS.items():
        hit = [cell for cell in wanted if cell.event == event]
        if hit:
            barrier = threading.Barrier(len(hit), partial(replace_triggerer, airflow, signum))
            with ThreadPoolExecutor(len(hit)) as pool:
                for cell in hit:
                    pool.submit(play, cell, through(barrier))
    chaos_table.append(table(seen))
    return seen


def replace_triggerer(airflow: Standalone, signum: int) -> None:
    airflow.stop_triggerer(signum)
    airflow.start_triggerer()


def through(barrier: threading.Barrier) -> Callable[[Stage], None]:
    """The export waits when the triggerer is replaced, once for all who have come that far."""

    def script(stage: Stage) -> None:
        try:
            stage.start()
            stage.until_waiting()
        except BaseException:
            barrier.abort()
            raise
        barrier.wait()
        stage.until_landed()

    return script


def table(seen: dict[Cell, Seen | str]) -> str:
    lines = ["| event | vendor | mode | submits | cancels | run | bytes |", "|" + "---|" * 7]
    for event in EXPECTED:
        for cell, one in sorted(seen.items(), key=lambda pair: (pair[0].vendor, pair[0].mode)):
            if cell.event != event:
                continue
            facts = "? | ? | ? | ?"
            if isinstance(one, Seen):
                facts = f"{one.submits} | {one.cancels} | {one.state} | {one.landed}"
            lines.append(f"| {event} | {cell.vendor} | {cell.mode} | {facts} |")
    return "\n".join(lines)


def test_the_vendor_saw_one_job_and_what_it_finished_landed(matrix, cell):
    seen = matrix[cell]
    assert isinstance(seen, Seen), seen
    submits, cancels, state, landed = EXPECTED[cell.event][cell.vendor]
    assert seen == Seen(state, submits, cancels, landed)
