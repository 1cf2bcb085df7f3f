from __future__ import annotations

import secrets
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from leaks import nothing_leaks
from origin import Origin, http_origin
from servers import S3Server

from airflow_provider_assets.landing import (
    AzureStore,
    FsspecStore,
    GcsStore,
    LandingOptions,
    LocalStore,
    S3Store,
)

# Its assertions explain themselves as those of test modules do.
pytest.register_assert_rewrite("broken_landings", "store_contract")


@pytest.fixture
def ports() -> set[int]:
    """Ports of the origins of a test."""
    return set()


@pytest.fixture(autouse=True)
def _nothing_leaks(tmp_path: Path, ports: set[int]) -> Iterator[None]:
    with nothing_leaks(tmp_path, ports):
        yield


@pytest.fixture(scope="session")
def s3_client(s3_server: S3Server):
    return s3_server.client_of("landing")


@pytest.fixture
def s3(s3_client) -> Iterator[S3Store]:
    # One bucket for all: SeaweedFS takes seconds to make room for a new one.
    yield S3Store(s3_client, "landing")
    for item in s3_client.list_objects_v2(Bucket="landing").get("Contents", ()):
        s3_client.delete_object(Bucket="landing", Key=item["Key"])
    # One failed test shall not fail all that look for open uploads after it.
    for upload in s3_client.list_multipart_uploads(Bucket="landing").get("Uploads", ()):
        s3_client.abort_multipart_upload(
            Bucket="landing", Key=upload["Key"], UploadId=upload["UploadId"]
        )


@pytest.fixture
def moto(moto_server: S3Server) -> S3Store:
    client = moto_server.client()
    bucket = f"landing{secrets.token_hex(4)}"
    client.create_bucket(Bucket=bucket)
    return S3Store(client, bucket)


@pytest.fixture
def azure(azure_account: str) -> AzureStore:
    from azure.storage.blob import BlobServiceClient

    service = BlobServiceClient.from_connection_string(azure_account)
    return AzureStore(service.create_container(f"landing{secrets.token_hex(4)}"))


@pytest.fixture
def gcs(gcs_address: str) -> GcsStore:
    from google.auth.credentials import AnonymousCredentials
    from google.cloud import storage

    options = {"api_endpoint": gcs_address}
    client = storage.Client("p", credentials=AnonymousCredentials(), client_options=options)
    return GcsStore(client.create_bucket(f"landing{secrets.token_hex(4)}"))


@pytest.fixture
def fsspec_memory() -> FsspecStore:
    import fsspec

    return FsspecStore(fsspec.filesystem("memory"), f"/landing{secrets.token_hex(4)}")


@pytest.fixture
def local(tmp_path: Path) -> LocalStore:
    return LocalStore(tmp_path)


@pytest.fixture(params=["local", "s3"])
def store(request: pytest.FixtureRequest):
    return request.getfixturevalue(request.param)


@pytest.fixture
def origin(request: pytest.FixtureRequest, ports: set[int]) -> Iterator[Origin]:
    """Over http, and over https too where a test is marked with ``over_http_and_https``."""
    scheme = getattr(request, "param", "http")
    trusted = request.getfixturevalue("trusted") if scheme == "https" else None
    with http_origin(trusted) as running:
        ports.add(urlsplit(running.url).port)
        yield running


@pytest.fixture
def quick() -> LandingOptions:
    return LandingOptions(stall_seconds=2, jitter=lambda: 0.0, part_size=5 << 20)
