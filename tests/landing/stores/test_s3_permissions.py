"""The policies of the page about stores are enough: moto's server obeys them, as IAM does."""

from __future__ import annotations

import json
from dataclasses import replace

import boto3
import pytest
import requests
from botocore.exceptions import ClientError
from doc_pages import blocks
from landing_kit import linked, noise, zipped
from servers import moto
from store_contract import PART, put, three_parts, whole, write

from airflow_provider_assets.audit.stocktaking import take_stock
from airflow_provider_assets.destinations import Destination
from airflow_provider_assets.landing import S3Store, land
from airflow_provider_assets.sansio.errors import AssetsError

WRITING, READING = (
    text for name, text in blocks("json") if name == "docs/stores.md" and "Statement" in text
)
DENIED = r"403|[Dd]enied"


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    """A server of its own, since it asks everybody for permissions once it is told to."""
    with moto(tmp_path_factory.mktemp("permissions")) as started:
        client = started.client()
        client.create_bucket(Bucket="my-bucket")
        users = {}
        iam = boto3.client(
            "iam",
            endpoint_url=started.endpoint,
            region_name="us-east-1",
            aws_access_key_id="any",
            aws_secret_access_key="any",
        )
        for name, policy in (("writer", WRITING), ("reader", READING)):
            iam.create_user(UserName=name)
            iam.put_user_policy(UserName=name, PolicyName="page", PolicyDocument=policy)
            key = iam.create_access_key(UserName=name)["AccessKey"]
            users[name] = replace(
                started, access_key=key["AccessKeyId"], secret_key=key["SecretAccessKey"]
            )
        requests.post(f"{started.endpoint}/moto-api/reset-auth", data=b"0", timeout=5)
        yield users


def store_of(user):
    return S3Store(user.client(), "my-bucket")


def test_the_policy_for_exports_allows_all_that_a_landing_does(server, origin):
    store = store_of(server["writer"])
    large, key = three_parts(), "scenario/large.zip"
    writer = store.begin(key, label="one")
    write(writer, large, (1, 2))
    writer.keep()
    resumed = store.resume(key, writer.handle)
    assert [part.number for part in resumed.done()] == [1, 2]
    write(resumed, large, (3,))
    resumed.commit(whole(large), overwrite=False)
    resumed.discard()
    assert store.head(key).size == len(large)
    write(store.begin("scenario/dead.zip", label="two"), large, (1,))
    assert store.sweep(["scenario/dead.zip"]) == 1
    begun = store.begin("scenario/other.zip", label="three")
    begun.discard()
    put(store, "scenario/small.json", b"{}")
    assert store.get("scenario/small.json") == b"{}"
    store.delete("scenario/small.json")
    assert [key for key, _ in store.listing("scenario/")] == ["scenario/large.zip"]


def test_the_policy_for_commands_allows_to_verify_and_nothing_else(server, origin):
    data = zipped({"image.png": noise(PART // 50)})
    land([linked(origin, data)], store_of(server["writer"]), prefix="scenario/", facts={"items": 1})
    store = store_of(server["reader"])
    found = take_stock(Destination(store, "scenario/"), period="day", verify="bytes")
    assert (found.totals.landings, found.totals.damaged, found.problems) == (1, 0, [])
    with pytest.raises((AssetsError, ClientError), match=DENIED):
        put(store, "scenario/new.json", b"{}")


def test_another_prefix_is_not_allowed(server):
    with pytest.raises((AssetsError, ClientError), match=DENIED):
        put(store_of(server["writer"]), "elsewhere/small.json", b"{}")


@pytest.mark.parametrize("policy", [WRITING, READING])
def test_a_policy_names_no_action_twice(policy):
    statements = json.loads(policy)["Statement"]
    actions = [action for one in statements for action in _list(one["Action"])]
    assert len(actions) == len(set(actions))


def _list(value):
    return [value] if isinstance(value, str) else value
