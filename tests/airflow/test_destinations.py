"""The connection of a destination decides how its store is reached."""

from __future__ import annotations

import base64
import json
import re
import zlib
from dataclasses import replace
from pathlib import Path

import pytest
from airflow_runs import connect
from s3_quirks import CHECKSUMS, Quirks, quirky_s3

from airflow_provider_assets.destinations import check_destination, open_destination
from airflow_provider_assets.landing.stores.base import put_document
from airflow_provider_assets.sansio.errors import (
    AuthenticationError,
    InvalidRequestError,
    TransferInterruptedError,
)

pytestmark = pytest.mark.airflow
STORES = Path(__file__).parent.parent.parent / "docs" / "stores.md"
KWARGS = {
    "proxies": {"https": "http://proxy.corp:3128"},
    "retries": {"mode": "adaptive", "total_max_attempts": 9},
    "connect_timeout": 5,
    "read_timeout": 7,
    "tcp_keepalive": True,
    "max_pool_connections": 40,
    "request_checksum_calculation": "when_supported",
    "s3": {"addressing_style": "path", "us_east_1_regional_endpoint": "legacy"},
}


def aws(monkeypatch, server, **extra):
    connection = {
        "conn_type": "aws",
        "login": server.access_key,
        "password": server.secret_key,
        "extra": {"region_name": "us-east-1", **extra},
    }
    connect(monkeypatch, "aws_test", connection)


def test_what_an_aws_connection_says_reaches_the_client(s3_server, monkeypatch):
    from airflow.providers.amazon.aws.hooks.s3 import S3Hook

    aws(monkeypatch, s3_server, config_kwargs=KWARGS)
    ours = open_destination("s3://aws_test@bucket/").store.client.meta.config
    theirs = S3Hook(aws_conn_id="aws_test").get_conn().meta.config
    for name in KWARGS.keys() - {"s3"}:
        assert getattr(ours, name) == getattr(theirs, name), name
    assert ours.s3.items() >= theirs.s3.items()


def test_what_an_aws_connection_asks_for_in_every_write_reaches_the_store(s3_server, monkeypatch):
    encrypted = {
        "ServerSideEncryption": "aws:kms", "SSEKMSKeyId": "alias/nights", "BucketKeyEnabled": True,
    }  # fmt: skip
    aws(monkeypatch, s3_server, service_config={"s3": {"extra_args": encrypted}})
    assert open_destination("s3://aws_test@bucket/").store.extra == encrypted


@pytest.mark.parametrize(
    "wrong",
    [
        "a secret",
        {"ServerSideEncryptoin": "a secret"},
        {"SSECustomerKey": "a secret"},
        {"Key": "a secret"},
        {"SSEKMSKeyId": 1},
    ],
)
def test_what_not_every_write_can_take_is_refused_without_its_value(s3_server, monkeypatch, wrong):
    aws(monkeypatch, s3_server, service_config={"s3": {"extra_args": wrong}})
    with pytest.raises(InvalidRequestError, match="'aws_test': service_config") as told:
        open_destination("s3://aws_test@bucket/")
    assert "a secret" not in str(told.value)


def test_an_aws_connection_that_says_nothing_suits_any_store_like_s3(s3_server, monkeypatch):
    aws(monkeypatch, s3_server)
    config = open_destination("s3://aws_test@bucket/").store.client.meta.config
    assert config.request_checksum_calculation == "when_required"
    assert config.signature_version == "s3v4"
    assert config.s3["payload_signing_enabled"] is False
    assert config.max_pool_connections >= 17


def test_an_upload_goes_through_the_proxy_of_its_connection(s3_server, monkeypatch):
    with quirky_s3(s3_server, Quirks()) as proxy:
        kwargs = {"proxies": {"http": proxy.url}, "s3": {"addressing_style": "path"}}
        aws(monkeypatch, s3_server, endpoint_url="http://store.invalid", config_kwargs=kwargs)
        store = open_destination("s3://aws_test@landing-by-proxy/").store
        store.client.create_bucket(Bucket="landing-by-proxy")
        store.put("thing", b"contents", crc32=zlib.crc32(b"contents"), overwrite=True)
        assert store.get("thing") == b"contents"
        assert set(proxy.proxied) == {"store.invalid"}
        assert proxy.count("Put") == 2


def test_the_documented_connection_for_obs_suits_its_dialect(s3_server, monkeypatch):
    obs_section = STORES.read_text(encoding="utf-8").partition("### Huawei OBS")[2]
    (example,) = re.findall(r"```json\n(.*?)```", obs_section, re.DOTALL)
    documented = json.loads(example)
    extra = documented["extra"]
    assert extra["endpoint_url"].endswith(".myhuaweicloud.com")
    assert extra["config_kwargs"]["s3"]["addressing_style"] == "virtual"
    obs = Quirks(ignores=f"{CHECKSUMS}|if-none-match|x-amz-mp-", unsigned_only=True)
    with quirky_s3(s3_server, obs) as server:
        # Loopback has no host name for each bucket.
        extra["endpoint_url"] = server.url
        extra["config_kwargs"]["s3"]["addressing_style"] = "path"
        keys = {"login": s3_server.access_key, "password": s3_server.secret_key}
        connect(monkeypatch, "obs", {**documented, **keys})
        store = open_destination("s3://obs@obs-bucket/").store
        store.client.create_bucket(Bucket="obs-bucket")
        server.seen.clear()
        stored = store.put("thing", b"contents", crc32=zlib.crc32(b"contents"), overwrite=False)
        assert (stored.size, stored.crc32) == (8, None)
        assert store.begin("large", label="label").upload
        sent = {name for _, headers in server.seen for name in headers}
        assert "x-amz-trailer" not in sent


@pytest.mark.parametrize("prefix", ["run #1/", "what?/", "a#b?c=d/e/", "50%25/"])
def test_every_character_of_a_destination_counts(s3_server, monkeypatch, prefix):
    aws(monkeypatch, s3_server)
    assert open_destination(f"s3://aws_test@bucket/{prefix}").prefix == prefix


def test_a_prefix_that_leaves_no_room_for_names_is_refused_before_anything_is_submitted():
    check_destination(f"s3://aws_test@bucket/{'p' * 600}/", "destination")
    with pytest.raises(
        InvalidRequestError, match=r"destination .* has a prefix of 702 bytes, .* 640"
    ):
        check_destination(f"s3://aws_test@bucket/{'p' * 700}/", "destination")


def test_every_character_of_a_folder_counts(tmp_path):
    store = open_destination(f"file://{tmp_path}/run #1?x").store
    assert store.root == tmp_path / "run #1?x"


@pytest.mark.parametrize("name", ["rate-5%25", "a%2Fb", "run #1?x"])
def test_a_path_is_not_decoded_as_a_url_is(tmp_path, name):
    assert open_destination(f"{tmp_path}/{name}/").store.root == tmp_path / name
    assert open_destination(tmp_path / name).store.root == tmp_path / name
    assert open_destination((tmp_path / name).as_uri()).store.root == tmp_path / name


def test_a_blob_goes_through_the_proxy_of_its_connection(s3_server, monkeypatch):
    pytest.importorskip("airflow.providers.microsoft.azure", reason="the [azure] extra is missing")
    secret = base64.b64encode(b"secret").decode()
    account = f"AccountName=a;AccountKey={secret};BlobEndpoint=http://blobs.invalid/a"
    with quirky_s3(s3_server, Quirks()) as proxy:
        extra = {"connection_string": account, "proxies": {"http": proxy.url}, "retry_total": 0}
        connect(monkeypatch, "azure_test", {"conn_type": "wasb", "extra": extra})
        assert open_destination("abfs://azure_test@container/").store.head("thing") is None
        assert proxy.proxied == ["blobs.invalid"]


def test_a_path_is_a_destination_too(tmp_path):
    assert open_destination(tmp_path).store.uri("a.zip") == (tmp_path / "a.zip").as_uri()


def test_a_store_that_refuses_the_keys_names_the_connection_to_check(s3_server, monkeypatch):
    aws(monkeypatch, replace(s3_server, secret_key="wrong"), endpoint_url=s3_server.endpoint)
    with pytest.raises(AuthenticationError, match="the connection that the destination names"):
        open_destination("s3://aws_test@bucket/").store.head("a.zip.manifest.json")


def test_a_bucket_that_is_not_there_has_to_be_created(moto_server, monkeypatch):
    aws(monkeypatch, moto_server, endpoint_url=moto_server.endpoint)
    with pytest.raises(InvalidRequestError, match=r"NoSuchBucket.*; create it, or correct the"):
        put_document(open_destination("s3://aws_test@absent/").store, "a.manifest.json", b"{}")


def test_missing_keys_are_passing_as_those_of_a_role_may_be_but_say_what_to_check(
    s3_server, monkeypatch
):
    aws(monkeypatch, replace(s3_server, access_key="", secret_key=""))
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_PROFILE"):
        monkeypatch.delenv(name, raising=False)
    with pytest.raises(TransferInterruptedError, match="exists and has keys, or that the worker"):
        put_document(open_destination("s3://aws_test@bucket/").store, "a.manifest.json", b"{}")
