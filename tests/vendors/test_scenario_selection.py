from __future__ import annotations

import base64
import json
from datetime import datetime, timedelta, timezone

import pytest
from scenario_samples import LIST, OPTIONS, assets, scenario
from vendor_script import reply

from airflow_provider_assets.sansio.errors import (
    InvalidRequestError,
    ProtocolError,
    QuotaExceededError,
    RateLimitedError,
)
from airflow_provider_assets.sansio.jobs import Item
from airflow_provider_assets.sansio.window import BEGINNING, Window


@pytest.fixture
def script():
    return scenario()


# --- credentials ---


@pytest.mark.parametrize(
    ("connection", "header"),
    [
        ({}, "Basic " + base64.b64encode(b"k:s").decode()),
        ({"login": ""}, "Bearer s"),
        ({"extra": {"auth_type": "bearer"}}, "Bearer s"),
        ({"extra": {"auth_type": "Bearer"}}, "Bearer s"),
        ({"extra": {"auth_type": "basic"}}, "Basic " + base64.b64encode(b"k:s").decode()),
    ],
)
def test_key_and_secret_or_a_bearer_token(connection, header):
    script = scenario(**connection)
    script.run(script.vendor.check(), ("GET /assets?pageSize=1", assets()))
    assert dict(script.seen[0].headers)["Authorization"] == header


@pytest.mark.parametrize(
    ("connection", "named"),
    [
        ({"login": "", "password": ""}, "API key"),
        ({"password": ""}, "API secret"),
        ({"password": "", "extra": {"auth_type": "bearer"}}, "bearer token"),
        ({"extra": {"auth_type": "jwt"}}, "auth_type must be basic or bearer, not 'jwt'"),
    ],
)
def test_missing_or_unknown_credentials_are_named(connection, named):
    script = scenario(**connection)
    with pytest.raises(InvalidRequestError, match=named):
        script.run(script.vendor.check())


def test_a_project_restricts_every_call():
    script = scenario(extra={"project_id": "proj_1"})
    script.run(script.vendor.check(), ("GET /assets?pageSize=1&projectId=proj_1", assets()))


@pytest.mark.parametrize(
    ("body", "error", "wait"),
    [
        ({"message": "slow down"}, RateLimitedError, None),
        ({"details": {"actionName": "x"}}, RateLimitedError, None),
        ([], RateLimitedError, None),
        ({"details": {"actionName": "x", "actionLimit": 5}}, QuotaExceededError, None),
        ({"remainingSeconds": 17}, QuotaExceededError, 17.0),
    ],
)
def test_a_plans_ceiling_is_a_quota_and_not_a_rate(script, body, error, wait):
    with pytest.raises(error) as raised:
        script.run(script.vendor.check(), ("GET /assets?pageSize=1", reply(body, 429)))
    assert raised.value.retry_after == wait
    assert ("ceiling" in raised.value.message) is (error is QuotaExceededError)


# --- options ---


def test_options_are_completed_and_the_id_is_in_every_template(script):
    validate = script.vendor.validate
    assert validate(options={}) == OPTIONS
    assert validate(options={"file_name_template": "<prompt>"})["file_name_template"] == (
        "<prompt>-<id>"
    )
    assert validate(options={"file_name_template": ""})["file_name_template"] == "<id>"
    kept = {"file_name_template": "<id>/<num>", "flat": False, "prefer_original": True}
    assert validate(options=kept) == kept
    longest = {**OPTIONS, "archive_name": "x" * 128}
    assert validate(options=longest) == longest


@pytest.mark.parametrize(
    ("options", "named"),
    [
        ({"file_name_template": 1}, "file_name_template must be a string"),
        ({"file_name_template": "<id>" + "x" * 125}, "file_name_template: 129 characters"),
        ({"archive_name": 1}, "archive_name must be a string"),
        ({"archive_name": "x" * 129}, "129"),
        ({"archive_name": "a/b"}, "archive_name"),
        ({"flat": "yes"}, "flat must be true or false, not 'yes'"),
        ({"prefer_original": 1}, "prefer_original"),
    ],
)
def test_a_wrong_option_is_named(script, options, named):
    with pytest.raises(InvalidRequestError, match=named):
        script.vendor.validate(options=options)


@pytest.mark.parametrize(
    ("template", "unknown"),
    [
        ("<id>", []),
        ("<prompt>-<seed>/<num>-<generator>-<description>-<id>", []),
        ("<assetId>-<id>", ["<assetId>"]),
        ("<Prompt>-<id>-<>", ["<>, <Prompt>"]),
    ],
)
def test_tokens_that_the_vendor_does_not_document_are_remarked_on(script, template, unknown):
    remarks = script.vendor.remarks({"file_name_template": template})
    assert len(remarks) == len(unknown)
    tokens = "<description>, <generator>, <id>, <num>, <prompt>, <seed>"
    assert all(
        f"{name} is not among the tokens of Scenario ({tokens})" in remark
        for name, remark in zip(unknown, remarks, strict=True)
    )


# --- what to export ---


@pytest.mark.parametrize("privacy", ["private", "unlisted"])
def test_the_accounts_own_assets_can_be_selected_by_their_privacy(script, privacy):
    script.run(
        script.vendor.select({"privacy": privacy}, None), (f"{LIST}&privacy={privacy}", assets())
    )


@pytest.mark.parametrize("name", ["collectionId", "modelId", "inferenceId", "authorId", "type"])
def test_a_filter_of_one_value_takes_no_two(script, name):
    script.run(script.vendor.select({name: ["a"]}, None), (f"{LIST}&{name}=a", assets()))
    with pytest.raises(
        InvalidRequestError, match=rf"select\.{name}: the vendor takes one value, not 2"
    ):
        script.run(script.vendor.select({name: ["a", "b"]}, None))
    for several in ("types", "tags"):
        query = f"{LIST}&{several}=a%2Cb"
        script.run(script.vendor.select({several: ["a", "b"]}, None), (query, assets()))


@pytest.mark.parametrize("privacy", ["public", "Private", True, ["private"]])
def test_assets_of_other_organisations_are_never_listed(script, privacy):
    with pytest.raises(InvalidRequestError, match=r"^select\.privacy"):
        script.run(script.vendor.select({"privacy": privacy}, None))


def owned(**owners):
    """A page of assets: id -> owner."""
    listed = [{"id": i, "status": "success", "ownerId": owner} for i, owner in owners.items()]
    return reply({"assets": listed})


@pytest.mark.parametrize(
    ("owner", "ids"), [("proj_1", ["a"]), (["proj_1", "proj_2"], ["a", "b"]), ("proj_9", [])]
)
def test_of_public_assets_only_those_of_the_named_owners_are_listed(script, owner, ids):
    told = []
    found = script.run(
        script.vendor.select(
            {"privacy": "public", "ownerId": owner}, None, on_record=lambda i, _: told.append(i.id)
        ),
        (f"{LIST}&privacy=public", owned(a="proj_1", b="proj_2", c="proj_3")),
    )
    assert [item.id for item in found.items] == told == ids


@pytest.mark.parametrize("owner", [{}, {"ownerId": ""}, {"ownerId": 5}])
def test_an_asset_without_an_owner_is_not_taken_for_ones_own_or_anothers(script, owner):
    with pytest.raises(ProtocolError, match="asset b names no ownerId"):
        script.run(
            script.vendor.select({"privacy": "public", "ownerId": "proj_1"}, None),
            (f"{LIST}&privacy=public", assets("b", **owner)),
        )


@pytest.mark.parametrize("owner", ["", [], True, {}, 1])
def test_an_owner_that_is_no_name_is_refused(script, owner):
    with pytest.raises(InvalidRequestError, match=r"select\.ownerId"):
        script.run(script.vendor.select({"privacy": "public", "ownerId": owner}, None))


def test_inferences_and_models_become_their_assets(script):
    found = script.run(
        script.vendor.expand({"asset_ids": ["a"], "inference_ids": ["i"], "model_ids": ["m"]}),
        (f"{LIST}&inferenceId=i", assets("b")),
        (f"{LIST}&modelId=m", assets("c")),
    )
    assert found.items == [Item("asset_ids", i) for i in "abc"]


def test_what_an_inference_or_model_has_not_finished_is_pending_unless_it_is_named_itself(script):
    named = {"asset_ids": ["a"], "inference_ids": ["i"], "model_ids": ["m"]}
    found = script.run(
        script.vendor.expand(named),
        (f"{LIST}&inferenceId=i", assets("a", "b", "c", status="pending")),
        (f"{LIST}&modelId=m", assets("b")),
    )
    assert found.items == [Item("asset_ids", i) for i in "ab"]
    assert found.pending == ["c"]


def test_the_records_of_inferences_come_without_signatures_and_without_another_request(script):
    records = {}
    url = "https://cdn.example.test/a.png"
    signed = {"url": f"{url}?Policy=p&Signature=s", "thumbnail": {"url": f"{url}?Signature=s"}}
    script.run(
        script.vendor.expand(
            {"asset_ids": ["a"], "inference_ids": ["i"]}, on_record=records.__setitem__
        ),
        (f"{LIST}&inferenceId=i", assets("b", metadata={"seed": "7"}, **signed)),
    )
    public = {"metadata": {"seed": "7"}, "url": url, "thumbnail": {"url": url}}
    assert records == {Item("asset_ids", "b"): {"id": "b", "status": "success", **public}}


def test_an_empty_page_with_a_token_is_not_the_end(script):
    found = script.run(
        script.vendor.select({}, None),
        (LIST, assets(token="t1")),
        (f"{LIST}&paginationToken=t1", assets("a")),
    )
    assert found.items == [Item("asset_ids", "a")]


def test_a_window_without_a_beginning_asks_for_none(script):
    window = Window(BEGINNING, datetime(2026, 1, 9, tzinfo=timezone.utc))
    found = script.run(
        script.vendor.select({}, window),
        (f"{LIST}&createdBefore=2026-01-09T00%3A00%3A00.000Z", assets("a")),
    )
    assert found.items == [Item("asset_ids", "a")]


def test_the_vendors_exclusive_bounds_hold_the_half_open_window(script):
    start = datetime(2026, 1, 9, tzinfo=timezone.utc)
    window = Window(start, start + timedelta(days=1))
    bounds = "updatedAfter=2026-01-08T23%3A59%3A59.999Z&updatedBefore=2026-01-10T00%3A00%3A00.000Z"
    found = script.run(
        script.vendor.select({"by": "updatedAt", "types": ["txt2img", "uploaded"]}, window),
        (
            f"{LIST.replace('createdAt', 'updatedAt')}&{bounds}&types=txt2img%2Cuploaded",
            reply(
                {
                    "assets": [
                        {"id": "in", "updatedAt": "2026-01-09T00:00:00.000Z"},
                        {"id": "out", "updatedAt": "2026-01-10T00:00:00.000Z"},
                        {"id": "silent"},
                        {"id": "pending", "status": "pending"},
                        {
                            "id": "out-and-pending",
                            "status": "pending",
                            "updatedAt": "2026-01-10T00:00:00.000Z",
                        },
                        {"id": "broken", "status": "error"},
                    ]
                }
            ),
        ),
    )
    assert [item.id for item in found.items] == ["in", "silent"]
    assert found.pending == ["pending"]


def test_an_asset_that_ends_while_the_pages_are_read_is_not_pending(script):
    found = script.run(
        script.vendor.select({}, None),
        (LIST, assets("a", "b", status="pending", token="t1")),
        (f"{LIST}&paginationToken=t1", assets("a")),
    )
    assert (found.items, found.pending) == ([Item("asset_ids", "a")], ["b"])


DAY = Window(datetime(2026, 1, 9, tzinfo=timezone.utc), datetime(2026, 1, 10, tzinfo=timezone.utc))
BOUNDS = "&createdAfter=2026-01-08T23%3A59%3A59.999Z&createdBefore=2026-01-10T00%3A00%3A00.000Z"


def page(*times, token=""):
    """Assets of these times of the day, named after their place."""
    listed = [
        {"id": f"a{n}", "createdAt": f"2026-01-09T{at}.000Z"} for n, at in enumerate(times, 1)
    ]
    return reply({"assets": listed, **({"nextPaginationToken": token} if token else {})})


def test_a_part_ends_before_the_time_of_its_last_asset_and_leaves_the_rest(script):
    found, rest = script.run(
        script.vendor.select_part({}, DAY, pages=1),
        (LIST + BOUNDS, page("01:00:00", "02:00:00", "03:00:00", "03:00:00", token="t1")),
    )
    assert [item.id for item in found.items] == ["a1", "a2"]
    assert rest == Window(DAY.start + timedelta(hours=3), DAY.end)


def test_a_part_is_as_many_pages_as_are_asked_for(script):
    found, rest = script.run(
        script.vendor.select_part({}, DAY, pages=2),
        (LIST + BOUNDS, page("01:00:00", "02:00:00", token="t1")),
        (f"{LIST}{BOUNDS}&paginationToken=t1", page("03:00:00", "04:00:00", token="t2")),
    )
    assert len(found.items) == 3
    assert rest == Window(DAY.start + timedelta(hours=4), DAY.end)


@pytest.mark.parametrize(
    "times",
    [
        ("2026-01-08T23:59:59.999Z", "2026-01-09T00:00:00.000Z"),  # the whole window would be left
        ("2026-01-09T23:00:00.000Z", "2026-01-10T00:00:00.000Z"),  # nothing would
        ("2026-01-09T01:00:00.000Z", None),
    ],
)
def test_a_page_whose_last_asset_does_not_lie_within_the_window_is_not_divided(script, times):
    listed = [{"id": "a", **({"createdAt": at} if at else {})} for at in times]
    _, rest = script.run(
        script.vendor.select_part({}, DAY, pages=1), (LIST + BOUNDS, reply({"assets": listed}))
    )
    assert rest is None


@pytest.mark.parametrize(
    "times",
    [
        (),  # an empty page with a token
        ("03:00:00", "03:00:00"),  # the next page may hold more of that time
        ("03:00:00", "01:00:00"),
        ("01:00:00", "04:00:00", "03:00:00"),
    ],
)
def test_a_page_that_cannot_be_divided_is_followed_by_the_next_one(script, times):
    found, rest = script.run(
        script.vendor.select_part({}, DAY, pages=1),
        (LIST + BOUNDS, page(*times, token="t1")),
        (f"{LIST}{BOUNDS}&paginationToken=t1", page("05:00:00")),
    )
    assert len(found.items) == len(times) + 1
    # The second page holds one time only.
    assert rest is None


def test_a_part_whose_assets_lie_outside_of_the_window_leaves_nothing(script):
    start = DAY.start + timedelta(hours=6)
    bounds = BOUNDS.replace("2026-01-08T23%3A59%3A59", "2026-01-09T05%3A59%3A59")
    found, rest = script.run(
        script.vendor.select_part({}, Window(start, DAY.end), pages=1),
        (LIST + bounds, page("01:00:00", "02:00:00")),
    )
    assert (found.items, rest) == ([], None)


def test_a_part_that_reaches_a_time_that_is_none_is_refused(script):
    with pytest.raises(ProtocolError, match="createdAt"):
        script.run(
            script.vendor.select_part({}, DAY, pages=1),
            (LIST + BOUNDS, page("01:00:00", "noon")),
        )


def test_what_can_change_its_place_while_it_is_listed_is_listed_as_a_whole(script):
    by_change = LIST.replace("createdAt", "updatedAt") + BOUNDS.replace("created", "updated")
    _, rest = script.run(
        script.vendor.select_part({"by": "updatedAt"}, DAY, pages=1),
        (by_change, page("01:00:00", "02:00:00")),
    )
    assert rest is None
    _, rest = script.run(
        script.vendor.select_part({"deleted": True}, DAY, pages=1),
        ("GET /assets?pageSize=100&deleted=true", page("01:00:00", "02:00:00")),
    )
    assert rest is None
    _, rest = script.run(
        script.vendor.select_part({}, None, pages=1), (LIST, page("01:00:00", "02:00:00"))
    )
    assert rest is None


def test_the_trash_takes_no_other_filter_and_no_sorting(script):
    script.run(
        script.vendor.select({"deleted": True}, None),
        ("GET /assets?pageSize=100&deleted=true", assets()),
    )
    script.run(
        script.vendor.select({"deleted": True, "originalAssets": False}, None),
        ("GET /assets?pageSize=100&deleted=true&originalAssets=false", assets()),
    )
    with pytest.raises(InvalidRequestError, match="cannot be combined with modelId, tags"):
        script.run(script.vendor.select({"deleted": True, "modelId": "m", "tags": "t"}, None))


@pytest.mark.parametrize(
    ("query", "named"),
    [
        ({"by": "id"}, "by must be createdAt or updatedAt, not 'id'"),
        ({"type": "a", "types": ["b"]}, "exclusive"),
        ({"modelId": True}, "modelId must be a string or a list, not True"),
        ({"deleted": "yes"}, "deleted must be true or false, not 'yes'"),
        ({"privacy": "all"}, "privacy must be one of private, unlisted, public, not 'all'"),
        ({"tags": []}, r"tags: \[\] would select everything"),
    ],
)
def test_a_query_that_the_vendor_refuses_is_not_sent(script, query, named):
    with pytest.raises(InvalidRequestError, match=named):
        script.run(script.vendor.select(query, None))


def test_metadata_is_asked_for_200_at_a_time(script):
    ids = [f"a{n}" for n in range(201)]
    found = script.run(
        script.vendor.metadata(ids),
        ("POST /assets/get-bulk", assets(*ids[:199])),
        ("POST /assets/get-bulk", assets("a200")),
    )
    assert list(found) == [*ids[:199], "a200"]
    assert [len(json.loads(r.body)["assetIds"]) for r in script.seen] == [200, 1]
    assert all(request.idempotent is True for request in script.seen)


# --- what a record says of time and size ---


@pytest.mark.parametrize(
    ("query", "record", "facts"),
    [
        ({}, {"properties": {"size": 2048}, "updatedAt": "2026-01-09T10:00:05.500Z"}, (None, 2048)),
        ({"by": "createdAt"}, {"metadata": {"size": 7.0}}, (None, 7)),
        ({"by": "updatedAt"}, {"updatedAt": "1970-01-01T00:00:05.500Z"}, (5.5, None)),
        ({"by": "updatedAt"}, {"properties": None, "metadata": {"size": "?"}}, (None, None)),
        ({"by": "updatedAt"}, {"updatedAt": "2026-01-09T10:00:05.500"}, (None, None)),
        ({"by": "updatedAt"}, {"updatedAt": "yesterday", "metadata": {"size": 7}}, (None, 7)),
    ],
)
def test_a_record_says_the_size_and_in_a_listing_by_change_the_time(script, query, record, facts):
    assert script.vendor.facts(query, record) == (*facts, None)
