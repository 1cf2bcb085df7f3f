"""What Airflow's lineage, and OpenLineage with it, learns of a landing."""

from __future__ import annotations

import pytest
from airflow.providers.common.compat.lineage import hook
from exported import export

pytestmark = pytest.mark.airflow


def test_what_lands_is_told_to_lineage(airflow, sandbox, folder, monkeypatch):
    lineage = pytest.importorskip("airflow.sdk.lineage", reason="its home from 3.2 on")
    collector = (
        lineage.HookLineageCollector()
    )  # as where a listener such as OpenLineage is installed
    monkeypatch.setattr(hook, "get_hook_lineage_collector", lambda: collector)
    run = airflow(export(folder.as_uri()))
    (manifest,) = run.results("export.land")
    told = [output.asset.uri for output in collector.collected_assets.outputs]
    assert told == [manifest["uri"]]
