from __future__ import annotations

import json
import pickle
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from airflow_provider_assets.sansio import errors
from airflow_provider_assets.sansio.downloads import Link
from airflow_provider_assets.sansio.errors import (
    AssetsError,
    IntegrityError,
    InvalidRequestError,
    JobError,
    PermanentError,
    ProtocolError,
    TransientError,
    VendorUnavailableError,
    from_dict,
    is_refusal,
    to_dict,
)
from airflow_provider_assets.sansio.fingerprints import fingerprint
from airflow_provider_assets.sansio.jobs import (
    ArchiveJob,
    ArchiveReference,
    ArchiveRequest,
    JobState,
)
from airflow_provider_assets.sansio.messages import (
    HttpRequest,
    HttpResponse,
    json_body,
    where,
    without_queries,
)
from airflow_provider_assets.sansio.plan_reference import PlanReference
from airflow_provider_assets.sansio.strict_json import MAX_BYTES

TEXT = st.text(st.characters(exclude_categories=["Cs"]), max_size=20)
NUMBER = st.floats(allow_nan=False, allow_infinity=False)
VALUE = st.recursive(
    st.none() | st.booleans() | st.integers(-(10**9), 10**9) | NUMBER | TEXT,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(TEXT, inner, max_size=3),
    max_leaves=8,
)
DATA = st.dictionaries(TEXT, VALUE, max_size=4)


def classes(root: type[AssetsError] = AssetsError) -> list[type[AssetsError]]:
    ours = [c for c in root.__subclasses__() if c.__module__ == errors.__name__]
    return [root, *(found for child in ours for found in classes(child))]


ERRORS = st.builds(
    lambda kind, *args: kind(
        args[0], vendor=args[1], code=args[2], status=args[3], retry_after=args[4]
    ),
    st.sampled_from(classes()),
    TEXT,
    st.none() | TEXT,
    st.none() | TEXT,
    st.none() | st.integers(100, 599),
    st.none() | NUMBER,
)
ITEMS = st.dictionaries(TEXT, st.lists(TEXT, max_size=4).map(tuple), max_size=3)
PLANS = st.builds(PlanReference, uri=TEXT, sha256=TEXT, count=st.integers(0, 9), fingerprint=TEXT)


def requests(**contents):
    return st.builds(
        ArchiveRequest,
        vendor=TEXT,
        options=DATA,
        window=st.none() | st.just(("2026-01-09T00:00:00.000Z", "2026-01-10T00:00:00.000Z")),
        query_id=TEXT,
        index=st.integers(0, 9),
        of=st.integers(1, 10),
        tag=TEXT,
        run_date=st.sampled_from(["", "2026-01-09T00:00:00.000Z"]),
        **contents,
    )


REQUESTS = requests(items=ITEMS) | requests(items=st.just({}), plan=PLANS)
JOBS = st.builds(
    ArchiveJob,
    vendor=TEXT,
    job_id=TEXT,
    state=st.sampled_from(JobState),
    vendor_status=TEXT,
    progress=st.none() | NUMBER,
    done=st.none() | st.integers(0, 99),
    total=st.none() | st.integers(0, 99),
    reason=TEXT,
    code=st.none() | TEXT,
    eta=st.none() | NUMBER,
    submitted_at=st.none() | st.floats(0, 1e11),
    details=DATA,
)
REFERENCES = st.builds(ArchiveReference, conn_id=TEXT, request=REQUESTS, job=JOBS)


REQUIRED = {
    "vendor", "job_id", "state", "items", "plan", "options", "details", "conn_id", "request", "job",
}  # fmt: skip


def over_the_wire(data: object):
    return json.loads(json.dumps(data, allow_nan=False))


# --- round trips -----------------------------------------------------------------------------


@given(ERRORS)
def test_errors_cross_processes_as_json_and_as_pickles_with_their_class(error) -> None:
    for copy in (from_dict(over_the_wire(to_dict(error))), pickle.loads(pickle.dumps(error))):
        assert type(copy) is type(error)
        assert to_dict(copy) == to_dict(error)
        assert str(copy) == error.message


@given(st.one_of(REQUESTS, JOBS, REFERENCES))
def test_everything_that_is_handed_on_survives_json_and_pickle(thing) -> None:
    assert type(thing).from_dict(over_the_wire(thing.to_dict())) == thing
    assert pickle.loads(pickle.dumps(thing)) == thing


@given(REQUESTS)
def test_a_request_keeps_its_identity_over_the_wire(request) -> None:
    copy = ArchiveRequest.from_dict(over_the_wire(request.to_dict()))
    assert (copy.fingerprint, copy.stem, copy.count) == (
        request.fingerprint,
        request.stem,
        request.count,
    )


@given(REFERENCES)
def test_what_an_earlier_release_stored_under_other_names_is_read(reference) -> None:
    data = reference.to_dict()
    data["request"]["query"] = data["request"].pop("query_id")
    data["request"]["run"] = data["request"].pop("run_date")
    data["job"]["facts"] = data["job"].pop("details")
    assert ArchiveReference.from_dict(data) == reference


@pytest.mark.parametrize("thing", ["request", "job", "reference"])
@pytest.mark.parametrize("version", [3, 0, None, "1"])
def test_another_version_is_refused_with_the_remedy(thing, version) -> None:
    request, job = ArchiveRequest("v", {"a": ("1",)}), ArchiveJob("v", "j")
    things = {"request": request, "job": job, "reference": ArchiveReference("c", request, job)}
    data = {**things[thing].to_dict(), "version": version}
    with pytest.raises(InvalidRequestError, match="run both tasks on one release"):
        type(things[thing]).from_dict(data)


@given(
    st.sampled_from([ArchiveRequest, ArchiveJob, ArchiveReference]),
    st.one_of(
        st.builds(lambda data, version: {"version": version, **data}, DATA, st.integers(1, 2)),
        VALUE,
    ),
)
def test_foreign_data_is_refused_as_a_wrong_input(kind, data) -> None:
    with pytest.raises(InvalidRequestError):
        kind.from_dict(data)


@given(st.one_of(REQUESTS, JOBS, REFERENCES), st.data())
def test_a_field_of_another_shape_is_refused_as_a_wrong_input(thing, data) -> None:
    wire = thing.to_dict()
    name = data.draw(st.sampled_from(sorted(set(wire) - {"version"})))
    try:
        type(thing).from_dict({**wire, name: object()})
    except InvalidRequestError:
        return
    assert name not in REQUIRED


# --- errors ----------------------------------------------------------------------------------


def test_retryability_is_a_fact_of_the_class() -> None:
    for kind in classes():
        assert kind.retryable == issubclass(kind, (TransientError, IntegrityError))
        assert (
            sum(issubclass(kind, root) for root in (TransientError, PermanentError, JobError)) <= 1
        )


def test_only_an_error_after_which_nothing_can_have_started_is_a_refusal() -> None:
    refusals = {kind.__name__ for kind in classes() if is_refusal(kind("no"))}
    assert refusals == {
        "AuthenticationError",
        "BusyError",
        "InvalidRequestError",
        "QuotaExceededError",
        "RateLimitedError",
    }


def test_every_class_is_drawn_in_the_tree() -> None:
    for kind in classes():
        assert f"{kind.__name__} " in f"{errors.__doc__} " or f"{kind.__name__}\n" in errors.__doc__


def test_an_error_of_a_newer_release_is_still_an_error_of_ours() -> None:
    data = {**to_dict(ProtocolError("x", vendor="v")), "type": "MoonPhaseError"}
    error = from_dict(data)
    assert type(error) is AssetsError
    assert (error.message, error.vendor, error.retryable) == ("x", "v", False)


# --- names -----------------------------------------------------------------------------------


@given(REQUESTS, TEXT)
def test_a_file_name_never_depends_on_the_tag_of_a_run(request, tag) -> None:
    data = {**request.to_dict(), "tag": tag}
    assert ArchiveRequest.from_dict(data).stem == request.stem
    assert ArchiveRequest.from_dict(data).fingerprint == request.fingerprint


@pytest.mark.parametrize(
    ("window", "stem"),
    [
        (("2026-01-09T00:00:00.000Z", "2026-01-10T00:00:00.000Z"), "v-2026-01-09-0123abcd"),
        (
            ("2026-01-09T06:00:00.000Z", "2026-01-10T06:00:00.000Z"),
            "v-20260109T060000_20260110T060000-0123abcd",
        ),
        (
            ("2026-01-09T06:00:00.250Z", "2026-01-09T06:00:00.500Z"),
            "v-20260109T060000.250_20260109T060000.500-0123abcd",
        ),
        (None, "v-0123abcd"),
    ],
)
def test_a_file_name_tells_vendor_window_and_query(window, stem) -> None:
    assert ArchiveRequest("v", {}, window=window, query_id="0123abcd9999").stem == stem


@pytest.mark.parametrize(
    ("run", "stem"),
    [
        ("2026-01-09T00:00:00.000Z", "v-20260109T000000-0123abcd"),
        ("2026-01-09T06:00:00.250Z", "v-20260109T060000.250-0123abcd"),
    ],
)
def test_the_file_name_of_named_items_tells_the_date_of_the_run(run, stem) -> None:
    assert ArchiveRequest("v", {}, run_date=run, query_id="0123abcd9999").stem == stem


def test_only_batches_with_items_are_numbered_in_the_file_name() -> None:
    job = ArchiveRequest("v", {}, query_id="0123abcd9999", index=1, of=2)
    assert job.stem == "v-0123abcd"
    assert replace(job, items={"ids": ("a",)}).stem == "v-0123abcd-002"


def test_a_request_that_an_older_release_stored_has_no_run() -> None:
    request = ArchiveRequest("v", {"a": ("1",)})
    data = request.to_dict()
    del data["run_date"]
    assert ArchiveRequest.from_dict(data) == request


@given(st.integers(0, 86_399_999), st.integers(0, 86_399_999))
def test_two_windows_never_share_a_file_name(one, two) -> None:
    def stem(ms: int) -> str:
        start = f"2026-01-09T{ms // 3600000:02d}:{ms // 60000 % 60:02d}:{ms // 1000 % 60:02d}"
        bounds = (f"{start}.{ms % 1000:03d}Z", "2026-01-10T00:00:00.000Z")
        return ArchiveRequest("v", {}, window=bounds, query_id="q").stem

    assert (stem(one) == stem(two)) == (one == two)


@given(DATA)
def test_a_fingerprint_does_not_depend_on_the_order_of_keys(data) -> None:
    assert fingerprint(data) == fingerprint(dict(reversed(data.items())))


# --- http ------------------------------------------------------------------------------------


@given(st.lists(st.tuples(TEXT, TEXT), max_size=5))
def test_a_query_is_read_as_it_was_meant(pairs) -> None:
    from urllib.parse import parse_qsl

    request = HttpRequest("GET", "https://api.test/x", tuple(pairs))
    assert parse_qsl(request.query, keep_blank_values=True) == pairs
    assert "+" not in request.query
    assert request.full_url.isascii()


def test_nothing_secret_is_shown_of_a_request_a_response_or_a_link() -> None:
    request = HttpRequest(
        "POST",
        "https://user:secret@api.test/x",
        headers=(("Authorization", "secret"),),
        body=b"secret",
    )
    link = Link("https://x.test/?sig=secret", (("a", "secret"),), "https://x.test/?sig=secret")
    shown = [request.headers, HttpResponse(200, {"x-token": "secret"}, b"secret"), link]
    assert "secret" not in f"{shown[1:]!r} {request}"
    assert "Authorization" not in repr(request)
    for user in ("", "u:secret@"):
        assert where(f"https://{user}api.test/x?secret#secret") == "https://api.test/x"


@pytest.mark.parametrize(
    ("body", "kind"),
    [
        (b"<html>Bad Gateway</html>", VendorUnavailableError),
        (b"", VendorUnavailableError),
        (b"\xff\xfe\x00", VendorUnavailableError),
        (b'{"progress": NaN}', VendorUnavailableError),
        (b"null", ProtocolError),
        (b"[]", ProtocolError),
        (b'"text"', ProtocolError),
        (b"1", ProtocolError),
    ],
)
def test_a_page_that_is_no_json_may_pass_while_json_of_another_shape_will_not(body, kind) -> None:
    why = r"expected a JSON object, got text/html of \d+ bytes"
    with pytest.raises(kind, match=why) as raised:
        HttpResponse(200, {"content-type": "text/html"}, body).json_object()
    assert raised.value.status == 200


@pytest.mark.parametrize(
    ("body", "reason"),
    [
        (b'"' + b"x" * MAX_BYTES + b'"', f"bytes are more than {MAX_BYTES}"),
        (b"[" + b"[]," * 200_000 + b"[]]", "200002 objects and lists are more than 200000"),
        (b"[" * 101 + b"]" * 101, "deeper than 100 levels"),
        (b"[" * 10_000 + b"]" * 10_000, "too deep"),
        (b'{"size": ' + b"9" * 400 + b"}", "9{20}… is too large a number"),
        (b'{"size": 1e400}', "1e400 is too large a number"),
    ],
)
def test_a_reply_over_a_limit_is_not_asked_for_again_and_says_which_limit(body, reason) -> None:
    response = HttpResponse(200, {}, body)
    with pytest.raises(ProtocolError, match=reason) as raised:
        response.json_object()
    assert raised.value.status == 200
    assert response.json_or_none() is None


@given(DATA)
def test_json_is_sent_compact_and_read_back(data) -> None:
    body = json_body(data)
    assert HttpResponse(200, body=body).json_object() == data
    assert b"\n" not in body
    assert json_body({"a": [1, "é"]}) == '{"a":[1,"é"]}'.encode()


def test_what_a_vendor_says_is_quoted_without_what_signs_a_url():
    said = 'see "https://cdn.example.test/a.zip?Policy=P&Signature=S" or https://x.test/b?sig=1.'
    assert without_queries(said) == 'see "https://cdn.example.test/a.zip" or https://x.test/b'
    assert without_queries("no? never https://x.test/c") == "no? never https://x.test/c"


def test_what_lands_differs_by_items_format_and_run_but_not_by_run_in_a_window() -> None:
    request = ArchiveRequest("v", {"ids": ("a",)}, run_date="2026-01-05T00:00:00Z")
    tomorrow = replace(request, run_date="2026-01-06T00:00:00Z")
    others = [tomorrow, replace(request, items={"ids": ("b",)})]
    names = [one.landing_fingerprint(None) for one in (request, *others)]
    assert len({*names, request.landing_fingerprint("webp")}) == 4
    day = ("2026-01-04T00:00:00Z", "2026-01-05T00:00:00Z")
    nights = [replace(one, window=day) for one in (request, tomorrow)]
    assert len({one.landing_fingerprint(None) for one in nights}) == 1
