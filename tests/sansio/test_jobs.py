"""Jobs as the log and Airflow's state know them."""

from __future__ import annotations

from dataclasses import replace

import pytest

from airflow_provider_assets.sansio.errors import InvalidRequestError
from airflow_provider_assets.sansio.groups import grouped, ungrouped
from airflow_provider_assets.sansio.jobs import (
    ArchiveJob,
    ArchiveReference,
    ArchiveRequest,
    JobState,
    describe,
)
from airflow_provider_assets.sansio.versioned import MAP_OVER

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


@pytest.mark.parametrize(
    ("count", "limit", "sizes"),
    [(3, 3, None), (4, 3, [2, 2]), (7, 3, [3, 3, 1]), (1025, 1024, [2] * 512 + [1]), (0, 3, None)],
)
def test_groups_are_no_larger_than_they_must_be(count, limit, sizes):
    references = [{"n": n} for n in range(count)]
    made = grouped(references, limit)
    assert [one for group in made for one in ungrouped(group)] == references
    assert len(made) <= limit
    if sizes is None:
        assert made == references
    else:
        assert [len(ungrouped(group)) for group in made] == sizes


@pytest.mark.parametrize(
    "group", [{"archives": []}, {"version": 2, "archives": []}, {"version": 1, "archives": "a"}]
)
def test_a_group_that_cannot_be_read_is_refused(group):
    with pytest.raises(InvalidRequestError, match="not a group of archives: "):
        ungrouped(group)


def test_a_group_may_come_from_an_xcom_backend_that_makes_tuples_of_lists():
    assert ungrouped({"version": 1, "archives": ({"n": 1}, {"n": 2})}) == [{"n": 1}, {"n": 2}]


@pytest.mark.parametrize("missing", ["conn_id", "request", "job"])
def test_a_reference_that_lacks_a_part_is_refused(missing):
    whole = ArchiveReference("c", ArchiveRequest("v", {}), ArchiveJob("v", "j")).to_dict()
    with pytest.raises(InvalidRequestError, match=f"not an archive reference: .*{missing}"):
        ArchiveReference.from_dict({name: one for name, one in whole.items() if name != missing})


@pytest.mark.parametrize(
    ("part", "change"),
    [
        ("request", {"window": ["yesterday", "today"]}),
        ("request", {"items": {"asset_ids": [5]}}),
        ("request", {"run_date": 20260109}),
        ("job", {"progress": "half"}),
        ("job", {"submitted_at": float("nan")}),
        ("job", {"details": {"failed": {"\ud800": "x"}}}),
    ],
)
def test_a_reference_that_was_changed_on_the_way_is_refused_before_it_is_used(part, change):
    whole = ArchiveReference("c", ArchiveRequest("v", {}), ArchiveJob("v", "j")).to_dict()
    with pytest.raises(InvalidRequestError, match=r"^not an archive "):
        ArchiveReference.from_dict({**whole, part: {**whole[part], **change}})


@pytest.mark.parametrize(
    "whole",
    [
        ArchiveRequest("v", {"ids": ("a",)}, {"level": float("nan")}),
        ArchiveJob("v", "j", details={"failed": {"\ud800": "x"}}),
    ],
)
def test_a_part_that_is_read_alone_is_checked_as_the_whole_is(whole):
    with pytest.raises(InvalidRequestError, match="it is not JSON"):
        type(whole).from_dict(whole.to_dict())


@pytest.mark.parametrize("state", JobState)
def test_a_job_that_was_stored_has_a_state_and_not_only_its_name(state):
    assert ArchiveJob.from_dict(ArchiveJob("v", "j", state).to_dict()).state is state


@pytest.mark.parametrize(
    ("kind", "data", "message"),
    [
        (ArchiveReference, "{}", "not an archive reference: expected a mapping, got str"),
        (ArchiveReference, [{}], f"not an archive reference: expected a mapping, got list{MAP_OVER}"),
        (ArchiveJob, {"version": 7}, "not an archive job: version 7 is not 1; run both tasks on one release"),
        (ArchiveJob, {"version": 1, "vendor": "v", "job_id": "j", "state": "asleep"},
         "not an archive job: 'asleep' is not a valid JobState"),
        (ArchiveRequest, {"version": 1}, "not an archive request: KeyError('items')"),
    ],
)  # fmt: skip
def test_what_cannot_be_read_is_named_with_the_reason(kind, data, message):
    with pytest.raises(InvalidRequestError) as raised:
        kind.from_dict(data)
    assert raised.value.message == message
