"""What every registered vendor must do, whoever wrote it; run under both drivers."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import timedelta
from importlib import import_module

import pytest
from vendor_contract import MOMENT, Contract, all_vendors, toy_installed
from vendor_script import NOW, reply

from airflow_provider_assets.sansio.errors import (
    AssetsError,
    AuthenticationError,
    InvalidRequestError,
    ProtocolError,
    RateLimitedError,
    VendorUnavailableError,
)
from airflow_provider_assets.sansio.jobs import ArchiveJob, ArchiveReference, JobState
from airflow_provider_assets.sansio.messages import HttpResponse
from airflow_provider_assets.sansio.waiter import ensure_succeeded
from airflow_provider_assets.sansio.window import Window, parse_moment
from airflow_provider_assets.vendors import BUILT_IN, vendor_class, vendor_specs
from airflow_provider_assets.vendors.base import Vendor
from airflow_provider_assets.vendors.connection import Connection, is_loopback

VENDORS = all_vendors()
HTML = b"<html><body>Bad Gateway</body></html>"


@pytest.fixture(params=sorted(VENDORS))
def parts(request):
    return VENDORS[request.param]


@pytest.fixture
def spec(parts):
    return parts[0].spec


@pytest.fixture(params=[False, True], ids=["run", "arun"])
def contract(request, parts):
    cls, wire = parts
    return Contract(cls, wire(MOMENT), request.param)


def always(status, body=b"{}", **headers):
    return lambda request: HttpResponse(status, headers, body)


# --- facts ---


def test_the_facts_are_complete(parts):
    spec = parts[0].spec
    assert spec.name.isidentifier()
    assert spec.title
    assert spec.docs_url.startswith("https://")
    assert spec.base_url == "" or spec.base_url.startswith("https://")
    assert spec.max_batch > 0
    assert spec.kinds
    assert {JobState.RUNNING, JobState.SUCCEEDED, JobState.FAILED} <= set(spec.statuses.values())
    assert all(word == word.lower() for word in spec.statuses)
    assert 0 < spec.poll.initial <= spec.poll.maximum
    assert spec.poll.bulk >= 1
    assert all({"label", "schema"} <= set(entry) for entry in spec.form.fields.values())


def test_the_hook_exists_and_is_for_this_connection_type(spec):
    from airflow_provider_assets.hooks.base import AssetArchiveHook  # noqa: PLC0415  # slow

    module, _, name = spec.hook.rpartition(".")
    hook = getattr(import_module(module), name)
    assert issubclass(hook, AssetArchiveHook)
    assert hook.conn_type in {"", spec.name}


# --- the connection ---


def test_a_connection_without_credentials_fails_before_any_request(contract):
    bare = Connection("bare", extra=contract.wire.connection.extra)
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
    found = contract.run(contract.vendor.select({}, None))
    assert len(found) == len(set(found)) == contract.wire.listed
    assert len(contract.seen) > 2
    assert {item.kind for item in found} <= set(contract.vendor.spec.kinds)
    assert contract.run(contract.vendor.select({}, None)) == found


def test_the_window_is_half_open(contract):
    contract.wire.word = contract.wire.finished
    moment, hour = parse_moment(MOMENT, "moment"), timedelta(hours=1)

    def listed(start, end):
        return len(contract.run(contract.vendor.select({}, Window(start, end))))

    assert listed(moment, moment + hour) == contract.wire.listed
    assert listed(moment - hour, moment) == 0


def test_named_items_are_taken_once_and_others_refused(contract):
    twice = {kind: [*ids, *ids] for kind, ids in contract.wire.items.items()}
    items = contract.run(contract.vendor.expand(twice))
    assert len(items) == len(set(items)) == 3
    for wrong in ("one-id", [""], [1]):
        with pytest.raises(InvalidRequestError, match="items"):
            contract.run(contract.vendor.expand({contract.vendor.spec.kinds[0]: wrong}))


# --- jobs ---


def test_a_submit_is_sent_once_and_gives_a_running_job(contract):
    requests = contract.requests()
    contract.seen.clear()
    job = contract.run(contract.vendor.submit(requests[0]))
    assert len([request for request in contract.seen if not request.idempotent]) <= 1
    assert (job.vendor, job.state, job.submitted_at) == (
        contract.vendor.spec.name,
        JobState.RUNNING,
        NOW,
    )
    assert ArchiveJob.from_dict(json.loads(json.dumps(job.to_dict()))) == job


def test_an_ambiguous_submit_is_raised_and_not_repeated(contract):
    request = contract.requests()[0]
    contract.seen.clear()
    contract.fault = lambda r: None if r.idempotent else HttpResponse(502, {}, HTML)
    try:
        contract.run(contract.vendor.submit(request))
    except VendorUnavailableError:
        pass
    else:
        assert all(r.idempotent for r in contract.seen)  # nothing is started by submitting
    assert len([r for r in contract.seen if not r.idempotent]) <= 1


def test_a_tagged_job_is_found_again_and_an_unknown_one_is_not(contract):
    request = contract.requests()[0]
    assert contract.run(contract.vendor.find(request, NOW)) is None
    job = contract.run(contract.vendor.submit(request))
    found = contract.run(contract.vendor.find(request, NOW))
    assert (found.job_id if found else None) == (
        job.job_id if contract.vendor.spec.carries_tag else None
    )


def test_every_word_of_the_vendor_has_its_state(contract):
    job = contract.submitted()[0]
    for word, state in contract.vendor.spec.statuses.items():
        for spelling in (word, word.upper(), word.title()):
            contract.wire.word = spelling
            (polled,) = contract.run(contract.vendor.poll([job]))
            assert (polled.state, polled.job_id) == (state, job.job_id)
            assert polled.submitted_at == NOW


def test_an_unknown_word_counts_as_running(contract):
    job = contract.submitted()[0]
    contract.wire.word = "perhaps"
    (polled,) = contract.run(contract.vendor.poll([job]))
    assert (polled.state, polled.vendor_status) == (JobState.RUNNING, "perhaps")


def test_a_job_the_vendor_does_not_know_ends_without_stopping_the_others(contract):
    jobs = contract.submitted()
    contract.wire.word = ""
    for job in contract.run(contract.vendor.poll(jobs)):
        assert job.state.is_terminal
        with pytest.raises(AssetsError):
            ensure_succeeded(job)


def test_many_jobs_are_answered_in_order_and_in_bulk_where_there_is_a_bulk_call(contract):
    jobs = contract.submitted()
    contract.seen.clear()
    polled = contract.run(contract.vendor.poll(jobs))
    assert [job.job_id for job in polled] == [job.job_id for job in jobs]
    asked = [request for request in contract.seen if request.method == "GET"]
    assert len(asked) == (1 if contract.vendor.spec.poll.bulk > 1 else len(jobs))


def test_cancelling_never_raises_for_a_refusal(contract):
    job = contract.submitted()[0]
    assert contract.run(contract.vendor.cancel(job)) is contract.vendor.spec.cancellable
    said = contract.run(contract.vendor.cancel_and_tell(job))
    assert ("is cancelled" in said) is contract.vendor.spec.cancellable
    for status in (404, 409):
        contract.fault = always(status)
        assert contract.run(contract.vendor.cancel(job)) is False
        assert "cannot cancel" in (said := contract.run(contract.vendor.cancel_and_tell(job))) or (
            "not be cancelled" in said
        )


# --- bytes ---


def test_a_finished_archive_has_files_with_safe_names_and_links(contract):
    reference = contract.reference()
    assert ensure_succeeded(reference.job).state is JobState.SUCCEEDED
    assert ArchiveReference.from_dict(json.loads(json.dumps(reference.to_dict()))) == reference
    files = contract.run(contract.vendor.files(reference))
    assert len({file.key for file in files}) == len({file.name for file in files}) == len(files)
    for file in files:
        assert not {"/", "\\", "\0"} & set(file.name)
        assert not file.name.startswith(".")
        link = contract.run(contract.vendor.link(reference, file))
        assert link.url.startswith("https://")
        assert link.url not in repr(link)
        assert link.single_use is contract.vendor.spec.single_use


def test_credentials_go_to_the_apis_host_only(contract):
    reference = contract.reference()
    (file, *_) = contract.run(contract.vendor.files(reference))
    link = contract.run(contract.vendor.link(reference, file))
    if any(secret in repr(link.headers) for secret in contract.wire.secrets):
        assert link.url.startswith(contract.vendor.base_url)


# --- errors ---


@pytest.mark.parametrize(
    ("status", "kind"),
    [
        (302, ProtocolError),
        (400, InvalidRequestError),
        (401, AuthenticationError),
        (403, AuthenticationError),
        (404, InvalidRequestError),
        (408, VendorUnavailableError),
        (429, RateLimitedError),
        (500, VendorUnavailableError),
        (503, VendorUnavailableError),
    ],
)
@pytest.mark.parametrize("body", [b"{}", b"[]", b"", HTML, b'{"message": "no such thing"}'])
def test_an_error_status_has_a_class_whatever_the_body(contract, status, kind, body):
    contract.fault = always(status, body)
    with pytest.raises(kind) as raised:
        contract.run(contract.vendor.check())
    assert raised.value.vendor == contract.vendor.spec.name
    assert raised.value.status == status
    assert contract.vendor.spec.title in raised.value.message
    assert ("no such thing" in raised.value.message) is (b"no such" in body and status != 302)


@pytest.mark.parametrize(
    ("headers", "seconds"),
    [
        ({"retry-after": "7"}, 7.0),
        ({"retry-after-ms": "1500"}, 1.5),
        ({"retry-after": "Sat, 10 Jan 2026 08:01:52 GMT"}, 12.0),
        ({"retry-after": "soon"}, None),
        ({"retry-after-ms": "soon"}, None),
        ({}, None),
    ],
)
def test_what_the_vendor_asks_to_wait_is_told(contract, headers, seconds):
    contract.fault = always(429, **headers)
    with pytest.raises(RateLimitedError) as raised:
        contract.run(contract.vendor.check())
    assert raised.value.retry_after == seconds


@pytest.mark.parametrize("body", [b"", HTML, b"[]", b"{}", b'"text"', b"null"])
def test_a_success_without_the_promised_body_is_an_error_of_ours(contract, body):
    job = contract.submitted()[0]
    reference = contract.reference()
    (file, *_) = contract.run(contract.vendor.files(reference))
    contract.fault = always(200, body)
    for flow in (contract.vendor.select({}, None), contract.vendor.link(reference, file)):
        with pytest.raises(AssetsError):
            contract.run(flow)
    try:  # an object may lack the status, and then the job runs on
        (polled,) = contract.run(contract.vendor.poll([job]))
    except AssetsError:
        return
    assert polled.state is not JobState.SUCCEEDED


def test_a_late_401_is_told_after_one_more_try_at_most(contract):
    job = contract.submitted()[0]
    contract.run(contract.vendor.poll([job]))
    contract.seen.clear()
    contract.fault = lambda r: HttpResponse(401, {}, b"") if "/auth/" not in r.url else None
    with pytest.raises(AuthenticationError, match=contract.wire.connection.conn_id):
        contract.run(contract.vendor.poll([job]))
    assert len([r for r in contract.seen if "/auth/" not in r.url]) <= 2


# --- secrets ---


def test_secrets_are_never_shown(contract):
    reference = contract.reference()
    (file, *_) = contract.run(contract.vendor.files(reference))
    shown = [contract.run(contract.vendor.link(reference, file)), reference, reference.to_dict()]
    for status in (400, 401, 403, 429, 500):
        contract.fault = always(status)
        with pytest.raises(AssetsError) as raised:
            contract.run(contract.vendor.select({}, None))
        shown += [raised.value, raised.value.__dict__]
    shown += [contract.vendor, contract.vendor.__dict__, contract.wire.connection, *contract.seen]
    text = "\n".join(f"{thing!r} {thing!s}" for thing in shown)
    for secret in contract.wire.secrets:
        assert secret not in text
    assert any(secret in repr(r.headers) for r in contract.seen for secret in contract.wire.secrets)


# --- both drivers, and the registry ---


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
        assert [spec.name for spec in vendor_specs()] == [*BUILT_IN, "acme"]
    with pytest.raises(InvalidRequestError, match="known are huawei_roma, scenario, topaz"):
        vendor_class("acme")


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
            VENDORS["acme"][0](Connection("a", password="x", host=url), clock=lambda: NOW)


def test_a_vendor_need_not_authorize_cancel_or_find():
    class Silent(VENDORS["acme"][0]):
        authorize, cancel, find = Vendor.authorize, Vendor.cancel, Vendor.find

    contract = Contract(Silent, VENDORS["acme"][1](MOMENT), asynchronous=False)
    job = contract.submitted()[0]
    assert contract.seen[0].headers == ()
    assert contract.run(contract.vendor.cancel(job)) is False
    assert contract.run(contract.vendor.find(contract.requests()[0], NOW)) is None


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


def test_a_body_may_say_how_long_to_wait(contract):
    response = reply({"remainingSeconds": 17}, 429)
    assert contract.vendor.retry_after(response, {"remainingSeconds": 17}) == 17.0
