"""The fault table of docs/faults.md: written from the cells, and read as what each of them has to be."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from pathlib import Path

from fault_rows import ROWS, Row
from fault_stages import STAGES, VENDORS

PAGE = Path(__file__).parent.parent.parent / "docs" / "faults.md"
BEGIN, END = "<!-- the fault table -->\n", "<!-- the end of the fault table -->\n"
NAMES = {"scenario": "Scenario", "topaz": "Topaz Labs", "roma": "ROMA Connect"}
SCHEMES = ("http", "https")
NOT_MET = "n/a"

# (title of the row, stage, vendor, scheme) -> how it went
Cells = Mapping[tuple[str, str, str, str], str]


def written(cells: Cells) -> str:
    """The table in Markdown; a row that was not played keeps its line."""
    before = {_title(line): line for line in table_of_page().splitlines()}
    count = Counter(title for title, *_ in cells)
    played = {title for title, of_row in count.items() if of_row == len(STAGES) * len(VENDORS) * 2}
    lines = [
        f"| fault, and how long it lasts | {' | '.join(STAGES)} |",
        f"|---{'|---' * len(STAGES)}|",
    ]
    for row in ROWS:
        if row.title not in played:
            lines += [before[row.title]] if row.title in before else []
            continue
        told = [_merged(cells, row, stage) for stage in STAGES]
        lines.append(f"| {row.title} | {' | '.join(told)} |")
    return "\n".join(lines) + "\n"


def _title(line: str) -> str:
    return line.strip("| ").partition(" | ")[0]


def _merged(cells: Cells, row: Row, stage: str) -> str:
    """One text for all vendors and both schemes, or one for each group of them."""
    of_vendor: dict[str, tuple[str, ...]] = {
        vendor: tuple(cells[row.title, stage, vendor, scheme] for scheme in row.schemes)
        for vendor in VENDORS
    }
    groups: dict[str, list[str]] = {}
    for vendor, texts in of_vendor.items():
        if len(set(texts)) == 1:
            groups.setdefault(texts[0], []).append(NAMES[vendor])
        else:
            for scheme, text in zip(row.schemes, texts, strict=True):
                groups.setdefault(text, []).append(f"{NAMES[vendor]} ({scheme})")
    if len(groups) == 1:
        return next(iter(groups))
    return "; ".join(f"{', '.join(names)}: {text}" for text, names in groups.items())


def table_of_page() -> str:
    """The table as the page has it."""
    return PAGE.read_text(encoding="utf-8").partition(BEGIN)[2].partition(END)[0]


def put_into_page(table: str) -> None:
    text = PAGE.read_text(encoding="utf-8")
    before, _, rest = text.partition(BEGIN)
    PAGE.write_text(before + BEGIN + table + END + rest.partition(END)[2], encoding="utf-8")


def expected(row: Row, stage: str, vendor: str, scheme: str) -> str:
    """What the page says of a cell."""
    for line in table_of_page().splitlines():
        title, *told = line.strip("| ").split(" | ")
        if title == row.title:
            return _told_of(told[STAGES.index(stage)], vendor, scheme)
    raise AssertionError(f"docs/faults.md has no row for {row.title!r}; FULL=1 writes it")


def _told_of(cell: str, vendor: str, scheme: str) -> str:
    for part in cell.split("; "):
        names, colon, text = part.rpartition(": ")
        mine = {NAMES[vendor], f"{NAMES[vendor]} ({scheme})"}
        if not colon or mine & set(names.split(", ")):
            return text
    raise AssertionError(f"nothing about {vendor} over {scheme} in {cell!r}")
