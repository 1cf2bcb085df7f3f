"""What a strange vendor, a strange clock and strange inputs cannot do to the Scenario flows."""

from __future__ import annotations

import itertools
import json
from collections.abc import Callable
from dataclasses import dataclass, field, replace

import pytest
from core_kit import NOW, Driver, outcome
from hypothesis import given, settings
from hypothesis import strategies as st
from scenario_kit import JOB, REQUEST, VENDOR, at, reply, through

from airflow_provider_assets.sansio.downloads import ArchiveFile
from airflow_provider_assets.sansio.errors import (
    AssetsError,
    InvalidRequestError,
    ProtocolError,
    VendorUnavailableError,
)
from airflow_provider_assets.sansio.jobs import ArchiveReference
from airflow_provider_assets.sansio.messages import HttpRequest, HttpResponse
from airflow_provider_assets.sansio.window import Window


def every(root: type) -> list[type]:
    return [found for kind in root.__subclasses__() for found in (kind, *every(kind))]


REFERENCE = ArchiveReference("c", REQUEST, JOB)
SINGLE = replace(REFERENCE, request=replace(REQUEST, options={"mode": "links"}))
OURS = {kind.__name__ for kind in (AssetsError, *every(AssetsError))}
FLOWS: dict[str, Callable] = {
    "check": VENDOR.check,
    "select": lambda: VENDOR.select({}, Window(at(0), at(1000))),
    "expand": lambda: VENDOR.expand({"inference_ids": ["i"]}),
    "metadata": lambda: VENDOR.metadata(["a"]),
    "submit": lambda: VENDOR.submit(REQUEST),
    "find": lambda: VENDOR.find(REQUEST, NOW),
    "poll one": lambda: VENDOR.poll([JOB]),
    "poll many": lambda: VENDOR.poll([JOB, replace(JOB, job_id="k")]),
    "cancel": lambda: VENDOR.cancel(JOB),
    "link": lambda: VENDOR.link(REFERENCE, ArchiveFile("j")),
    "single files": lambda: VENDOR.files(SINGLE),
    "converted": lambda: VENDOR.link(REFERENCE, ArchiveFile("a"), target_format="webp"),
}


# --- a vendor that answers anything ------------------------------------------------------------

NAMES = st.sampled_from(
    [
        *("jobs", "job", "jobId", "jobStatus", "status", "assets", "id", "metadata", "progress"),
        *(
            "url",
            "downloadUrl",
            "archiveUrl",
            "output",
            "error",
            "createdAt",
            "nextPaginationToken",
            "mimeType",
        ),
    ]
)
WORDS = st.sampled_from(["j", "k", "a", "success", "failure", "queued", "", "2026-01-09", "\ud800"])
ANYTHING = st.recursive(
    st.none() | st.booleans() | st.integers() | st.just(10**400) | st.floats() | WORDS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(NAMES, inner, max_size=6),
    max_leaves=12,
)
OBJECTS = st.dictionaries(NAMES, ANYTHING, max_size=4)
JOB_LIKE = st.fixed_dictionaries(
    {"jobId": st.sampled_from("jk")},
    optional={"status": ANYTHING, "progress": ANYTHING, "metadata": OBJECTS},
)
ASSET_LIKE = st.fixed_dictionaries({"id": WORDS}, optional={"status": WORDS, "createdAt": ANYTHING})
PAGE = {"jobs": st.lists(JOB_LIKE, max_size=3), "assets": st.lists(ASSET_LIKE, max_size=3)}
STATUS = {"jobId": WORDS, "jobStatus": ANYTHING}
BODIES = st.one_of(
    ANYTHING,
    st.fixed_dictionaries({"job": JOB_LIKE}, optional={"jobStatus": WORDS}),
    st.fixed_dictionaries(PAGE, optional={"nextPaginationToken": WORDS}),
    st.fixed_dictionaries(STATUS, optional={"downloadUrl": ANYTHING}),
)
STATUSES = st.sampled_from([200, 200, 200, 201, 204, 269, 302, 400, 401, 403, 404, 409, 429, 500])


@settings(max_examples=2 * settings.default.max_examples)
@given(
    st.sampled_from(sorted(FLOWS)), st.lists(st.tuples(STATUSES, BODIES), min_size=1, max_size=4)
)
def test_whatever_the_vendor_answers_ends_in_a_result_or_in_an_error_of_ours(name, replies) -> None:
    def driver() -> Driver:
        turns = iter(replies * 20)

        def answer(request: HttpRequest) -> HttpResponse:
            status, data = next(turns)
            return reply(data, status)

        return through(answer)

    one, two = driver(), driver()
    ends = outcome(lambda: one.run(FLOWS[name]())), outcome(lambda: two.arun(FLOWS[name]()))
    assert ends[0][0] in {"returned", *OURS}
    assert str(ends[0]) == str(ends[1])
    assert one.trace == two.trace


@given(BODIES, STATUSES.filter(lambda status: status >= 300), st.text())
def test_any_error_body_becomes_an_error_of_ours_without_a_secret(data, status, header) -> None:
    response = reply(data, status, **{"retry-after": header})
    error = VENDOR.error_for(HttpRequest("GET", VENDOR.base_url), response)
    assert (error.status, error.vendor) == (status, "scenario")
    assert "azpz" not in str(error)


@pytest.mark.parametrize("tokens", ["aa", "aba", "abcb"])
@pytest.mark.parametrize(("name", "key"), [("select", "assets"), ("find", "jobs")])
def test_pages_that_go_round_in_circles_end(name, key, tokens) -> None:
    turns = iter(tokens)
    driver = through(lambda _: reply({key: [], "nextPaginationToken": next(turns)}))
    with pytest.raises(ProtocolError, match="a page token was returned twice"):
        driver.run(FLOWS[name]())
    assert len(driver.requests) == len(tokens)


def test_a_page_of_some_other_site_does_not_prove_the_credentials() -> None:
    driver = through(lambda _: HttpResponse(200, {"content-type": "text/html"}, b"<html>"))
    with pytest.raises(VendorUnavailableError, match="base_url"):
        driver.run(VENDOR.check())


@pytest.mark.parametrize("status", [200, 201, 202])
def test_an_accepted_submission_is_one_whatever_the_status_of_its_reply(status) -> None:
    assert (
        through(lambda _: reply({"jobId": "j"}, status)).run(VENDOR.submit(REQUEST)).job_id == "j"
    )


def test_a_dry_runs_answer_is_no_submission_even_if_it_names_a_job() -> None:
    with pytest.raises(ProtocolError, match="HTTP 269"):
        through(lambda _: reply({"jobId": "j"}, 269)).run(VENDOR.submit(REQUEST))


# --- windows -----------------------------------------------------------------------------------


@dataclass
class Shelf:
    """Lists assets as the vendor does: bounds exclusive at both ends, to the millisecond."""

    created: list[int]
    asked: list[dict[str, str]] = field(default_factory=list)

    def __call__(self, request: HttpRequest) -> HttpResponse:
        params = dict(request.params)
        self.asked.append(params)
        shown = [
            (n, at(ms).isoformat(timespec="milliseconds").replace("+00:00", "Z"))
            for n, ms in enumerate(self.created)
        ]
        inside = [
            {"id": f"asset_{n}", "createdAt": text}
            for n, text in shown
            if params["createdAfter"] < text < params["createdBefore"]
        ]
        return reply({"assets": inside})


@given(
    st.lists(st.integers(0, 50), max_size=30),
    st.lists(
        st.integers(0, 50_000), min_size=2, max_size=8, unique_by=lambda micros: micros // 1000
    ),
)
def test_spans_that_meet_export_every_asset_once_however_fine_their_bounds(created, cuts) -> None:
    bounds = [at(-1), *(at(micros / 1000) for micros in sorted(cuts)), at(60)]
    found: list[str] = []
    for start, end in itertools.pairwise(bounds):
        driver = through(Shelf(created))
        found += [item.id for item in driver.run(VENDOR.select({}, Window(start, end))).items]
    assert sorted(found) == sorted(f"asset_{n}" for n in range(len(created)))


@pytest.mark.parametrize("created", [None, "yesterday", "2026-01-09T00:00:00", 7])
def test_an_asset_without_a_readable_time_is_the_vendors_fault(created) -> None:
    driver = through(lambda _: reply({"assets": [{"id": "a", "createdAt": created}]}))
    with pytest.raises(ProtocolError, match="an asset's createdAt"):
        driver.run(VENDOR.select({}, Window(at(0), at(1000))))


# --- inputs that would widen an export -----------------------------------------------------------


@pytest.mark.parametrize(
    "query",
    [
        {"modelId": ""},
        {"modelId": "  "},
        {"types": []},
        {"types": ["txt2img", ""]},
        {"tags": {}},
        {"tags": {"a": 1}},
        {"deleted": "false"},
        {"originalAssets": 1},
        {"by": ["createdAt"]},
    ],
)
def test_a_filter_that_would_select_everything_is_refused_before_it_is_sent(query) -> None:
    driver = through(lambda _: reply({"assets": []}))
    with pytest.raises(InvalidRequestError, match=f"select.{next(iter(query))}"):
        driver.run(VENDOR.select(query, None))
    assert driver.trace == []


@given(st.text(st.sampled_from("a<id>-/"), max_size=140), st.text("ab", max_size=140))
def test_no_name_that_is_sent_is_longer_than_the_vendor_allows(template, name) -> None:
    try:
        options = VENDOR.validate(options={"file_name_template": template, "archive_name": name})
    except InvalidRequestError:
        return
    driver = through(lambda _: reply({"jobId": "j"}))
    driver.run(VENDOR.submit(replace(REQUEST, options=options, tag="0123456789abcdef")))
    sent = json.loads(driver.requests[0].body or b"")["options"]
    assert "<id>" in sent["fileNameTemplate"]
    assert len(sent["fileNameTemplate"]) <= 128
    assert len(sent["archiveName"]) <= 128
    assert sent["archiveName"].endswith("-0123456789abcdef")
