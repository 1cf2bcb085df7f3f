"""Scenario's rarer ways of an export against an API that knows nothing of this package."""

from __future__ import annotations

import pytest
from vendor_live import fetch, live

from airflow_provider_assets.sansio.jobs import LINKS, ArchiveReference, ArchiveRequest


@pytest.fixture
def scenario(sandbox, asynchronous):
    sandbox.reset()
    return live(sandbox.scenario, asynchronous)


def test_public_assets_of_other_organisations_are_listed_by_nobody(scenario):
    def listed(owner):
        query = {"privacy": "public", "ownerId": owner}
        found = []
        scenario.run(
            scenario.vendor.select(query, None, on_record=lambda _, record: found.append(record))
        )
        return found

    ours = listed("proj_sandbox")
    assert {(one["ownerId"], one["privacy"]) for one in ours} == {("proj_sandbox", "public")}
    assert {one["ownerId"] for one in listed("proj_elsewhere")} == {"proj_elsewhere"}


@pytest.mark.parametrize("target_format", [None, "webp"])
def test_single_files_need_no_job(scenario, sandbox, target_format):
    listed = [one for one in sandbox.items("scenario") if one["exportable"]][:3]
    ids = tuple(one["id"] for one in listed)
    request = ArchiveRequest("scenario", {"asset_ids": ids}, {"mode": LINKS})
    sandbox.reset_stats()
    reference = ArchiveReference("c", request, scenario.run(scenario.vendor.submit(request)))
    scenario.wait([reference.job])
    files = scenario.run(scenario.vendor.files(reference, target_format=target_format))
    assert [file.name for file in files] == [f"{i}.{target_format or 'png'}" for i in ids]
    for file, one in zip(files, listed, strict=True):
        link = scenario.run(scenario.vendor.link(reference, file, target_format=target_format))
        assert len(fetch(link)[0]) == one["bytes"]
    totals = sandbox.stats()["totals"]
    assert (totals["submits"], totals["polls"], totals["bulk_polls"]) == (0, 0, 0)
    assert (totals["metadata"], totals["links"]) == (1, 3)
