"""One transfer by one way, in a process of its own: ``python peer.py WAY SOURCE_URL BUCKET/KEY``.

The environment gives the S3 endpoint and keys (``AWS_*``) and the CA of both ends (``AWS_CA_BUNDLE``).
With ``SECONDS_TO``, the name of a file, the process first loads what a worker of Airflow has loaded, and
writes there how long the transfer alone took.
Payload signing is off for all, so that runs over plain HTTP do the work that runs over TLS do.
"""

from __future__ import annotations

import io
import os
import shutil
import sys
import tempfile
import time
import zipfile
from pathlib import Path


def client():
    import boto3
    from botocore.config import Config

    options = {"addressing_style": "path", "payload_signing_enabled": False}
    config = Config(s3=options, signature_version="s3v4", max_pool_connections=32)
    return boto3.client("s3", config=config)


def land_as(layout: str, url: str, bucket: str, key: str) -> None:
    from airflow_provider_assets.landing import LandingOptions, S3Store, Source, land
    from airflow_provider_assets.sansio.downloads import ArchiveFile, Link

    number = os.environ.get("CONCURRENCY")
    hash_it = {"1": True, "0": False}.get(os.environ.get("SHA256", ""))
    options = LandingOptions(concurrency=int(number) if number else None, sha256=hash_it)
    source = Source(ArchiveFile("k", "export.zip"), lambda: Link(url))
    prefix, _, name = key.rpartition("/")
    done = land(  # under a name of its own, which no earlier run has taken
        [source], S3Store(client(), bucket), prefix=f"{prefix}/{os.getpid()}/", name=name, layout=layout,
        options=options, verify=os.environ.get("VERIFY", "1") == "1",
    )  # fmt: skip
    print(done.bytes, done.entries, done.verified, file=sys.stderr)


def engine(url: str, bucket: str, key: str) -> None:
    """The landing engine: ranged, verified (length, zip structure, every CRC-32, store's checksum)."""
    land_as("archive", url, bucket, key)


def engine_unpack(url: str, bucket: str, key: str) -> None:
    """The landing engine, ``layout="files"``."""
    land_as("files", url, bucket, key)


def requests_boto3(url: str, bucket: str, key: str) -> None:
    """The base: a stream of requests into boto3's upload_fileobj."""
    import requests

    with requests.get(url, stream=True, timeout=60) as response:
        response.raise_for_status()
        client().upload_fileobj(response.raw, bucket, key)


def http_to_s3(url: str, bucket: str, key: str) -> None:
    """What the execute method of Airflow's HttpToS3Operator does, without Airflow's start-up."""
    import requests

    content = requests.get(url, timeout=60).content
    client().upload_fileobj(io.BytesIO(content), bucket, key)


def fsspec_copy(url: str, bucket: str, key: str) -> None:
    """fsspec's HTTP file copied into an s3fs file."""
    import fsspec
    import s3fs

    config = {"s3": {"addressing_style": "path", "payload_signing_enabled": False}}
    target = s3fs.S3FileSystem(endpoint_url=os.environ["AWS_ENDPOINT_URL"], config_kwargs=config)
    with fsspec.open(url, "rb") as source, target.open(f"{bucket}/{key}", "wb") as sink:
        shutil.copyfileobj(source, sink, 8 << 20)


def obstore(url: str, bucket: str, key: str) -> None:
    """obstore: Rust, a stream into a multipart upload; no resume, no check."""
    import asyncio

    import obstore as obs
    from obstore.store import HTTPStore, S3Store

    plain = {"allow_http": True, "allow_invalid_certificates": True}
    base, _, name = url.rpartition("/")
    source = HTTPStore.from_url(base, client_options=plain)
    config = {"endpoint": os.environ["AWS_ENDPOINT_URL"], "aws_unsigned_payload": "true"}
    target = S3Store(bucket, config=config, region="us-east-1", client_options=plain)

    async def copy() -> None:
        found = await obs.get_async(source, name)
        stream = found.stream(min_chunk_size=1 << 20)
        await obs.put_async(target, key, stream, chunk_size=8 << 20, max_concurrency=4)

    asyncio.run(copy())


def disk_unpack(url: str, bucket: str, key: str) -> None:
    """The base of unpacking: to disk, then one put after another."""
    import requests

    s3 = client()
    with tempfile.TemporaryFile() as file, requests.get(url, stream=True, timeout=60) as response:
        shutil.copyfileobj(response.raw, file, 1 << 20)
        with zipfile.ZipFile(file) as archive:
            for name in archive.namelist():
                s3.put_object(Bucket=bucket, Key=f"{key}/{name}", Body=archive.read(name))


def stream_unpack(url: str, bucket: str, key: str) -> None:
    """A single pass over the stream, eight puts in parallel; by the engine, of a source without Range."""
    base, _, name = url.rpartition("/")
    land_as("files", f"{base}/whole/{name}", bucket, key)


WAYS = {
    f.__name__: f
    for f in (
        engine, engine_unpack, requests_boto3, http_to_s3, fsspec_copy, obstore,
        disk_unpack, stream_unpack,
    )
}  # fmt: skip

if __name__ == "__main__":
    way, source_url, goal = sys.argv[1:4]
    if "SECONDS_TO" in os.environ:
        import airflow.sdk
        import boto3  # noqa: F401  # all of them are there before a task begins
        import requests  # noqa: F401  # likewise

        airflow.sdk.BaseOperator  # noqa: B018  # which is loaded by its name
    began = time.monotonic()
    WAYS[way](source_url, *goal.split("/", 1))
    if "SECONDS_TO" in os.environ:
        Path(os.environ["SECONDS_TO"]).write_text(str(time.monotonic() - began))
