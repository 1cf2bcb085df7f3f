from __future__ import annotations

from dataclasses import replace

from airflow_provider_assets.sansio.fingerprints import fingerprint, state_key
from airflow_provider_assets.sansio.jobs import ArchiveRequest


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


def test_what_is_stored_under_a_fingerprint_is_found_by_every_release():
    whole = "0e868d5becbc165b3d5317be80b01b68361d198163e4ae7eeffa89a562bb17f5"
    assert fingerprint({"b": [1, None, "é"], "a": {"x": True}}) == whole
    key = state_key("watermark", "scenario_default", {"types": ["upscale"]})
    assert key == "watermark.68ba33f645777574"
    request = ArchiveRequest("scenario", {"asset_ids": ("a", "b")}, {"flat": True})
    request = replace(request, run_date="2026-01-09T00:00:00.000Z")
    assert request.fingerprint.startswith("9afc99e629788b12")
    assert request.landing_fingerprint(None).startswith("704f4db96ab3cd92")
    assert request.landing_fingerprint("webp").startswith("2ed4b83aba80d2a1")
