from __future__ import annotations

from airflow_provider_assets.sansio.fingerprints import state_key


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
