"""What every registered vendor must do, whoever wrote it; run under both drivers."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from importlib import import_module

import pytest
from vendor_contract import MOMENT, toy_installed

from airflow_provider_assets.sansio.errors import InvalidRequestError
from airflow_provider_assets.sansio.jobs import JobState
from airflow_provider_assets.sansio.moments import parse_moment
from airflow_provider_assets.sansio.records import Facts
from airflow_provider_assets.sansio.window import Window
from airflow_provider_assets.vendors.base import Vendor
from airflow_provider_assets.vendors.connection import VendorConnection

# --- facts ---


def test_the_facts_are_complete(parts):
    spec = parts[0].spec
    assert spec.name.isidentifier()
    assert spec.title
    assert spec.docs_url.startswith("https://")
    assert spec.base_url == "" or spec.base_url.startswith("https://")
    assert spec.max_batch > 0
    assert spec.kinds
    assert spec.naming <= spec.options
    assert {JobState.RUNNING, JobState.SUCCEEDED, JobState.FAILED} <= set(spec.statuses.values())
    assert all(word == word.lower() for word in spec.statuses)
    assert 0 < spec.poll.initial <= spec.poll.maximum
    assert spec.poll.bulk >= 1
    assert all({"label", "schema"} <= set(entry) for entry in spec.form.fields.values())


def test_the_hook_exists_and_is_for_this_connection_type(spec):
    from airflow_provider_assets.hooks.base import AssetArchiveHook  # slow

    module, _, name = spec.hook.rpartition(".")
    with toy_installed():
        hook = getattr(import_module(module), name)
    assert issubclass(hook, AssetArchiveHook)
    assert hook.conn_type == spec.name


# --- the connection ---


def test_a_connection_without_credentials_fails_before_any_request(contract):
    bare = VendorConnection("bare", extra=contract.wire.connection.extra)
    with pytest.raises(InvalidRequestError):
        contract.run(contract.cls(bare, clock=contract.clock).check())
    assert contract.seen == []


def test_credentials_never_travel_unencrypted(contract):
    plain = {**contract.wire.connection.extra, "base_url": "http://vendor.example.test/v1"}
    with pytest.raises(InvalidRequestError, match="allow_http"):
        contract.cls(replace(contract.wire.connection, extra=plain), clock=contract.clock)
    meant = replace(contract.wire.connection, extra={**plain, "allow_http": "true"})
    assert contract.cls(meant, clock=contract.clock).base_url == plain["base_url"]
    here = {**plain, "base_url": "http://127.0.0.1:8080/v1"}
    contract.cls(replace(contract.wire.connection, extra=here), clock=contract.clock)


def test_checking_the_credentials_starts_nothing(contract):
    assert contract.run(contract.vendor.check())
    assert contract.seen
    assert all(request.idempotent for request in contract.seen)


# --- what to export ---


def test_the_listing_is_read_to_its_end(contract):
    contract.wire.word = contract.wire.finished
    found = contract.run(contract.vendor.select({}, None)).items
    assert len(found) == len(set(found)) == contract.wire.listed
    assert len(contract.seen) > 2
    assert {item.kind for item in found} <= set(contract.vendor.spec.kinds)
    assert contract.run(contract.vendor.select({}, None)).items == found


def test_each_item_of_the_listing_comes_with_its_record(contract):
    if not contract.vendor.spec.describes_items:
        pytest.skip("its listing has no records to hand on")
    contract.wire.word = contract.wire.finished
    records = {}
    select = contract.vendor.select({}, None, on_record=records.__setitem__)
    found = contract.run(select).items
    assert sorted(records) == sorted(found)
    assert all(item.id in record.values() for item, record in records.items())


def test_a_record_says_nothing_of_time_and_size_unless_a_vendor_reads_it(contract):
    assert Vendor.facts(contract.vendor, {}, {"size": 1, "updatedAt": "now"}) == Facts()


def test_what_is_listed_is_finished_or_pending_and_never_both(contract):
    found = contract.run(contract.vendor.select({}, None))
    ids = [item.id for item in found.items]
    assert len(set(ids) | set(found.pending)) == contract.wire.listed
    assert not set(ids) & set(found.pending)


def test_the_window_is_half_open(contract):
    contract.wire.word = contract.wire.finished
    moment, hour = parse_moment(MOMENT, "moment"), timedelta(hours=1)

    def listed(start, end):
        return len(contract.run(contract.vendor.select({}, Window(start, end))).items)

    assert listed(moment, moment + hour) == contract.wire.listed
    assert listed(moment - hour, moment) == 0


def test_a_window_is_listed_in_parts_as_it_is_at_once(contract):
    contract.wire.word = contract.wire.finished
    moment, hour = parse_moment(MOMENT, "moment"), timedelta(hours=1)
    window, found = Window(moment - hour, moment + hour), []
    expected = contract.run(contract.vendor.select({}, window)).items
    while window:
        part, window = contract.run(contract.vendor.select_part({}, window, pages=1))
        found += part.items
    assert found == expected


def test_named_items_are_taken_once_and_others_refused(contract):
    twice = {kind: [*ids, *ids] for kind, ids in contract.wire.items.items()}
    items = contract.run(contract.vendor.expand(twice)).items
    assert len(items) == len(set(items)) == 3
    for wrong in ("one-id", [""], [1]):
        with pytest.raises(InvalidRequestError, match="items"):
            contract.run(contract.vendor.expand({contract.vendor.spec.kinds[0]: wrong}))
