from __future__ import annotations

from datetime import datetime, timezone

import pytest
from roma_samples import APP, APPS, TASK, TASKS, page, roma
from vendor_script import Script, reply

from airflow_provider_assets.sansio.errors import (
    InvalidRequestError,
    ProtocolError,
    VendorUnavailableError,
)
from airflow_provider_assets.sansio.jobs import Item
from airflow_provider_assets.sansio.window import Window


@pytest.fixture
def script():
    return Script(roma())


def test_apps_and_tasks_are_named_explicitly(script):
    found = script.run(script.vendor.expand({"tasks": [TASK], "apps": [APP, APP]}))
    assert found.items == [Item("apps", APP), Item("tasks", TASK)]


def test_an_empty_query_takes_all_apps_and_tasks_over_all_pages(script):
    found = script.run(
        script.vendor.select({}, None),
        (APPS.format(0), page("apps", {"id": "b"}, {"id": "c"}, total=3)),
        (APPS.format(1), page("apps", {"id": "c"}, {"id": "a"}, total=3)),
        (TASKS.format(0), page("entities", {"task_id": TASK})),
    )
    assert found.items == [
        Item("apps", "a"),
        Item("apps", "b"),
        Item("apps", "c"),
        Item("tasks", TASK),
    ]


def test_a_listing_that_shrinks_while_it_is_read_ends(script):
    found = script.run(
        script.vendor.select({"apps": True}, None),
        (APPS.format(0), page("apps", {"id": "a"}, total=2)),
        (APPS.format(0), page("apps", {"id": "a"}, total=2)),
    )
    assert found.items == [Item("apps", "a")]


def test_a_listing_that_changes_while_it_is_read_is_read_again(script):
    a, b, c, d = ({"id": one} for one in "abcd")
    found = script.run(
        script.vendor.select({"apps": True}, None),
        (APPS.format(0), page("apps", a, b, total=3)),
        (APPS.format(1), page("apps", c, total=2)),  # "a" was deleted, "c" could slip past
        (APPS.format(0), page("apps", b, c, total=3)),
        (APPS.format(1), page("apps", d, total=3)),  # "b" was deleted, and one created behind "d"
        (APPS.format(0), page("apps", c, d, total=3)),
        (APPS.format(1), page("apps", total=3)),  # both are gone
        (APPS.format(0), page("apps", c, d, total=3)),
        (APPS.format(1), page("apps", d, c, total=3)),  # "c" has moved to the end
        (APPS.format(0), page("apps", c, d, total=3)),
        (APPS.format(1), page("apps", d, b, total=3)),
    )
    assert found.items == [Item("apps", "b"), Item("apps", "c"), Item("apps", "d")]


@pytest.mark.parametrize(
    ("kind", "key", "name"), [("apps", "apps", "id"), ("tasks", "entities", "task_id")]
)
@pytest.mark.parametrize(("again", "total"), [("d", 4), ("b", 3)], ids=["shifted", "another total"])
def test_any_listing_that_changes_is_read_again(script, kind, key, name, again, total):
    url = {"apps": APPS, "tasks": TASKS}[kind]
    a, b, c, d = ({name: one} for one in "abcd")
    found = script.run(
        script.vendor.select({kind: True}, None),
        (url.format(0), page(key, a, b, total=4)),
        (url.format(1), page(key, {name: again}, c, total=total)),
        (url.format(0), page(key, a, b, c, d)),
    )
    assert [item.id for item in found.items] == ["a", "b", "c", "d"]


def test_a_listing_that_always_changes_is_told_as_such(script):
    changing = [
        (APPS.format(0), page("apps", {"id": "a"}, total=3)),
        (APPS.format(0), page("apps", {"id": "b"}, total=3)),
    ]
    with pytest.raises(VendorUnavailableError, match="apps changed 5 times") as raised:
        script.run(script.vendor.select({"apps": True}, None), *(changing * 5))
    assert raised.value.vendor == "huawei_roma"
    assert not script.expected


def test_filters_are_passed_on_to_their_own_listing(script):
    script.run(
        script.vendor.select({"apps": {"name": "bill", "owner": True}}, None),
        (APPS.format(0) + "&name=bill&owner=true", page("apps")),
    )
    script.run(
        script.vendor.select({"tasks": {"status": 1}, "apps": False}, None),
        (TASKS.format(0) + "&status=1", page("entities")),
    )


@pytest.mark.parametrize(
    ("query", "named"),
    [
        ({"apps": {"nmae": "x"}}, r"^select\.apps: unknown nmae"),
        ({"tasks": ["x"]}, "true or filters"),
    ],
)
def test_an_unknown_filter_is_refused(script, query, named):
    with pytest.raises(InvalidRequestError, match=named):
        script.run(script.vendor.select(query, None))


def test_the_window_takes_what_was_changed_in_it_and_what_tells_no_time(script):
    window = Window(
        datetime(2026, 1, 9, tzinfo=timezone.utc), datetime(2026, 1, 10, tzinfo=timezone.utc)
    )
    first, last = 1767916800, 1768003200
    tasks = {
        "first": first * 1000,
        "seconds": first,
        "text": str(first * 1000),
        "iso": "2026-01-09T23:59:59Z",
        "naive": "2026-01-09 12:00:00",
        "garbled": "yesterday",
        "zero": 0,
        "beyond every year": 10**30,
        "not finite": "9" * 400,
        "none": None,
        "end": last * 1000,
        "before": "2026-01-08T23:59:59.999Z",
        "naive before": "2026-01-08 12:00:00",
    }
    entries = [{"task_id": name, "last_modified_time": time} for name, time in tasks.items()]
    created = {"task_id": "created", "created_date": last}
    found = script.run(
        script.vendor.select({"tasks": {}}, window),
        (TASKS.format(0), page("entities", *entries, created)),
    )
    assert {item.id for item in found.items} == set(tasks) - {"end", "before", "naive before"}
    timeless = {"garbled", "zero", "beyond every year", "not finite", "none"}
    assert {item.id for item in found.undated} == timeless


def test_a_listing_of_another_shape_is_a_protocol_error(script):
    with pytest.raises(ProtocolError):
        script.run(script.vendor.select({}, None), (APPS.format(0), reply({"apps": "none"})))


def test_only_the_time_of_a_change_leaves_the_listing(script):
    records = {}
    app = {"id": "a", "key": "secret", "update_time": "1970-01-01T00:00:07Z"}
    script.run(
        script.vendor.select({"apps": True}, None, on_record=records.__setitem__),
        (APPS.format(0), page("apps", app, {"id": "b"}, total=2)),
    )
    assert records == {
        Item("apps", "a"): {"update_time": "1970-01-01T00:00:07Z"},
        Item("apps", "b"): {},
    }
    facts = [script.vendor.facts({}, record) for record in records.values()]
    assert facts == [(7.0, None, 7.0), (None, None, None)]
