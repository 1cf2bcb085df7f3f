"""Every argument of everything public, with values that it must not have.

Each is an error that names the argument, before anything reaches the vendor. The arguments are those of the
signatures: a new one without a row here fails a test.
"""

from __future__ import annotations

import inspect
import json
from collections.abc import Callable, Iterator, Mapping
from typing import Any

import pytest
from airflow.sdk import DAG, BaseOperator
from closed_vendor import ClosedVendor, closed_vendor, context_of
from wrong_values import (
    ARCHIVE,
    AT_LEAST_0,
    AT_LEAST_1,
    CHOICE,
    DAY,
    FILTER,
    FLAG,
    IDS,
    ITEMS,
    MAPPING,
    NAN,
    POSITIVE,
    SECONDS,
    SPAN,
    STRING,
    TEXT,
    URL,
    WINDOW,
)

from airflow_provider_assets import cli, exports
from airflow_provider_assets.decorators.asset_archive import (
    SELECTION,
    AssetArchiveDecoratedOperator,
)
from airflow_provider_assets.hooks.base import AssetArchiveHook
from airflow_provider_assets.operators.archive import AssetArchiveOperator
from airflow_provider_assets.operators.reconcile import AssetReconcileOperator
from airflow_provider_assets.operators.report import AssetReportOperator
from airflow_provider_assets.sansio.errors import AssetsError, AuthenticationError
from airflow_provider_assets.sansio.jobs import (
    ArchiveJob,
    ArchiveReference,
    ArchiveRequest,
    JobState,
)
from airflow_provider_assets.sensors.archive import AssetArchiveSensor
from airflow_provider_assets.transfers.archive_to_object_storage import (
    ArchiveToObjectStorageOperator,
)
from airflow_provider_assets.triggers.archive import AssetArchiveEventTrigger
from airflow_provider_assets.vendors import BUILT_IN, vendor_class

Values = tuple[object, ...]
REFERENCE = ArchiveReference(
    "scenario",
    ArchiveRequest("scenario", {"asset_ids": ("a",)}, {"file_name_template": "<id>", "flat": True}),
    ArchiveJob("scenario", "job_1", JobState.SUCCEEDED),
).to_dict()
RUNNING = {**REFERENCE, "job": ArchiveJob("scenario", "job_1").to_dict()}
MANIFEST = {
    "uri": "file:///k",
    "bytes": 3,
    "entries": 1,
    "skipped": False,
    "facts": {"conn_id": "scenario", "fingerprint": "f"},
}

# Of each class: what is enough to run it, and for each argument the values that it must not have.
GIVEN: dict[type, dict[str, object]] = {
    AssetArchiveOperator: {"conn_id": "scenario", "window": DAY, "timeout": 60},
    ArchiveToObjectStorageOperator: {"archive": REFERENCE},
    AssetArchiveSensor: {"archives": [RUNNING], "timeout": 60},
    AssetReconcileOperator: {"conn_id": "scenario", "window": DAY},
    AssetReportOperator: {"archives": [REFERENCE], "manifests": [MANIFEST]},
}
WRONG: dict[type, dict[str, Values]] = {
    AssetArchiveOperator: {
        "conn_id": (None, *TEXT, "no_such_connection"),
        "items": ITEMS,
        "select": (*MAPPING, {"unknown": "a"}),
        "window": WINDOW,
        "options": (*MAPPING, {"unknown": "a"}),
        "mode": CHOICE,
        "max_items": POSITIVE,
        "wait_for_completion": (None, *FLAG),
        "deferrable": (None, *FLAG),
        "poll_interval": SECONDS,
        "timeout": SECONDS,
        "on_empty": (None, *CHOICE),
        "on_partial": (None, *CHOICE),
        "cancel_on_kill": FLAG,
        "settle": (None, *SPAN),
        "pending_timeout": (None, *SPAN),
        "lookback": (*SECONDS, 60),  # 60: without plans
        "plans": URL,
        "metadata": CHOICE,
        "dry_run": (None, *FLAG),
    },
    ArchiveToObjectStorageOperator: {
        "archive": ARCHIVE,
        "destination": (None, *URL),
        "layout": (None, *CHOICE),
        "name": STRING,
        "overwrite": (None, *FLAG),
        "verify": (None, *FLAG),
        "sha256": FLAG,
        "concurrency": AT_LEAST_1,
        "part_size": (*AT_LEAST_1, 1),
        "max_memory": (None, *AT_LEAST_1, 1),
        "target_format": (*TEXT, "web p", "../webp", "webp;"),
        "max_reexports": (None, *AT_LEAST_0),
        "on_partial": (None, *CHOICE),
        "max_entries": AT_LEAST_1,
        "max_unpacked": AT_LEAST_1,
        "max_ratio": AT_LEAST_1,
        "metadata": CHOICE,
        "object_options": (*MAPPING, {"unknown": "a"}, {"tags": "a"}, {"content_type": 5}),
        "report": (None, *FLAG),
    },
    AssetArchiveSensor: {
        "archives": (None, "", "abc", "None", 5, True, b"a", [5], [[]], ["a"], [{}]),
        "conn_id": TEXT,
        "job_ids": ("", " ", "['a']", 5, True, {"a": 1}, b"a", [5], [""], [None], ["\ud800"]),
        "deferrable": (None, *FLAG),
        "poke_interval": SECONDS,
        "on_partial": (None, *CHOICE),
    },
    AssetReconcileOperator: {
        "conn_id": (None, *TEXT, "no_such_connection"),
        "destination": (None, *URL),
        "window": (*WINDOW, "since_last"),
        "select": (*MAPPING, {"unknown": "a"}),
        "verify": (None, *CHOICE),
        "period": (None, *CHOICE),
        "on_gaps": (None, *CHOICE),
    },
    AssetReportOperator: {
        "destination": (None, *URL),
        "archives": ("", "abc", "None", 5, True, ["a"], [5], [{}], {"version": 2}),
        "manifests": ("", "abc", "None", 5, True, ["a"], [5], [{}], [{"facts": {}}]),
        "notes": ("abc", 5, True, ["a"], [5], [{}], [{"batch": "a"}]),
        "thumbnails": (None, *AT_LEAST_0),
    },
}
CASES = [
    pytest.param(kind, name, values, id=f"{kind.__name__}-{name}")
    for kind, row in WRONG.items()
    for name, values in row.items()
]
# Where another argument is needed to reach this one, or the message may name it by another word.
TOGETHER: dict[tuple[type, str], dict[str, object]] = {
    (AssetArchiveOperator, "items"): {"select": None},
    (AssetArchiveSensor, "job_ids"): {"archives": None, "conn_id": "scenario"},
    (AssetArchiveSensor, "conn_id"): {"archives": None, "job_ids": ["a"]},
}
WORDS = {
    "archive": "archive|conn_id|request|version",
    "archives": "archive|conn_id|request|version",
    "poke_interval": "poke_interval|poll_interval",
    "manifests": "manifest",
    "notes": "note",
}


@pytest.fixture(scope="module")
def closed() -> Iterator[ClosedVendor]:
    with closed_vendor() as vendor:
        yield vendor


@pytest.fixture(autouse=True)
def connected(closed: ClosedVendor, monkeypatch: pytest.MonkeyPatch) -> None:
    closed.asked.clear()
    for name, connection in closed.connections().items():
        monkeypatch.setenv(f"AIRFLOW_CONN_{name.upper()}", json.dumps(connection))


def names_of(function: Callable[..., object]) -> set[str]:
    parameters = inspect.signature(function).parameters.values()
    return {one.name for one in parameters if one.kind is not one.VAR_KEYWORD} - {"self", "cls"}


def refusal(act: Callable[[], object], word: str) -> str:
    """The message of the error that *act* raises, if it is none that names the argument.

    An error of Python's own would name a method, not the argument.
    """
    try:
        act()
    except AssetsError as error:
        text = str(error)
    except Exception as error:  # noqa: BLE001  # judged below
        if type(error).__module__.partition(".")[0] != "airflow":
            return f"{type(error).__name__}: {error}"
        text = str(error)
    else:
        return "nothing was raised"
    is_named = any(one in text for one in word.split("|"))
    return "" if is_named and len(text) < 1000 else f"it is not named in {text[:300]!r}"


def run(kind: type, tmp_path: Any, **arguments: object) -> object:
    given = {**GIVEN[kind], **arguments}
    if "destination" in names_of(kind.__init__) and "destination" not in given:
        given["destination"] = f"file://{tmp_path}"
    task = kind(task_id="t", **given)
    return task.execute(context_of(task))


@pytest.mark.parametrize("kind", WRONG, ids=lambda kind: kind.__name__)
def test_every_argument_has_a_row(kind) -> None:
    # Airflow checks those of every operator, of which a class may have another default.
    assert names_of(kind.__init__) - names_of(BaseOperator.__init__) == set(WRONG[kind])


@pytest.mark.parametrize("kind", [*WRONG][:-1], ids=lambda kind: kind.__name__)
def test_with_right_arguments_the_vendor_is_asked(kind, closed, tmp_path) -> None:
    with pytest.raises(AuthenticationError):
        run(kind, tmp_path)
    assert closed.asked


@pytest.mark.parametrize(("kind", "name", "values"), CASES)
def test_a_wrong_argument_is_named_before_the_vendor_is_asked(
    kind, name, values, closed, tmp_path
) -> None:
    others = TOGETHER.get((kind, name), {})
    wrong = {}
    for value in values:
        given = {**others, name: value}
        found = refusal(lambda given=given: run(kind, tmp_path, **given), WORDS.get(name, name))
        if found:
            wrong[repr(value)[:60]] = found
    assert wrong == {}
    assert closed.asked == []
    assert [*tmp_path.iterdir()] == []


@pytest.mark.parametrize(
    ("name", "text"), [("max_items", "5"), ("max_items", " 1000 "), ("conn_id", "topaz")]
)
def test_what_a_template_renders_to_a_right_value_is_taken(name, text, closed, tmp_path) -> None:
    with pytest.raises(AuthenticationError):
        run(AssetArchiveOperator, tmp_path, **{"window": "all", name: text})
    assert closed.asked


# --- what is asked of the vendors: every item, filter and option ------------------------------------

SELECT: dict[str, dict[str, Values]] = {
    "scenario": {
        **dict.fromkeys(sorted(vendor_class("scenario").spec.filters), FILTER),
        "by": (*FILTER, True, "creation_time"),
        "privacy": (*FILTER, True, "secret", "public"),
        "deleted": FLAG,
        "originalAssets": FLAG,
        "ownerId": (*FILTER, 5, True),
    },
    "topaz": {
        **dict.fromkeys(("model", "category", "output_format", "status"), (*FILTER, 5, True)),
        "filename": (*FILTER, 5, True),
        "by": (*FILTER, 5, True, "createdAt"),
        "allow_truncated": FLAG,
    },
    "huawei_roma": {
        **dict.fromkeys(("apps", "tasks"), ("", "abc", [], 5, NAN, {"unknown": 1})),
    },
}
OPTIONS: dict[str, dict[str, Values]] = {
    "scenario": {
        "file_name_template": (5, True, None, [], {}, "x" * 200, "\ud800"),
        "flat": (None, *FLAG),
        "archive_name": (5, True, [], {}, "a/b", "x" * 200, "\ud800"),
        "prefer_original": (None, *FLAG),
    },
    "topaz": {"kind": ("", "abc", 5, True, [], {}, "OUTPUT")},
    "huawei_roma": {},
}


def specs(of: Mapping[str, Mapping[str, Values]]) -> list[Any]:
    return [
        pytest.param(vendor, name, values, id=f"{vendor}-{name}")
        for vendor, row in of.items()
        for name, values in row.items()
    ]


@pytest.mark.parametrize("vendor", BUILT_IN)
def test_every_item_filter_and_option_of_a_vendor_has_a_row(vendor) -> None:
    spec = vendor_class(vendor).spec
    assert (set(SELECT[vendor]), set(OPTIONS[vendor])) == (spec.filters, spec.options)


def export(vendor: str, tmp_path: Any, **given: object) -> object:
    window = "all" if vendor != "scenario" else DAY
    return run(AssetArchiveOperator, tmp_path, **{"conn_id": vendor, "window": window, **given})


@pytest.mark.parametrize(("vendor", "name", "values"), specs(SELECT))
def test_a_wrong_filter_is_named_before_the_vendor_is_asked(
    vendor, name, values, closed, tmp_path
) -> None:
    assert unnamed(vendor, name, values, tmp_path, "select") == {}
    assert closed.asked == []


def unnamed(vendor: str, name: str, values: Values, tmp_path: Any, field: str) -> dict[str, str]:
    """The *values* that are taken in *field*, or refused without a name."""
    found = {}
    for value in values:
        given = {field: {name: value}}
        wrong = refusal(lambda given=given: export(vendor, tmp_path, **given), name)
        if wrong:
            found[repr(value)[:60]] = wrong
    return found


@pytest.mark.parametrize("kind", ["apps", "tasks"])
def test_a_wrong_filter_of_a_listing_within_the_filters_is_named(kind, closed, tmp_path) -> None:
    from airflow_provider_assets.vendors.huawei_roma_contract import LISTINGS

    for name in LISTINGS[kind]:
        for value in ("", " ", [], {}, ["a"], 2.5, float("nan"), "\ud800"):
            given = {"select": {kind: {name: value}}}
            word = f"select.{kind}.{name}"
            assert refusal(lambda given=given: export("huawei_roma", tmp_path, **given), word) == ""
    assert closed.asked == []


@pytest.mark.parametrize(("vendor", "name", "values"), specs(OPTIONS))
def test_a_wrong_option_is_named_before_the_vendor_is_asked(
    vendor, name, values, closed, tmp_path
) -> None:
    assert unnamed(vendor, name, values, tmp_path, "options") == {}
    assert closed.asked == []


@pytest.mark.parametrize(
    ("vendor", "kind"),
    [(one, kind) for one in BUILT_IN for kind in sorted(vendor_class(one).spec.kinds)],
)
def test_wrong_ids_are_named_before_the_vendor_is_asked(vendor, kind, closed, tmp_path) -> None:
    first = vendor_class(vendor).spec.kinds[0]
    fine = ["0b5d6c1e-2f43-4a8b-9c11-3f2f1d9e7a10"]
    for value in IDS:
        items = {first: fine, kind: value}
        found = refusal(lambda items=items: export(vendor, tmp_path, items=items), f"items.{kind}")
        assert (value, found) == (value, "")
    assert closed.asked == []


# --- everything else that is public --------------------------------------------------------------

EVENT = {
    "conn_id": (None, *TEXT),
    "select": MAPPING,
    "poll_interval": SECONDS,
    "settle": (None, *SPAN),
}


def test_every_argument_of_the_event_trigger_is_checked_when_the_dag_is_parsed() -> None:
    assert names_of(AssetArchiveEventTrigger.__init__) == set(EVENT)
    for name, values in EVENT.items():
        for value in values:
            given = {"conn_id": "scenario", name: value}
            found = refusal(lambda given=given: AssetArchiveEventTrigger(**given), name)
            assert (name, value, found) == (name, value, "")


EXPORT = {
    "group_id": ("", " ", 5, "a b", "a/b"),
    "conn_id": (),  # of the archive task, which checks it
    "destination": (),  # of both tasks, which check it
    "archive_args": (*MAPPING, {"conn_ids": "a"}, {"unknown": 1}),
    "landing_args": (*MAPPING, {"unknown": 1}),
    "report": (None, *FLAG),
}


@pytest.mark.parametrize("name", EXPORT)
def test_a_wrong_argument_of_asset_export_is_named_when_the_dag_is_parsed(name) -> None:
    assert names_of(exports.asset_export) == set(EXPORT)
    for value in EXPORT[name]:
        given = {
            "group_id": "export",
            "conn_id": "scenario",
            "destination": "file:///a",
            name: value,
        }

        def parse(given=given) -> None:
            with DAG("d", schedule=None):
                exports.asset_export(given.pop("group_id"), **given)

        with pytest.raises(Exception) as caught:  # Airflow has errors of its own
            parse()
        named = any(
            word in str(caught.value) for word in (name, "unknown", "conn_ids", "key", "ID")
        )
        assert named, (value, caught.value)
        assert not isinstance(caught.value, (KeyError, AttributeError)), "a defect, by chance"


def test_asset_export_hands_every_argument_to_the_operator_that_checks_it() -> None:
    given = {
        **{name: f"archive {name}" for name in WRONG[AssetArchiveOperator]},
        **{name: f"land {name}" for name in WRONG[ArchiveToObjectStorageOperator]},
    }
    for name in ("conn_id", "wait_for_completion", "archive", "report", "metadata", "timeout"):
        given.pop(name)
    with DAG("d", schedule=None):
        group = exports.asset_export("g", conn_id="c", report=False, **{**given, "lookback": None})
    archive, land = group.children["g.archive"], group.children["g.land"]
    for name in set(WRONG[AssetArchiveOperator]) & set(given) - {"lookback", "on_partial"}:
        attribute = "is_dry_run" if name == "dry_run" else name
        assert getattr(archive, attribute) == given[name]
    for name in set(WRONG[ArchiveToObjectStorageOperator]) & set(given):
        assert land.partial_kwargs[name] == given[name]


def test_land_checks_as_its_operator_does(monkeypatch, closed, tmp_path) -> None:
    assert names_of(exports.land) == {"archive", "destination", "arguments"} - {"arguments"}
    monkeypatch.setattr(exports, "get_current_context", lambda: context_of(None))
    for name in ("archive", "destination"):
        for value in WRONG[ArchiveToObjectStorageOperator][name]:
            given = {"archive": REFERENCE, "destination": f"file://{tmp_path}", name: value}
            assert refusal(lambda given=given: exports.land(**given), WORDS.get(name, name)) == ""
    assert closed.asked == []


@pytest.mark.parametrize("selected", [None, "", "abc", 5, [], ["items"], {"item": {}}, {5: 1}])
def test_what_the_function_of_the_decorator_returns_is_checked(selected, closed) -> None:
    task = AssetArchiveDecoratedOperator(
        task_id="t", conn_id="scenario", window=DAY, python_callable=lambda: selected
    )
    assert refusal(lambda: task.execute(context_of(task)), "@task.asset_archive") == ""
    assert closed.asked == []


@pytest.mark.parametrize("name", SELECTION)
def test_a_selection_of_the_decorator_is_checked_like_the_arguments(name, closed) -> None:
    for value in WRONG[AssetArchiveOperator][name]:
        task = AssetArchiveDecoratedOperator(
            task_id="t", conn_id="scenario", window=DAY, python_callable=lambda value=value: {name: value}
        )  # fmt: skip
        found = refusal(lambda task=task: task.execute(context_of(task)), name)
        assert (value, found) == (value, "")
    assert closed.asked == []


HOOK = {
    "list_items": {"select": (*MAPPING, {"unknown": "a"}), "window": (*WINDOW, DAY)},
    "asset_metadata": {"asset_ids": IDS},
    "for_conn": {"conn_id": (None, *TEXT, "no_such_connection")},
}
# They take what other methods of the hook have returned, in the types of the package, and nothing of users.
TYPED = {
    "submit", "find", "job_url", "poll", "poll_or_last_known", "wait", "files", "link", "run", "slices",
    "get_conn", "test_connection", "get_ui_field_behaviour", "get_connection_form_widgets",
}  # fmt: skip


def test_every_method_of_the_hooks_is_in_a_row_or_takes_no_input_of_users() -> None:
    from airflow_provider_assets.hooks.scenario import ScenarioHook

    methods = [*vars(AssetArchiveHook).items(), *vars(ScenarioHook).items()]
    ours = {
        name
        for name, one in methods
        if name[0] != "_" and (inspect.isfunction(one) or isinstance(one, classmethod))
    }
    assert ours == TYPED | set(HOOK)


@pytest.mark.parametrize(
    ("method", "name"), [(method, name) for method, row in HOOK.items() for name in row]
)
def test_a_wrong_argument_of_a_hook_is_named_before_the_vendor_is_asked(
    method, name, closed
) -> None:
    hook = AssetArchiveHook.for_conn("scenario")
    for value in HOOK[method][name]:

        def call(value=value) -> object:
            found = getattr(hook, method)(**{name: value})
            return list(found) if method == "list_items" else found

        assert (value, refusal(call, name)) == (value, "")
    assert closed.asked == []


COMMANDS = {
    "--conn-id": ("", " ", "no_such_connection"),
    "--destination": ("", " ", "abc", "s3://", "file://host/a"),
    "--window": (
        ("", ""),
        ("abc", "-"),
        ("-", "abc"),
        ("2026-01-10", "2026-01-09"),
        ("-", "-0001"),
    ),
    "--select": (
        "abc",
        "5",
        "[]",
        '"a"',
        "NaN",
        '{"unknown": 1}',
        '{"modelId": []}',
        '{"by": "x"}',
    ),
    "--period": ("", "abc", "DAY"),
    "--verify": ("", "abc", "MANIFEST"),
    "--report": ("", "/no/such/folder/report.json", "/"),
    "--json": (),  # takes no value
}


def test_every_option_of_a_command_has_a_row() -> None:
    flags = {option.flag for command in cli.COMMANDS for option in command.options}
    assert flags == set(COMMANDS)


@pytest.mark.parametrize("command", cli.COMMANDS, ids=lambda command: command.name)
def test_a_wrong_option_ends_a_command_with_2_before_the_vendor_is_asked(
    command, closed, tmp_path, capsys, monkeypatch
) -> None:
    monkeypatch.setenv("_AIRFLOW_PROCESS_CONTEXT", "server")  # else the command leaves it set
    flags = {option.flag for option in command.options}
    given = {"--conn-id": ("scenario",), "--destination": (f"file://{tmp_path}",)}
    for flag in flags:
        for value in COMMANDS[flag]:
            words = {**given, flag: value if isinstance(value, tuple) else (value,)}
            line = [word for name in words if name in flags for word in (name, *words[name])]
            try:
                code = cli.main([command.name, *line])
            except SystemExit as end:  # argparse's own
                code = end.code
            told = capsys.readouterr().err
            assert (code, flag, value) == (2, flag, value), told
            bare = flag.strip("-")
            assert any(word in told for word in (bare, bare.replace("-", "_"))), told
    assert closed.asked == []


def test_numbers_of_cases(figure) -> None:
    tables = (
        *WRONG.values(),
        *SELECT.values(),
        *OPTIONS.values(),
        *HOOK.values(),
        EVENT,
        EXPORT,
        COMMANDS,
    )
    arguments = sum(map(len, tables))
    cases = sum(len(values) for row in tables for values in row.values())
    cases += sum(len(IDS) for one in BUILT_IN for _ in vendor_class(one).spec.kinds)
    figure(
        f"arguments: {arguments} arguments, {cases} wrong values, each named before the vendor was asked"
    )
    assert cases > 1_000
