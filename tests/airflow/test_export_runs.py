from __future__ import annotations

import hashlib
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from airflow_provider_assets.exports import asset_export

pytestmark = pytest.mark.airflow


def export(destination: str, **arguments: object):
    arguments = {"poll_interval": 0.1, **arguments}
    return lambda: asset_export(
        "export", conn_id="scenario_default", destination=destination, **arguments
    )


@pytest.mark.parametrize("deferrable", [False, True], ids=["blocking", "deferred"])
def test_what_lands_in_a_folder_is_what_the_vendor_served(airflow, sandbox, folder, deferrable):
    run = airflow(export(folder.as_uri(), deferrable=deferrable))
    assert run.state == "success", run.tries
    (reference,) = run.result("export.archive")
    (manifest,) = run.results("export.land")
    served = sandbox.archive(reference["job"]["job_id"])
    data = Path(urlsplit(manifest["uri"]).path).read_bytes()
    assert hashlib.sha256(data).hexdigest() == served["sha256"] == manifest["sha256"]
