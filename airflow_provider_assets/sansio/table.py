"""Text tables, for the log and the terminal."""

from __future__ import annotations

from collections.abc import Mapping

from airflow_provider_assets.sansio.strict_json import JSON


def table(rows: Mapping[str, Mapping[str, JSON]]) -> str:
    """*rows* by period as a text table with a line of names; all rows have the same columns."""
    columns = ["period", *next(iter(rows.values()), {})]
    cells = [
        columns,
        *(
            [label, *("" if one is None else str(one) for one in row.values())]
            for label, row in rows.items()
        ),
    ]
    widths = [max(len(line[at]) for line in cells) for at in range(len(columns))]
    return "\n".join(
        "  ".join(
            cell.ljust(width) if at == 0 else cell.rjust(width)
            for at, (cell, width) in enumerate(zip(line, widths, strict=True))
        ).rstrip()
        for line in cells
    )
