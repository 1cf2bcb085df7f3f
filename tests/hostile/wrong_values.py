"""For each kind of argument: values that it must not have, as users and templates give them."""

from __future__ import annotations

from datetime import datetime, timedelta

NAN, INF, HUGE = float("nan"), float("inf"), 10**400
NAIVE = datetime.fromisoformat("2026-01-09")
DAY = ("2026-01-09T00:00:00Z", "2026-01-10T00:00:00Z")
TYPES = (5, 2.5, True, b"bytes", [1], {"a": 1}, ("a",), object)
STRING = ("\ud800", *TYPES)
TEXT = ("", " ", *STRING)
FLAG = ("", "True", "False", "false", "{{ no }}", 0, 1, NAN, [], {})
POSITIVE = (
    0,
    -1,
    -HUGE,
    HUGE,
    2.5,
    NAN,
    INF,
    True,
    "",
    "abc",
    "None",
    "0",
    "-1",
    "2.5",
    [],
    {},
    "²",
)
AT_LEAST_1 = (*POSITIVE, "5")
AT_LEAST_0 = tuple(one for one in AT_LEAST_1 if one is True or one != 0)
SPAN = (-1, -0.5, HUGE, 1e300, NAN, INF, -INF, True, "", "5", "abc", "None", [], {}, timedelta.max)
SECONDS = (*SPAN, 0, timedelta(0), timedelta(-1))
CHOICE = ("", "abc", "None", "FAIL", 5, True, NAN, [], {}, ["fail"], b"fail")
MAPPING = (
    "",
    "abc",
    "None",
    "{'asset_ids': ['a']}",
    '{"a": 1}',
    5,
    True,
    NAN,
    [],
    ["a"],
    b"{}",
    {5: 1},
)
WINDOW = (
    *(
        "",
        "abc",
        "None",
        "today",
        "2026-01-09",
        str(list(DAY)),
        "ALL",
        b"auto",
        5,
        2.5,
        True,
        NAN,
        {},
    ),
    *(
        [],
        [None, None],
        [DAY[0]],
        [1, 2],
        ["2026-01-09", "2026-01-10"],
        [DAY[1], DAY[0]],
        [DAY[0]] * 2,
    ),
    *(
        ["0001-01-01T00:00:00+23:59", DAY[1]],
        (NAIVE, NAIVE),
        timedelta(0),
        timedelta(-1),
        timedelta.max,
    ),
)
URL = (
    "",
    " ",
    "None",
    "abc",
    "relative/folder",
    "s3://",
    "file://host/a",
    "gs:///a",
    "s3://[",
    *TYPES,
)
ITEMS = (*MAPPING, {"": ["a"]}, {"unknown": ["a"]})
ARCHIVE = (
    *(None, "", "abc", "None", "{'version': 1}", 5, True, NAN, [], {}, [{}], {"version": 2}),
    *({"version": 1, "archives": []}, {"version": 1, "archives": "abc"}, {"archives": [{}]}),
)
# Of ids: what names none, or is none.
IDS = (
    "a",
    "",
    5,
    NAN,
    True,
    None,
    {},
    {"a": 1},
    [""],
    [" "],
    [5],
    [None],
    [["a"]],
    ["\ud800"],
    b"a",
)
# Of a filter of a listing: what would select something else, or everything.
FILTER = ("", " ", [], {}, {"a": 1}, [""], [5], [None], NAN, INF, 2.5, "\ud800", b"a", object)
