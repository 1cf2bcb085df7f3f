"""Jobs as the log and Airflow's state know them."""

from __future__ import annotations

from dataclasses import replace

import pytest

from airflow_provider_assets.sansio.jobs import ArchiveJob, JobState, describe, state_key

JOB = ArchiveJob("scenario", "job_1", JobState.RUNNING, vendor_status="in-progress")


@pytest.mark.parametrize(
    ("job", "line"),
    [
        (JOB, "scenario job job_1: in-progress"),
        (replace(JOB, vendor_status=""), "scenario job job_1: running"),
        (replace(JOB, progress=0.4), "scenario job job_1: in-progress, 40%"),
        (replace(JOB, done=3, total=9, progress=0.3), "scenario job job_1: in-progress, 3/9"),
        (replace(JOB, total=9), "scenario job job_1: in-progress"),
    ],
)
def test_a_line_of_the_log_says_how_far_a_job_is(job, line):
    assert describe(job) == line


def test_each_connection_and_selection_has_a_key_of_its_own():
    keys = {
        state_key(name, conn_id, select)
        for name in ("watermark", "cursor")
        for conn_id in ("a", "b")
        for select in ({}, {"types": ["upscale"]})
    }
    assert len(keys) == 8
    assert state_key("watermark", "a", {"x": 1, "y": 2}) == state_key(
        "watermark", "a", {"y": 2, "x": 1}
    )
