"""Writes to S3 that repeat an accepted request: they reach the server as those of the client do."""

from __future__ import annotations

import logging
import time
import zlib
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import boto3
import pytest
from botocore.awsrequest import AWSResponse
from botocore.config import Config
from botocore.exceptions import ClientError
from landing_kit import FACTS, contents, linked, noise, zipped
from s3_quirks import Quirks, QuirkyS3, Refusal, quirky_s3

from airflow_provider_assets.landing import S3Store, land
from airflow_provider_assets.landing.stores.base import Part
from airflow_provider_assets.landing.stores.s3.direct import DirectWrites
from airflow_provider_assets.sansio.errors import InvalidRequestError

KEEPS = Quirks(keeps_checksum=True)


@pytest.fixture(params=["http", "https"])
def server(request, s3_server, s3, certificate, monkeypatch):
    """A store in front of the bucket of ``s3``, whose certificate the environment trusts."""
    monkeypatch.setenv("AWS_CA_BUNDLE", str(certificate.authority))
    with quirky_s3(s3_server, KEEPS, certificate if request.param == "https" else None) as made:
        yield made


def put(store: S3Store, key: str, data: bytes = b"x", *, overwrite: bool = True):
    return store.put(key, data, crc32=zlib.crc32(data), overwrite=overwrite)


def direct(server: QuirkyS3) -> list[dict[str, str]]:
    """The headers of the writes that botocore has not prepared: it announces every body."""
    return [
        headers
        for what, headers in server.seen
        if what in {"Put", "UploadPart"} and "expect" not in headers
    ]


def test_every_object_is_sent_once_and_after_the_first_without_preparation(server, s3):
    store = S3Store(server.client(), s3.bucket)
    for number in range(6):
        data = noise(2000, number)
        stored = put(store, f"in a/ü+~%2F {number}", memoryview(b"--" + data + b"--")[2:-2])
        assert stored.crc32 == zlib.crc32(data)
        assert contents(s3, f"in a/ü+~%2F {number}") == data
    put(store, "empty", b"")
    assert contents(s3, "empty") == b""
    assert server.count("Put") == 7
    assert len(direct(server)) == 6


def test_every_part_is_sent_once_and_after_the_first_without_preparation(server, s3):
    store = S3Store(server.client(), s3.bucket)
    pieces = [noise(5 << 20, number) for number in range(4)]
    for key in ("a", "b"):
        writer = store.begin(key, label="label")
        for number, piece in enumerate(pieces, 1):
            part = Part(number, 0, len(piece), zlib.crc32(piece))
            assert writer.put_part(part, memoryview(piece)).strip('"')
        whole = b"".join(pieces)
        assert [part.size for part in writer.done()] == [5 << 20] * 4
        writer.discard()
    assert len(whole) == 20 << 20
    assert server.count("UploadPart") == 8
    assert len([headers for headers in direct(server) if int(headers["content-length"]) > 100]) == 7


def test_a_landing_sends_every_file_once(server, s3, origin, quick):
    files = {f"{number}.png": noise(5000, number) for number in range(30)}
    store = S3Store(server.client(), s3.bucket)
    manifest = land(
        [linked(origin, zipped(files))], store, layout="files", options=quick, facts=FACTS
    )
    assert all(contents(s3, name) == data for name, data in files.items())
    assert "store_checksum" in manifest.verified
    written = [what for what, _ in server.seen if what == "Put"]
    assert len(written) == len(files) + 2  # the manifest, and the probe of If-None-Match
    assert len(direct(server)) > len(files) // 2


@pytest.mark.parametrize("hangs_up", [False, True], ids=["refuses", "hangs up"])
def test_a_store_that_wants_botocore_only_is_not_asked_again(server, s3, caplog, hangs_up):
    caplog.set_level(logging.DEBUG, logger="airflow_provider_assets")
    server.quirks = replace(KEEPS, requires="expect", hangs_up=hangs_up)
    store = S3Store(server.client(), s3.bucket)
    put(store, "first")
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda number: put(store, f"{number}"), range(24)))
    for number in range(24, 27):  # however few of the threads came to try it
        put(store, f"{number}")
    asked = 3 if hangs_up else 1  # a broken connection may have been an accident
    assert len(direct(server)) == asked
    assert server.count("Put") == 28 + asked
    assert len(dict(s3.listing(""))) == 28
    assert caplog.text.count("take more processor time") == 1
    assert "Signature" not in caplog.text
    assert "landing-secret" not in caplog.text


def test_a_connection_that_was_closed_while_idle_is_replaced(server, s3):
    server.quirks = replace(KEEPS, idle=0.2)
    store = S3Store(server.client(), s3.bucket)
    for number in range(3):
        put(store, f"{number}")
        time.sleep(0.5)
    with ThreadPoolExecutor(4) as pool:
        list(pool.map(lambda number: put(store, f"and {number}"), range(8)))
    assert server.count("Put") == 11
    assert len(direct(server)) >= 7


def test_a_store_that_is_busy_is_asked_again(server, s3):
    store = S3Store(server.client(), s3.bucket)
    put(store, "first")
    put(store, "second")
    server.quirks = replace(KEEPS, refuses=(Refusal("Put", 503, "SlowDown", times=1),))
    put(store, "third")
    assert contents(s3, "third") == b"x"
    before = len(direct(server))
    put(store, "fourth")
    assert len(direct(server)) == before + 1


def test_the_headers_of_botocore_are_those_of_every_write(server, s3):
    extra = {"StorageClass": "STANDARD", "ContentType": "image/png", "CacheControl": "no-store"}
    store = S3Store(server.client(token="session"), s3.bucket, extra=extra)
    for number in range(3):
        put(store, f"{number}")
    first, *others = [headers for what, headers in server.seen if what == "Put"]
    of_the_try = {  # the user agent also counts the features that were used
        "amz-sdk-invocation-id", "amz-sdk-request", "authorization", "expect", "user-agent",
        "x-amz-date",
    }  # fmt: skip

    def of_the_kind(headers):
        return {name: value for name, value in headers.items() if name not in of_the_try}

    for headers in others:
        assert of_the_kind(headers) == of_the_kind(first)
        signed = headers["authorization"].partition("SignedHeaders=")[2].partition(",")[0]
        assert {
            "x-amz-security-token", "x-amz-storage-class", "x-amz-checksum-crc32"
        } <= set(signed.split(";"))  # fmt: skip
    assert len(direct(server)) == 2


def test_a_taken_name_is_refused_with_the_error_of_the_client(server, s3):
    client = server.client()
    store = S3Store(client, s3.bucket)
    for name in ("a", "b", "c"):
        put(store, name, overwrite=False)
    asked = server.count("Put")
    with pytest.raises(InvalidRequestError, match="overwrite"):
        put(store, "c", b"other", overwrite=False)
    assert server.count("Put") == asked + 1
    params = {
        "Bucket": s3.bucket, "Key": "c", "ChecksumCRC32": "AAAAAA==", "IfNoneMatch": "*",
        "ContentType": "text/plain",
    }  # fmt: skip
    with pytest.raises(ClientError) as of_client:
        client.put_object(Body=b"", **params)
    with pytest.raises(ClientError) as of_copy:
        store.direct.write("PutObject", b"", **params)
    assert "expect" not in server.seen[-1][1]
    assert of_copy.value.operation_name == of_client.value.operation_name
    codes = [error.value.response["Error"]["Code"] for error in (of_copy, of_client)]
    assert codes == ["PreconditionFailed"] * 2
    assert type(of_copy.value) is type(of_client.value)


def test_a_proxy_of_the_client_serves_every_write(s3_server, s3):
    with quirky_s3(s3_server, KEEPS) as proxy:
        client = proxy.client(endpoint="http://s3.test", proxies={"http": proxy.url})
        store = S3Store(client, s3.bucket)
        for number in range(3):
            put(store, f"{number}")
        assert proxy.proxied == ["s3.test"] * 3
        assert len(direct(proxy)) == 2


def test_the_certificates_of_the_client_are_trusted_and_no_others(s3_server, s3, certificate):
    with quirky_s3(s3_server, KEEPS, certificate) as server:
        trusting = S3Store(server.client(verify=str(certificate.authority)), s3.bucket)
        put(trusting, "a")
        put(trusting, "b")
        assert len(direct(server)) == 1
        wary = DirectWrites(server.client())
        wary._patterns.update(
            {
                kind: replace(pattern, endpoint=wary.client._endpoint)
                for kind, pattern in trusting.direct._patterns.items()
            }
        )
        with pytest.raises(Exception, match="CERTIFICATE_VERIFY_FAILED"):
            wary.write("PutObject", b"x", Bucket=s3.bucket, Key="c", ChecksumCRC32="jNwWgw==")
        assert server.count("Put") == 2


ENDPOINTS = {
    "Amazon": {"region_name": "eu-central-1"},
    "virtual": {"endpoint_url": "https://store.test:9000", "style": "virtual"},
    "path": {"endpoint_url": "https://store.test/s3", "style": "path"},
    "accelerated": {"region_name": "eu-central-1", "use_accelerate_endpoint": True},
}


@pytest.mark.parametrize("endpoint", list(ENDPOINTS))
def test_addresses_are_those_of_the_client_and_its_handlers_may_answer(endpoint):
    options = {"region_name": "us-east-1"} | ENDPOINTS[endpoint]
    s3_options = {
        "addressing_style": options.pop("style", "auto"),
        "use_accelerate_endpoint": options.pop("use_accelerate_endpoint", False),
    }
    client = boto3.client(
        "s3", aws_access_key_id="key", aws_secret_access_key="secret",
        config=Config(signature_version="s3v4", s3=s3_options), **options,
    )  # fmt: skip
    sent = []

    def answer(request, **_):
        sent.append(request)
        return AWSResponse(request.url, 200, {"ETag": '"1"'}, NoBody())

    for operation in ("PutObject", "UploadPart"):
        client.meta.events.register(f"before-send.s3.{operation}", answer)
    writes = DirectWrites(client)
    part = {"UploadId": "a b+/=~", "PartNumber": 12}
    for operation, more in (("PutObject", {}), ("UploadPart", part)):
        for key in ("first", "a/ü &+%2F~/../x//y"):
            writes.write(
                operation, b"x", Bucket="some-bucket", Key=key, ChecksumCRC32="jNwWgw==", **more
            )
        getattr(client, {"PutObject": "put_object", "UploadPart": "upload_part"}[operation])(
            Body=b"x", Bucket="some-bucket", Key=key, ChecksumCRC32="jNwWgw==", **more
        )
        _, copy, own = sent[-3:]
        assert (copy.url, copy.method) == (own.url, own.method)
        assert "Expect" in own.headers
        assert "Expect" not in copy.headers
        scopes = [str(one.headers["Authorization"]).partition(",")[0] for one in (copy, own)]
        assert scopes[0] == scopes[1]


class NoBody:
    def stream(self):
        return iter(())


def test_a_checksum_that_botocore_adds_itself_is_left_to_it(s3_server, s3):
    with quirky_s3(s3_server, KEEPS) as server:
        client = server.client(request_checksum_calculation="when_supported")
        writes = DirectWrites(client)
        for number in range(3):
            data = noise(100, number)
            writes.write("PutObject", data, Bucket=s3.bucket, Key=f"{number}")
            assert contents(s3, f"{number}") == data
        assert server.count("Put") == 3
        assert not direct(server)
