"""What a task's author calls on a hook, against the sandbox, and what it keeps out of logs."""

from __future__ import annotations

import asyncio

import pytest
from airflow.providers.common.compat.sdk import redact
from airflow.sdk import BaseHook, Connection
from airflow_runs import connect
from installation import needs_installation

from airflow_provider_assets.hooks.airflow_connection import to_connection
from airflow_provider_assets.hooks.base import AssetArchiveHook
from airflow_provider_assets.hooks.client import AsyncClient, mask_link, rate_limit
from airflow_provider_assets.hooks.roma import RomaConnectHook
from airflow_provider_assets.hooks.scenario import ScenarioHook
from airflow_provider_assets.hooks.topaz import TopazHook
from airflow_provider_assets.sandbox import running
from airflow_provider_assets.sansio.downloads import Link
from airflow_provider_assets.sansio.errors import InvalidRequestError
from airflow_provider_assets.vendors.connection import VendorConnection

pytestmark = pytest.mark.airflow
HOOKS = {"scenario": ScenarioHook, "topaz": TopazHook, "roma": RomaConnectHook}


@pytest.fixture(scope="module")
def vendors():
    with running("--items", "6") as sandbox:
        yield sandbox


@pytest.fixture(params=sorted(HOOKS))
def part(request, vendors, monkeypatch):
    """Name and connection of one vendor, behind ``asked``."""
    connection = getattr(vendors, request.param)["connection"]
    connect(monkeypatch, "asked", connection)
    return request.param, connection


def test_good_credentials_pass_the_test_of_the_connection(part):
    works, told = AssetArchiveHook.for_conn("asked").test_connection()
    assert works
    assert "accepts" in told


def test_wrong_credentials_fail_it_and_are_not_told(part, monkeypatch):
    connect(monkeypatch, "asked", {**part[1], "password": "wr0ng-canary"})
    works, told = AssetArchiveHook.for_conn("asked").test_connection()
    assert not works
    assert told.startswith("AuthenticationError: ")
    assert "wr0ng-canary" not in told
    # Airflow's form tests under a connection id that it makes up.
    assert f"of this {HOOKS[part[0]].hook_name} connection" in told
    assert "'asked'" not in told


def test_a_hook_lists_each_item_once_with_the_record_of_its_vendor(part, vendors):
    name, _ = part
    hook = AssetArchiveHook.for_conn("asked")
    listed = list(hook.list_items())
    assert len(listed) == len(dict(listed))
    everything = hook.run(hook.vendor.select({}, None)).items
    assert sorted(item for item, _ in listed) == sorted(set(everything))
    assert "Signature=" not in str(listed)
    if name == "scenario":
        assert all(record["id"] == item.id for item, record in listed)


def test_a_listing_is_read_page_by_page(vendors, monkeypatch):
    connect(monkeypatch, "asked", vendors.scenario["connection"])
    vendors.reset_stats()
    listing = AssetArchiveHook.for_conn("asked").list_items()
    assert vendors.stats()["totals"]["listings"] == 0
    next(listing)
    listing.close()
    assert vendors.stats()["totals"]["listings"] < 3


def test_an_unknown_filter_is_refused_before_anything_is_asked(part):
    with pytest.raises(InvalidRequestError, match="select: unknown modlId"):
        next(AssetArchiveHook.for_conn("asked").list_items({"modlId": "x"}))


@needs_installation
def test_airflow_gives_the_hook_of_a_connection(part, database):
    hook = AssetArchiveHook.get_connection("asked").get_hook()
    assert type(hook) is HOOKS[part[0]]
    assert hook.test_connection()[0]


def test_a_hook_reads_its_connection_once(part, monkeypatch):
    reads = []

    def get_connection(conn_id):
        reads.append(conn_id)
        return BaseHook.get_connection(conn_id)

    monkeypatch.setattr(AssetArchiveHook, "get_connection", get_connection)
    hook = AssetArchiveHook.for_conn("asked")
    assert hook.test_connection()[0]
    assert reads == ["asked"]


def test_scenario_tells_the_records_of_assets(vendors, monkeypatch):
    connect(monkeypatch, "asked", vendors.scenario["connection"])
    known = [one["id"] for one in vendors.items("scenario") if one["exportable"]]
    found = ScenarioHook("asked").asset_metadata([*known, "asset_of_nobody"])
    assert list(found) == known
    assert all(record["metadata"]["kind"] == "image" for record in found.values())


def test_only_scenario_has_records(vendors, monkeypatch):
    connect(monkeypatch, "asked", vendors.topaz["connection"])
    with pytest.raises(TypeError, match="'asked' is not a Scenario connection"):
        ScenarioHook("asked").asset_metadata(["a"])


@pytest.mark.parametrize("value", ["nan", "inf", "-1", 0, "²", "fast"])
def test_a_rate_that_is_no_positive_number_is_refused(value):
    connection = VendorConnection("asked", extra={"requests_per_second": value})
    with pytest.raises(InvalidRequestError, match=r"requests_per_second must be a positive number"):
        rate_limit(connection)


@pytest.mark.parametrize("value", [0.5, "2.5", 0])
def test_a_number_of_downloads_that_is_none_is_refused_before_anything_is_submitted(
    vendors, monkeypatch, value
):
    known = vendors.scenario["connection"]
    extra = {**known["extra"], "max_concurrent_downloads": value}
    connect(monkeypatch, "asked", {**known, "extra": extra})
    with pytest.raises(InvalidRequestError, match=r"'asked': max_concurrent_downloads must be"):
        AssetArchiveHook.for_conn("asked").vendor  # noqa: B018  # it is made here


ADDRESSES = {
    "gw.example.com": "https://gw.example.com:8443",
    "gw.example.com/v1": "https://gw.example.com:8443/v1",
    "https://gw.example.com/v1/": "https://gw.example.com:8443/v1",
    "http://[::1]/v1": "http://[::1]:8443/v1",
}


@pytest.mark.parametrize(("host", "url"), ADDRESSES.items())
def test_a_port_belongs_to_the_host_and_not_to_its_path(monkeypatch, host, url):
    secrets = {"login": "k", "password": "s"}
    connect(monkeypatch, "asked", {"conn_type": "scenario", "host": host, "port": 8443, **secrets})
    assert AssetArchiveHook.for_conn("asked").vendor.base_url == url


def test_the_path_of_a_connection_that_is_a_uri_is_refused_instead_of_lost(monkeypatch):
    monkeypatch.setenv("AIRFLOW_CONN_ASKED", "scenario://k:s@gw.example.com/v1")
    with pytest.raises(InvalidRequestError, match=r"'asked': the schema .* extra base_url"):
        AssetArchiveHook.for_conn("asked")
    monkeypatch.setenv("AIRFLOW_CONN_ASKED", "scenario://k:s@127.0.0.1:8080/http")
    assert AssetArchiveHook.for_conn("asked").vendor.base_url == "http://127.0.0.1:8080"


def test_an_extra_that_is_a_list_is_refused():
    # Made by hand: Airflow 3.1 does not find a connection that is described like this.
    asked = Connection(conn_id="asked", conn_type="topaz", password="s", extra='["x"]')
    with pytest.raises(InvalidRequestError, match=r"'asked': extra must be a JSON object.* list"):
        to_connection(asked, "asked")


# --- what stays out of logs ---


def test_of_a_link_only_its_signature_and_credentials_are_masked():
    link = Link(
        "https://api.masked.test/v2/instances?Signature=canary-of-a-url",
        (("Host", "api.masked.test"), ("X-Project-Id", "p0"), ("Authorization", "canary-header")),
        head_url="https://api.masked.test/head?Signature=canary-of-a-head",
        secret_headers=frozenset({"authorization"}),
    )
    assert mask_link(link) is link
    told = "GET https://api.masked.test/v2/p0/instances"
    assert redact(told) == told
    for secret in ("canary-header", "Signature=canary-of-a-url", "Signature=canary-of-a-head"):
        assert redact(f"got {secret}") == "got ***"


def test_all_headers_of_a_vendor_that_does_not_say_are_masked():
    mask_link(Link("https://x.test/", (("X-Unheard-Of", "canary-unheard"),)))
    assert redact("got canary-unheard") == "got ***"


def token_of(transport) -> str:
    """The token that a transport's vendor has got."""
    return transport.vendor._auth._token._value.value


@pytest.fixture
def by_token(vendors, monkeypatch):
    connect(monkeypatch, "asked", vendors.roma["token_connection"])


def test_a_token_is_masked_as_soon_as_it_is_obtained(by_token):
    hook = RomaConnectHook("asked")
    assert hook.test_connection()[0]
    assert redact(f"got {token_of(hook)}") == "got ***"


def test_a_token_that_a_trigger_obtains_is_masked_too(by_token):
    async def main():
        client = AsyncClient(to_connection(AssetArchiveHook.get_connection("asked"), "asked"))
        try:
            await client.run(client.vendor.check())
            return token_of(client)
        finally:
            await client.close()

    assert redact(f"got {asyncio.run(main())}") == "got ***"
