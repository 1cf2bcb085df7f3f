"""A filter or option that would select something else, or everything, is refused before a request."""

from __future__ import annotations

import pytest
from roma_samples import APPS, roma
from roma_samples import page as page_of
from scenario_samples import LIST, assets, reference, scenario
from topaz_samples import PAGE, A, page, status
from vendor_script import Clock, Script

from airflow_provider_assets.sansio.errors import InvalidRequestError
from airflow_provider_assets.sansio.jobs import Item
from airflow_provider_assets.vendors.connection import VendorConnection
from airflow_provider_assets.vendors.topaz import Topaz


def topaz():
    return Script(Topaz(VendorConnection("t", "topaz", password="k"), clock=Clock()))


@pytest.mark.parametrize(
    ("script", "query", "name"),
    [
        *((topaz, {name: []}, name) for name in ("model", "category", "output_format", "status")),
        *((topaz, {"filename": glob}, "filename") for glob in ("", [], 5)),
        *((topaz, {"by": value}, "by") for value in ("", [], 0)),
        *((topaz, {"allow_truncated": value}, "allow_truncated") for value in ("False", 1)),
        *((scenario, {"modelId": value}, "modelId") for value in (True, 2.5, [], {}, "", b"a")),
        (scenario, {"by": ""}, "by"),
        *(
            (lambda: Script(roma()), {"apps": {"name": value}}, r"apps\.name")
            for value in ("", [], ["a"], 2.5)
        ),
    ],
)
def test_a_filter_that_would_widen_the_selection_is_refused(script, query, name) -> None:
    one = script()
    with pytest.raises(InvalidRequestError, match=rf"select\.{name}"):
        one.run(one.vendor.select(query, None))


def test_none_is_a_filter_that_is_not_given() -> None:
    one = topaz()
    query = dict.fromkeys(("model", "filename", "status", "by", "allow_truncated"))
    found = one.run(one.vendor.select(query, None), (PAGE, page(status())))
    assert found.items == [Item("process_ids", A)]
    two = scenario()
    found = two.run(two.vendor.select({"by": None, "modelId": None}, None), (LIST, assets("a")))
    assert found.items == [Item("asset_ids", "a")]
    three = Script(roma())
    query = {"apps": {"name": None, "owner": True}, "tasks": None}
    listed = (f"{APPS.format(0)}&owner=true", page_of("apps", {"id": "a"}))
    assert three.run(three.vendor.select(query, None), listed).items == [Item("apps", "a")]


def test_an_empty_filter_is_told_that_leaving_it_out_takes_the_default() -> None:
    one = topaz()
    with pytest.raises(InvalidRequestError, match=r"status: \[\] names nothing; leave it out"):
        one.run(one.vendor.select({"status": []}, None))


def test_a_number_is_an_id_of_digits() -> None:
    one = scenario()
    query = ("GET /assets?pageSize=100&sortBy=createdAt&sortDirection=asc&modelId=5", assets())
    assert one.run(one.vendor.select({"modelId": 5}, None), query).items == []


def test_a_truncated_listing_is_asked_for_by_true() -> None:
    one = topaz()
    found = one.run(one.vendor.select({"allow_truncated": True}, None), (PAGE, page()))
    assert found.items == []


@pytest.mark.parametrize("kind", ["", "OUTPUT", [], 0, False])
def test_a_kind_of_image_is_one_of_two(kind) -> None:
    with pytest.raises(InvalidRequestError, match=r"options\.kind"):
        topaz().vendor.validate(options={"kind": kind})
    assert topaz().vendor.validate(options={"kind": None}) == {"kind": "output"}


@pytest.mark.parametrize("target_format", ["", "web p", "../webp", "ｗｅｂｐ", "x" * 17])
def test_a_target_format_is_letters_and_digits(target_format) -> None:
    one = scenario()
    with pytest.raises(InvalidRequestError, match="target_format"):
        one.run(one.vendor.files(reference(), target_format=target_format))


def test_a_target_format_may_have_capitals() -> None:
    one = scenario()
    files = one.run(one.vendor.files(reference(), target_format="WebP"))
    assert [file.name for file in files] == ["a.WebP", "b.WebP"]


def test_the_ids_of_all_kinds_are_checked_before_the_first_is_listed() -> None:
    one = scenario()
    with pytest.raises(InvalidRequestError, match=r"items\.model_ids\[0\]: 5"):
        one.run(one.vendor.expand({"inference_ids": ["i"], "model_ids": [5]}))


@pytest.mark.parametrize("entry", [5, "", "\ud800", None])
def test_what_is_no_id_is_refused(entry) -> None:
    one = topaz()
    with pytest.raises(InvalidRequestError, match=r"items\.process_ids\[1\]: .* is not an id"):
        one.run(one.vendor.expand({"process_ids": [A, entry]}))
