"""The one verdict on completeness."""

from __future__ import annotations

import pytest

from airflow_provider_assets.sansio.errors import PartialArchiveError
from airflow_provider_assets.sansio.jobs import ArchiveJob
from airflow_provider_assets.sansio.verdict import ensure_complete, first_of


def job(job_id, **failed):
    return ArchiveJob("scenario", job_id, details={"failed": failed} if failed else {})


def test_complete_jobs_need_no_words():
    assert ensure_complete([job("1"), job("2")], "fail") == []


def test_one_incomplete_job_among_many_fails_the_export():
    with pytest.raises(PartialArchiveError, match=r"job 2: 1 items.*a \(Failed\).*on_partial") as e:
        ensure_complete([job("1"), job("2", a="Failed"), job("3")], "fail")
    assert e.value.vendor == "scenario"


def test_every_incomplete_job_is_told_where_the_others_land():
    told = ensure_complete([job("1", a="Failed"), job("2"), job("3", b="Gone", c="Gone")], "land")
    assert len(told) == 2
    assert "c (Gone)" in told[1]


def test_a_long_list_is_cut_and_counted():
    assert first_of(str(n) for n in range(10)) == "0, 1, 2, 3, 4, 5, 6, 7, 8, 9"
    assert first_of(str(n) for n in range(12)) == "0, 1, 2, 3, 4, 5, 6, 7, 8, 9 and 2 more"
