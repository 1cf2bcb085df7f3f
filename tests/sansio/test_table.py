from __future__ import annotations

from airflow_provider_assets.sansio.table import table


def test_a_table_has_a_line_of_names_and_numbers_on_the_right():
    rows = {"2026-01-04": {"items": 5, "bytes": None}, "total": {"items": 1000, "bytes": 12}}
    assert table(rows).splitlines() == [
        "period      items  bytes",
        "2026-01-04      5",
        "total        1000     12",
    ]


def test_a_table_without_rows_has_its_first_name():
    assert table({}) == "period"
