"""DAG bodies that export from the sandbox, and what landed."""

from __future__ import annotations

import hashlib
import io
import json
import zipfile
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

from airflow_provider_assets.exports import asset_export
from airflow_provider_assets.operators.archive import AssetArchiveOperator
from airflow_provider_assets.transfers.archive_to_object_storage import (
    ArchiveToObjectStorageOperator,
)

CONN = "scenario_default"
MANIFEST = ".manifest.json"
ITEM, COUNT = 2_000_000, 12  # bytes and number of the items of ``large``


def export(destination: str, **arguments: Any) -> Callable[[], object]:
    """The body of a DAG of one :func:`asset_export`."""
    arguments = {"poll_interval": 0.1, **arguments}
    return lambda: asset_export("export", conn_id=CONN, destination=destination, **arguments)


def archive(**arguments: Any) -> AssetArchiveOperator:
    given = {"task_id": "archive", "conn_id": CONN, "poll_interval": 0.1, **arguments}
    return AssetArchiveOperator(**given)


def arm(sandbox: Any, fault: str) -> None:
    """Arm a fault; where it is one of polls, the job outlasts the first poll however slow this machine is."""
    if fault.startswith("poll"):
        sandbox.configure(job_seconds=60)
    sandbox.fault(fault)


def read(folder: Path) -> dict[str, bytes]:
    """Everything in a folder, hidden files too."""
    found = [path for path in folder.rglob("*") if path.is_file()]
    return {str(path.relative_to(folder)): path.read_bytes() for path in found}


def archives(stored: Mapping[str, bytes]) -> dict[str, bytes]:
    """What was exported, without what the package keeps beside it."""
    return {
        key: data
        for key, data in stored.items()
        if not key.endswith(MANIFEST)
        and not {".plans", "metadata", "reports"} & set(key.split("/"))
    }


def ids_in(data: bytes) -> list[str]:
    """The item ids that name the entries of a zip."""
    with zipfile.ZipFile(io.BytesIO(data)) as opened:
        assert opened.testzip() is None
        return [name.rpartition("/")[2].partition(".")[0] for name in opened.namelist()]


def exportable(sandbox: Any, start: str, end: str) -> list[str]:
    """What the vendor's library holds of a span, by the sandbox's own word."""
    found = sandbox.items("scenario", start=start, end=end)
    return sorted(item["id"] for item in found if item["exportable"])


def assert_as_served(
    manifest: Mapping[str, Any], stored: Mapping[str, bytes], sandbox: Any
) -> None:
    """The object, the returned manifest and the manifest object agree with the sandbox's word."""
    served = sandbox.archive(manifest["facts"]["job_id"])
    key = key_of(manifest["uri"], stored)
    data = stored[key]
    assert len(data) == served["bytes"] == manifest["bytes"]
    assert hashlib.sha256(data).hexdigest() == served["sha256"] == manifest["sha256"]
    document = json.loads(stored[key_of(manifest["manifest_uri"], stored)])
    listed = {entry["name"]: entry["bytes"] for entry in document["files"]}
    assert listed == {entry["name"]: entry["bytes"] for entry in served["entries"]}
    assert manifest["entries"] == len(listed)
    returned_only = {"skipped", "metadata_uri", "metadata_rows"}
    assert {name: document[name] for name in manifest.keys() - returned_only} == {
        name: value for name, value in manifest.items() if name not in returned_only
    }


def key_of(uri: str, stored: Mapping[str, bytes]) -> str:
    path = unquote(urlsplit(uri).path)
    (key,) = (key for key in stored if path.endswith(f"/{key}"))
    return key


class Hasty(ArchiveToObjectStorageOperator):
    """Gives up at the first broken request, so that a test need not wait for six."""

    def _options(self, hook):
        return replace(super()._options(hook), attempts=1)
