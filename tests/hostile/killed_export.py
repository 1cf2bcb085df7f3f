"""Exports in a process of its own, which dies without a word in the middle of its landing.

It notes the secrets that it has used in a file, for whoever looks for them.
"""

from __future__ import annotations

import json
import logging
import os
import signal
import sys
from pathlib import Path

import pytest
from airflow_runs import Airflow
from canary_kit import Canaries, without_masks

from airflow_provider_assets.exports import asset_export
from airflow_provider_assets.landing.source.connections import Connections


def main(conn_id: str, destination: str, start: str, end: str, secrets: str) -> None:
    logging.getLogger().setLevel("DEBUG")
    logging.getLogger().addHandler(logging.StreamHandler(sys.stdout))
    canaries = Canaries()

    def dying(connections, response, view):
        Path(secrets).write_text(json.dumps(canaries.secrets))
        sys.stdout.flush()
        os.kill(os.getpid(), signal.SIGKILL)

    Connections.read = dying
    with pytest.MonkeyPatch.context() as patch:
        without_masks(patch)
        canaries.watch(patch)
        arguments = {"conn_id": conn_id, "destination": destination, "poll_interval": 0.1}
        airflow = Airflow(patch)
        dag = airflow.dag(lambda: asset_export("export", window=(start, end), **arguments))
        airflow.run(dag)


if __name__ == "__main__":
    main(*sys.argv[1:])
