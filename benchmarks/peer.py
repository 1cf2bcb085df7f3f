"""One transfer by one way, in a process of its own: ``python peer.py WAY SOURCE_URL BUCKET/KEY``.

The environment gives the S3 endpoint and keys (``AWS_*``) and the CA of both ends (``AWS_CA_BUNDLE``).
Payload signing is off for all, so that runs over plain HTTP do the work that runs over TLS do.
"""

from __future__ import annotations

import io
import os
import shutil
import sys


def client():
    import boto3
    from botocore.config import Config

    options = {"addressing_style": "path", "payload_signing_enabled": False}
    return boto3.client("s3", config=Config(s3=options, signature_version="s3v4", max_pool_connections=32))


def engine(url: str, bucket: str, key: str) -> None:
    from airflow_provider_assets.landing import LandingOptions, S3Store, Source, land
    from airflow_provider_assets.sansio.jobs import ArchiveFile, Link

    number = os.environ.get("CONCURRENCY")
    hash_it = {"1": True, "0": False}.get(os.environ.get("SHA256", ""))
    options = LandingOptions(concurrency=int(number) if number else None, sha256=hash_it)
    verify = os.environ.get("VERIFY", "1") == "1"
    source = Source(ArchiveFile("k", "big.zip"), lambda: Link(url))
    prefix, _, name = key.rpartition("/")
    done = land([source], S3Store(client(), bucket), prefix=prefix, name=name, options=options, verify=verify)
    print(done.verified, file=sys.stderr)


def requests_boto3(url: str, bucket: str, key: str) -> None:
    import requests

    with requests.get(url, stream=True, timeout=60) as response:
        response.raise_for_status()
        client().upload_fileobj(response.raw, bucket, key)


def http_to_s3(url: str, bucket: str, key: str) -> None:
    """What Airflow's HttpToS3Operator does, without Airflow's start-up."""
    import requests

    content = requests.get(url, timeout=60).content
    client().upload_fileobj(io.BytesIO(content), bucket, key)


def fsspec_copy(url: str, bucket: str, key: str) -> None:
    import fsspec
    import s3fs

    kwargs = {"config_kwargs": {"s3": {"addressing_style": "path", "payload_signing_enabled": False}}}
    target = s3fs.S3FileSystem(endpoint_url=os.environ["AWS_ENDPOINT_URL"], **kwargs)
    with fsspec.open(url, "rb") as source, target.open(f"{bucket}/{key}", "wb") as sink:
        shutil.copyfileobj(source, sink, 8 << 20)


def obstore(url: str, bucket: str, key: str) -> None:
    import obstore as obs
    from obstore.store import HTTPStore, S3Store

    plain = {"allow_http": True, "allow_invalid_certificates": True}
    base, _, name = url.rpartition("/")
    source = HTTPStore.from_url(base, client_options=plain)
    config = {"endpoint": os.environ["AWS_ENDPOINT_URL"], "aws_unsigned_payload": "true"}
    target = S3Store(bucket, config=config, region="us-east-1", client_options=plain)
    stream = obs.get(source, name).stream(min_chunk_size=1 << 20)
    obs.put(target, key, stream, use_multipart=True, chunk_size=8 << 20, max_concurrency=4)


WAYS = {f.__name__: f for f in (engine, requests_boto3, http_to_s3, fsspec_copy, obstore)}

if __name__ == "__main__":
    way, source_url, goal = sys.argv[1:4]
    WAYS[way](source_url, *goal.split("/", 1))
