"""A program that lands one archive: for tests that kill it.

Its argument is JSON: the address of the archive, the layout, and where the store is.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path

HERE = Path(__file__).parent
sys.path[:0] = [str(HERE.parents[1]), str(HERE.parent)]
from airflow_provider_assets.landing import (  # noqa: E402  # the path comes first
    AzureStore,
    GcsStore,
    LandingOptions,
    LocalStore,
    S3Store,
    Source,
    land,
)
from airflow_provider_assets.sansio.downloads import ArchiveFile, Link  # noqa: E402  # the path comes first


def store_at(place: dict):
    if "root" in place:
        return LocalStore(Path(place["root"]))
    if "azure" in place:
        from azure.storage.blob import ContainerClient

        return AzureStore(ContainerClient.from_connection_string(*place["azure"]))
    if "gcs" in place:
        from google.auth.credentials import AnonymousCredentials
        from google.cloud import storage

        address, bucket = place["gcs"]
        options = {"api_endpoint": address}
        client = storage.Client("p", credentials=AnonymousCredentials(), client_options=options)
        return GcsStore(client.bucket(bucket))
    from servers import S3Server

    return S3Store(S3Server(*place["s3"]).client(), "landing")


def main(spec: dict) -> None:
    store = store_at(spec)
    source = Source(ArchiveFile("k", "export.zip"), lambda: Link(spec["url"]))
    options = LandingOptions(part_size=5 << 20)
    print("ready", flush=True)  # noqa: T201  # what the test waits for
    facts = {"fingerprint": "night"}
    land([source], store, layout=spec["layout"], prefix="out/", facts=facts, options=options)
    print("landed", flush=True)  # noqa: T201  # likewise


if __name__ == "__main__":
    main(json.loads(sys.argv[1]))
