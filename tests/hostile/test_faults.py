"""Every fault of the network, the vendor and the store at every stage ends in right bytes or the right error.

``FULL=1`` plays all cells and writes the table of docs/faults.md again, which is what each cell of the short
form has to equal: one of every fault, and all stages, vendors and schemes in turn.
"""

from __future__ import annotations

import time
from collections import Counter
from itertools import product

import pytest
from airflow.utils.db import initdb
from airflow_runs import Airflow, connect
from fault_rows import ROWS, Row
from fault_stages import STAGES, VENDORS, Case
from fault_table import NOT_MET, SCHEMES, expected, put_into_page, table_of_page, written
from fault_world import fault_world
from front import DOWNLOAD, LIST, POLL, SUBMIT, Trouble
from origin import Fault

from airflow_provider_assets.exports import asset_export

CELLS = list(product(STAGES, VENDORS, SCHEMES))
PLAYED: dict[tuple[str, str, str, str], str] = {}
TOOK: list[float] = []
BEFORE = table_of_page()


@pytest.fixture(scope="module")
def kit(tmp_path_factory: pytest.TempPathFactory, request: pytest.FixtureRequest):
    folder = tmp_path_factory.mktemp("faults")
    with (
        pytest.MonkeyPatch.context() as patch,
        fault_world(folder, patch, lambda: request.getfixturevalue("s3_server")) as made,
    ):
        yield made


@pytest.fixture(scope="module")
def database() -> None:
    initdb()


def sample(number: int) -> tuple[str, str, str]:
    """The cell of a row that the short form plays: the next one that can occur."""
    row = ROWS[number]
    turn = CELLS[7 * number % len(CELLS) :] + CELLS[: 7 * number % len(CELLS)]
    return next(cell for cell in turn if row.applies(*cell) and expected(row, *cell) != NOT_MET)


def is_as_expected(row: Row, told: str, wanted: str) -> bool:
    is_right = told.endswith("right") and wanted.endswith("right")
    return told == wanted or (row.is_racy and is_right)


@pytest.mark.parametrize("number", range(len(ROWS)), ids=[row.title for row in ROWS])
def test_a_fault_ends_in_right_bytes_or_in_the_error_that_says_what_to_do(kit, number, full_form):
    row = ROWS[number]
    began = time.monotonic()
    for cell in CELLS if full_form else [sample(number)]:
        told = PLAYED[(row.title, *cell)] = kit.play(row, *cell)
        assert full_form or is_as_expected(row, told, expected(row, *cell)), (cell, told)
    TOOK.append(time.monotonic() - began)
    if full_form:
        put_into_page(written(PLAYED))


def test_every_stage_has_its_turn_in_the_short_form():
    stages = Counter(sample(number)[0] for number in range(len(ROWS)))
    assert set(stages) == set(STAGES)


def test_the_page_has_the_table_that_was_measured(full_form, figure):
    if not full_form:
        assert len(table_of_page().splitlines()) == len(ROWS) + 2
        return
    cells = sum(text != NOT_MET for text in PLAYED.values())
    figure(f"Faults: {len(ROWS)} rows, {cells} cells that can occur, in {sum(TOOK):.0f} s")
    table, before = written(PLAYED), table_of_page()
    put_into_page(table)
    assert table == before, (
        "the table of docs/faults.md was written again: look at what has changed"
    )


@pytest.mark.airflow
@pytest.mark.parametrize("vendor", ["scenario", "roma"])
@pytest.mark.parametrize(
    ("what", "how"),
    [(SUBMIT, "503"), (POLL, "reset"), (LIST, "html"), (DOWNLOAD, "cut")],
    ids=["submit", "poll", "list", "download"],
)
def test_airflow_itself_ends_with_the_right_bytes(
    kit, database, tmp_path, monkeypatch, vendor, what, how
):
    if vendor == "roma" and what == LIST:
        pytest.skip("named applications are not listed")
    faults = {
        "503": Fault(status=503, body=b""),
        "reset": Fault(silent=True),
        "html": Fault(status=200, body=b"<html>", headers={"Content-Type": "text/html"}),
        "cut": Fault(status=502, body=b""),
    }
    with monkeypatch.context() as patch:
        kit.prepare(ROWS[0], patch)
        case = Case(
            kit.front, vendor, "https", tmp_path, tmp_path.as_uri(),
            lambda conn_id, made: connect(patch, conn_id, made),
        )  # fmt: skip
        case.point_to("https")
        case.stored = lambda: {
            one.name: one.read_bytes() for one in tmp_path.iterdir() if one.is_file()
        }
        kit.front.trouble = Trouble(what, faults[how], times=2)

        def build() -> None:
            asset_export(
                "export", conn_id=case.conn_id, destination=case.destination, deferrable=True,
                poll_interval=0.1, retries=2, **case.selection(),
            )  # fmt: skip

        run = Airflow(patch)(build)
        trouble, kit.front.trouble = kit.front.trouble, None
    assert run.state == "success", run.tries
    assert trouble.hits == 2
    [manifest] = run.results("export.land")
    assert not case.wrong_bytes(manifest)
