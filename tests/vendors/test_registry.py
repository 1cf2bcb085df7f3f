from __future__ import annotations

from dataclasses import replace

import pytest
from vendor_contract import MOMENT, VENDORS, Contract, toy_installed
from vendor_script import NOW, reply

from airflow_provider_assets import vendors as registry
from airflow_provider_assets.sansio.errors import InvalidRequestError
from airflow_provider_assets.vendors import BUILT_IN, narrowing, vendor_class
from airflow_provider_assets.vendors.base import Vendor
from airflow_provider_assets.vendors.connection import VendorConnection, is_loopback


def test_both_drivers_give_the_same_trace(parts):
    cls, wire = parts
    traces = []
    for asynchronous in (False, True):
        contract = Contract(cls, wire(MOMENT), asynchronous)
        contract.reference()
        contract.run(contract.vendor.select({}, None))
        traces.append(contract.seen)
    assert traces[0] == traces[1]


def test_an_installed_package_registers_its_vendor():
    with toy_installed():
        assert vendor_class("acme").spec.title == "Acme"
    with pytest.raises(InvalidRequestError, match="known types are huawei_roma, scenario, topaz"):
        vendor_class("acme")


def test_what_only_allows_a_listing_is_no_part_of_what_it_selects(monkeypatch):
    monkeypatch.setitem(BUILT_IN, "wrong", "json:loads")
    given = {"model": "Standard V2", "allow_truncated": True}
    with toy_installed():
        registry._allowing.cache_clear()
        assert (
            narrowing(given)
            == vendor_class("topaz").spec.narrowing(given)
            == {"model": "Standard V2"}
        )
        acme = vendor_class("acme")
        assert acme.spec.narrowing(given) == given
        monkeypatch.setattr(acme, "spec", replace(acme.spec, allowing=frozenset({"model"})))
        registry._allowing.cache_clear()
        assert narrowing(given) == {}
    registry._allowing.cache_clear()


def test_what_is_no_vendor_is_not_registered(monkeypatch):
    monkeypatch.setitem(BUILT_IN, "wrong", "json:loads")
    with pytest.raises(InvalidRequestError, match="not a Vendor"):
        vendor_class("wrong")


def test_loopback_is_told_by_name_or_address():
    assert is_loopback("::1")
    assert is_loopback("localhost")
    assert not is_loopback("localhost.example.test")


def test_an_address_must_be_one():
    for url in ("ftp://x.test", "https://"):
        with pytest.raises(InvalidRequestError, match="not an http"):
            VENDORS["acme"][0](VendorConnection("a", password="x", host=url), clock=lambda: NOW)


def test_a_vendor_need_not_authorize_cancel_or_find():
    class Silent(VENDORS["acme"][0]):
        authorize, cancel, find = Vendor.authorize, Vendor.cancel, Vendor.find

    contract = Contract(Silent, VENDORS["acme"][1](MOMENT), asynchronous=False)
    job = contract.submitted()[0]
    assert contract.seen[0].headers == ()
    assert contract.run(contract.vendor.cancel(job)) is False
    assert contract.run(contract.vendor.find(contract.requests()[0], NOW)) is None
    assert not contract.vendor.can_find


def test_a_vendor_that_has_a_way_to_find_a_lost_job_can_find_it(contract):
    assert contract.vendor.can_find is (contract.vendor.spec.name == "scenario")


@pytest.mark.parametrize(
    ("data", "code", "text"),
    [
        ({"code": 7, "message": "m"}, "7", "m"),
        ({"error": {"code": "c", "message": "m"}}, "c", "m"),
        ({"error_code": "c", "error_msg": "m"}, "c", "m"),
        ({"message": ""}, None, ""),
        ({"detail": "d"}, None, "d"),
    ],
)
def test_error_details_are_found_in_any_shape(contract, data, code, text):
    assert contract.vendor.error_detail(data) == (code, text)


def test_a_vendor_that_knows_another_shape_finds_it_in_a_nested_body_too():
    class Titled(VENDORS["acme"][0]):
        def error_detail(self, data):
            return (None, data["title"]) if "title" in data else super().error_detail(data)

    vendor = Contract(Titled, VENDORS["acme"][1](MOMENT), asynchronous=False).vendor
    assert vendor.error_detail({"error": {"title": "the quota is used up"}}) == (
        None,
        "the quota is used up",
    )
    assert vendor.error_detail({"error": {"code": "c", "message": "m"}}) == ("c", "m")


def test_a_body_may_say_how_long_to_wait(contract):
    response = reply({"remainingSeconds": 17}, 429)
    assert contract.vendor.retry_after(response, {"remainingSeconds": 17}) == 17.0
