"""Canaries: what may not be seen is looked for wherever a run leaves something, with all masks taken off."""

from __future__ import annotations

import asyncio
import base64
import json
import logging
import os
import pickle
import signal
import sqlite3
import subprocess
import sys
from contextlib import closing
from dataclasses import replace
from datetime import datetime, timezone
from pathlib import Path
from urllib.parse import quote

import airflow.sdk.definitions.dag as dag_runner
import pytest
import tenacity
from airflow.providers.amazon.aws.hooks.s3 import S3Hook
from airflow.sdk import Asset, AssetAlias, task
from airflow.sdk.bases.operator import BaseOperator
from airflow_runs import connect
from canary_kit import Canaries, Planted, forms, home, telling, told, without_masks
from exported import arm

from airflow_provider_assets.airflow_compat import AIRFLOW_V_3_3_PLUS, task_state_store
from airflow_provider_assets.cli import main
from airflow_provider_assets.exports import asset_export, land
from airflow_provider_assets.hooks.base import AssetArchiveHook
from airflow_provider_assets.hooks.client import AsyncClient
from airflow_provider_assets.landing import LandingOptions, LocalStore, Source, engine
from airflow_provider_assets.landing.cancel import CancelToken
from airflow_provider_assets.landing.source.connections import Connections
from airflow_provider_assets.landing.source.download import Download
from airflow_provider_assets.network import retries
from airflow_provider_assets.operators.archive import AssetArchiveOperator
from airflow_provider_assets.operators.reconcile import AssetReconcileOperator
from airflow_provider_assets.sandbox import running
from airflow_provider_assets.sansio.downloads import ArchiveFile, Link
from airflow_provider_assets.sansio.errors import AssetsError, to_dict
from airflow_provider_assets.sansio.jobs import (
    ArchiveJob,
    ArchiveReference,
    ArchiveRequest,
    JobState,
)
from airflow_provider_assets.sansio.messages import HttpRequest, HttpResponse
from airflow_provider_assets.sansio.window import Window
from airflow_provider_assets.sensors.archive import AssetArchiveSensor
from airflow_provider_assets.transfers.archive_to_object_storage import (
    ArchiveToObjectStorageOperator,
)
from airflow_provider_assets.triggers.events import AssetArchiveEventTrigger

pytestmark = pytest.mark.airflow
VENDORS = ["scenario", "topaz", "roma", "roma by token"]
by_vendor = pytest.mark.parametrize("vendor", VENDORS, indirect=True)
CONN = "canary"


@pytest.fixture(scope="module")
def sandbox():
    days = ("--day", "2026-01-05=3", "--day", "2026-01-06=5")
    with running("--items", "12", *days, "--job-seconds", "0.2", "--item-bytes", "300") as started:
        yield started


@pytest.fixture
def folder(tmp_path):
    return tmp_path / "landed"


@pytest.fixture
def canaries(monkeypatch, s3_server, figure):
    """What may not be seen, with neither Airflow's masks nor ours to hide it."""
    made = Canaries()
    made.watch(monkeypatch)
    made.add("aws secret key", s3_server.secret_key)
    without_masks(monkeypatch)
    return made


@pytest.fixture
def vendor(request, sandbox, canaries, monkeypatch):
    """An export's arguments."""
    sandbox.reset()
    name, _, token = request.param.partition(" by ")
    part = getattr(sandbox, name)
    connection = part["token_connection" if token else "connection"]
    connect(monkeypatch, CONN, connection)
    canaries.add_connection(connection)
    if name == "scenario":
        return {"conn_id": CONN, "window": ("2026-01-05T00:00Z", "2026-01-07T00:00Z")}
    kept = [one for one in sandbox.items("topaz") if one["kept"] and one["status"] == "Completed"]
    items = (
        {"process_ids": [one["id"] for one in kept[:3]]}
        if name == "topaz"
        else {"apps": part["apps"][:3]}
    )
    return {"conn_id": CONN, "items": items}


@pytest.fixture
def triggers(monkeypatch):
    """Rows and events of the triggers that run, and what a deferred task keeps."""
    seen = []
    inner, defer = dag_runner._run_inline_trigger, BaseOperator.defer

    def run(trigger, ti):
        event = inner(trigger, ti)
        seen.append(json.dumps([trigger.serialize(), event and event.payload], default=repr))
        return event

    def deferring(operator, **how):
        seen.append(json.dumps([operator.task_id, how], default=repr))
        return defer(operator, **how)

    monkeypatch.setattr(dag_runner, "_run_inline_trigger", run)
    monkeypatch.setattr(BaseOperator, "defer", deferring)
    return seen


@pytest.fixture
def printed(capfd, caplog):
    """What was logged at every level by every library, and printed, since the last call."""
    caplog.set_level("DEBUG")
    for name in ("urllib3", "aiohttp", "asyncio", "botocore", "boto3", "requests", "s3transfer"):
        caplog.set_level("DEBUG", name)

    def take() -> str:
        logged = [f"{one.name} {one.getMessage()} {told_by(one)}" for one in caplog.records]
        caplog.clear()
        return "\n".join([*logged, *capfd.readouterr()])

    return take


def told_by(record: logging.LogRecord) -> str:
    error = record.exc_info[1] if record.exc_info else None
    return told([error]) if error else ""


@pytest.fixture
def look(canaries, printed, triggers, lineage, figure):
    """Search all places; each holds one of *signs*, so that it is known to belong to the run."""

    def look(signs, **places):
        everywhere = {"log": printed(), "database and files": home(), **places}
        for name, haystack in everywhere.items():
            data = haystack if isinstance(haystack, bytes) else haystack.encode()
            assert any(sign.encode() in data for sign in signs), f"{name}: nothing of this run"
            assert canaries.found_in(data) == [], name
        figure(f"{canaries.searched:,} bytes searched for {len(canaries.secrets)} secrets")

    return look


@by_vendor
def test_a_run_that_goes_well_leaves_no_secret(
    airflow, s3, vendor, canaries, look, triggers, lineage
):
    outlets = [Asset("https://exports.test/canary"), AssetAlias("canaries")]
    arguments = {"deferrable": True, "poll_interval": 0.1, "report": True, **vendor}
    where = "s3://s3_test@exports/canary/"
    run = airflow(
        lambda: asset_export(
            "export", destination=where, landing_args={"outlets": outlets}, **arguments
        )
    )
    assert run.state == "success", run.tries
    reference = ArchiveReference.from_dict(run.result("export.archive")[0])
    stored = s3()
    look(
        [reference.job.job_id, run.dag_run.dag_id],
        objects=b"".join(stored.values()),
        manifests=b"".join(data for key, data in stored.items() if key.endswith(".manifest.json")),
        triggers="".join(triggers or [reference.job.job_id]),  # Topaz had ended already
        events=json.dumps(run.events()) + reference.job.job_id,
        lineage=lineage.read_text(),
    )


def test_the_search_finds_a_secret_that_is_planted_in_any_place(
    airflow, s3, canaries, printed, triggers, lineage
):
    secret = "plänted+secret/of a test?~"
    canaries.add("planted", secret)
    encoded = [
        base64.b64encode(f"{before}{secret}.".encode()).decode() for before in ("", "a", "ab")
    ]
    spellings = [
        secret,
        quote(secret, safe=""),
        *encoded,
        *(one.replace("+", "-") for one in encoded),
    ]
    written = " ".join(one.replace("/", "_") if "-" in one else one for one in spellings)
    asset = Asset("https://exports.test/planted")

    class Leaking(BaseOperator):
        template_fields = ("text",)

        def __init__(self, text, **more):
            super().__init__(**more)
            self.text = text

        def execute(self, context):
            logging.getLogger("urllib3").debug("GET %s", written)
            context["outlet_events"][asset].extra["key"] = written
            context["ti"].xcom_push("key", written)
            if store := task_state_store(context):
                store.set("key", written)
            self.defer(trigger=Planted(written), method_name="resume", kwargs={"key": written})

        def resume(self, context, event, key=""):
            inner = ValueError(written)
            raise RuntimeError("no secret") from inner

    run = airflow(lambda: Leaking(task_id="leak", text=written, outlets=[asset]))
    assert run.state == "failed"
    S3Hook("s3_test").load_string(written, "canary/planted.json", "exports")
    (failure,) = run.tries
    places = {
        "log": printed(),
        "XComs": column("xcom", "value"),
        "rendered fields": column("rendered_task_instance_fields", "rendered_fields"),
        "triggers": "".join(triggers[1:]),
        "next_kwargs": triggers[0],
        "errors": told([failure.error]),
        "objects": b"".join(s3().values()).decode(),
        "lineage": lineage.read_text(),
        "database": home().decode("latin-1"),
    }
    if AIRFLOW_V_3_3_PLUS:
        places["task state"] = column("task_state_store", "value")
    kinds = {form.replace("as JSON", "raw").split(" after")[0] for form in forms(secret)}
    for name, haystack in places.items():
        found = {one.removeprefix("planted, ") for one in canaries.found_in(haystack.encode())}
        seen = {one.replace("as JSON", "raw").split(" after")[0] for one in found}
        assert kinds - {"form-encoded"} <= seen, name


def column(table: str, name: str) -> str:
    """All of one column of the metadata database."""
    with closing(sqlite3.connect(Path(os.environ["AIRFLOW_HOME"]) / "airflow.db")) as database:
        rows = database.execute(f"SELECT {name} FROM {table}")
        return "\n".join(str(value) for (value,) in rows)


FAULTS = {
    "scenario": [
        ["poll:401,after=1"], ["download:redirect", "submit:500:1"],
        ["poll:500html,after=1"], ["poll:reset,after=1"], ["submit:429,retry_after=99"], ["submit:redirect"],
        ["scenario.poll_download:500html"], ["scenario.poll_download:redirect"], ["download:expired"],
        ["download:500html"], ["download:reset@0"], ["download:corrupt@900"],
    ],
    "topaz": [
        ["link:403"], ["bulk_poll:redirect", "poll:redirect"], ["download:500html"], ["download:redirect"],
        ["download:reset@0"],
    ],
    # A job that is polled lasts for a minute, and a user has one at a time: its fault is the last one.
    "roma": [
        ["roma.download:403"], ["download:redirect"], ["download:500html"], ["download:reset@0"],
    ],
    "roma by token": [["auth:403"], ["roma.download:403"], ["download:redirect"], ["poll:401,after=1"]],
}  # fmt: skip


@by_vendor
def test_no_failure_tells_a_secret(
    airflow, request, vendor, sandbox, folder, canaries, look, triggers, full_form, monkeypatch
):
    monkeypatch.setitem(LandingOptions.__init__.__kwdefaults__, "attempts", 2)
    faults = FAULTS[request.node.callspec.params["vendor"]]
    landing = {"max_reexports": 0} if "roma" in request.node.callspec.params["vendor"] else {}
    arguments = {"deferrable": True, "poll_interval": 0.1, "retries": 1, **vendor}
    where = {"destination": folder.as_uri(), "landing_args": landing}
    dag = airflow.dag(lambda: asset_export("export", **arguments, **where))
    failures = []
    for number, armed in enumerate(faults if full_form else faults[:2], 1):
        sandbox.reset()
        for fault in armed:
            arm(sandbox, fault)
        run = airflow.run(dag, f"2026-01-{number:02}")
        assert run.state == "failed", armed
        failures += [one.error for one in run.tries]
    look([dag.dag_id, *{type(one).__name__ for one in failures}], errors=told(failures))


def everything(folder: Path) -> bytes:
    return b"".join(path.read_bytes() for path in sorted(folder.rglob("*")) if path.is_file())


@pytest.mark.parametrize("vendor", ["scenario"], indirect=True)
def test_the_other_ways_to_export_leave_no_secret(
    airflow, vendor, sandbox, tmp_path, canaries, look, triggers, capfd, monkeypatch
):
    where = (tmp_path / "landed").as_uri()
    sandbox.configure(advance="poll")  # so that the sensor has to wait
    ids = [one["id"] for one in sandbox.items("scenario") if one["exportable"]][:3]

    def build():
        submitted = AssetArchiveOperator(task_id="archive", wait_for_completion=False, **vendor)
        waited = AssetArchiveSensor(
            task_id="wait", archives=submitted.output, deferrable=True, poke_interval=0.1
        )
        landed = ArchiveToObjectStorageOperator.partial(
            task_id="unpack", destination=f"{where}/unpacked/", layout="files"
        ).expand(archive=waited.output)

        @task.asset_archive(conn_id=CONN, poll_interval=0.1, mode="links")
        def chosen():
            return {"items": {"asset_ids": ids}}

        @task
        def one_by_one(references):
            return [land(one, f"{where}/links/", layout="files") for one in references]

        found = chosen()
        waited >> found
        one_by_one(found)
        compared = AssetReconcileOperator(
            task_id="compare",
            conn_id=CONN,
            destination=where,
            window=vendor["window"],
            verify="bytes",
        )
        landed >> compared

    run = airflow(build)
    assert run.states["unpack[0]"] == run.states["one_by_one"] == "success", run.tries
    watched = watch(sandbox, monkeypatch)
    commands = [
        ["plan", "--conn-id", CONN, "--json"],
        [
            "reconcile",
            "--conn-id",
            CONN,
            "--destination",
            where,
            "--window",
            "2026-01-05",
            "2026-01-06",
        ],
        ["verify", "--destination", where, "--verify", "bytes"],
        ["report", "--destination", where],
        ["plan", "--conn-id", "nobody"],
    ]
    monkeypatch.setenv("_AIRFLOW_PROCESS_CONTEXT", "server")
    capfd.readouterr()
    assert [main(words) for words in commands][3:] == [0, 2]
    look(
        [run.dag_run.dag_id, run.result("archive")[0]["job"]["job_id"], "totals", '"window"'],
        commands="\n".join(capfd.readouterr()),
        objects=everything(tmp_path / "landed"),
        errors=told(one.error for one in run.tries) + run.dag_run.dag_id,
        triggers="".join(triggers),
        watcher=watched,
    )


def watch(sandbox, monkeypatch) -> str:
    """What a watcher says of two days, after a look that the vendor refused."""
    moments = iter([datetime(2026, 1, 5, tzinfo=timezone.utc)])
    end = datetime(2026, 1, 7, tzinfo=timezone.utc)
    watcher = AssetArchiveEventTrigger(CONN, poll_interval=0.05)
    monkeypatch.setattr(AssetArchiveEventTrigger, "_settled", lambda _: next(moments, end))
    sandbox.fault("list:401:1")

    async def event():
        events = watcher.run()
        try:
            return await asyncio.wait_for(anext(events), 20)
        finally:
            await events.aclose()

    return json.dumps([watcher.serialize(), asyncio.run(event()).payload]) + repr(watcher)


@pytest.mark.parametrize("vendor", ["scenario"], indirect=True)
def test_a_worker_that_dies_leaves_no_secret(vendor, s3, canaries, look, tmp_path, monkeypatch):
    tests, secrets = Path(__file__).parents[1], tmp_path / "secrets.json"
    rooms = (tests.parent, tests, tests / "airflow", tests / "hostile")
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join(map(str, rooms)))
    program = str(tests / "hostile" / "killed_export.py")
    where = "s3://s3_test@exports/killed/"
    command = [sys.executable, program, CONN, where, *vendor["window"], str(secrets)]
    died = subprocess.run(command, capture_output=True, check=False)
    assert died.returncode == -signal.SIGKILL, died.stderr.decode()[-2000:]
    canaries.secrets |= json.loads(secrets.read_text())
    assert "Signature of a link" in canaries.kinds()
    printed = died.stdout + died.stderr
    look(["export.land", "scenario"], killed=printed, objects=b"scenario" + b"".join(s3().values()))


# --- objects, and servers that tell what they were told ------------------------------------------


@by_vendor
def test_no_object_shows_a_secret(airflow, vendor, folder, canaries, printed, figure):
    run = airflow(lambda: AssetArchiveOperator(task_id="archive", poll_interval=0.1, **vendor))
    hook = AssetArchiveHook.for_conn(CONN)
    reference = ArchiveReference.from_dict(run.result("archive")[0])
    file = hook.files(reference)[0]
    link = hook.link(reference, file)
    source = Source(file, lambda: link)
    connections = Connections(LandingOptions())
    download = Download(source, connections.options, CancelToken())
    if not hook.vendor.spec.single_use:
        download.open(connections, 100)
    operator = AssetArchiveOperator(task_id="archive", **vendor)
    seen = [
        operator, operator.hook, hook, hook.vendor, hook.connection, hook.transport, hook.metrics, reference,
        reference.request, reference.job, file, link, source, download, connections, connections.options,
        AsyncClient(hook.connection), AsyncClient(hook.connection).transport, source.resolve,
        HttpRequest("GET", hook.vendor.base_url, headers=(("X-Api-Key", hook.connection.password),)),
        HttpResponse(200, {"set-cookie": hook.connection.password}, hook.connection.password.encode()),
    ]  # fmt: skip
    texts = [repr(seen), *map(str, seen), pickle.dumps(reference), json.dumps(reference.to_dict())]
    # What debuggers and trackers of errors show of an object: its attributes, by their repr.
    texts += [repr(vars(one)) for one in (operator, hook, operator.hook)]
    connections.close()
    data = b"\n".join(one if isinstance(one, bytes) else one.encode() for one in texts)
    assert reference.job.job_id.encode() in data
    assert canaries.found_in(data + printed().encode()) == []
    figure(f"{canaries.searched:,} bytes searched for {len(canaries.secrets)} secrets")


STATUSES = [200, 302, 400, 401, 403, 404, 409, 422, 429, 500]


def flows_of(vendor, arguments):
    """The flows in which a vendor may refuse something."""
    items = {
        kind: tuple(ids) for kind, ids in arguments.get("items", {"asset_ids": ["asset_1"]}).items()
    }
    window = Window(*(datetime(2026, 1, day, tzinfo=timezone.utc) for day in (5, 6)))
    job = ArchiveJob(
        vendor.spec.name, "job_1", JobState.SUCCEEDED, details={"archive_id": "a"}, submitted_at=1.0
    )
    request = ArchiveRequest(vendor.spec.name, items, vendor.validate(options={}))
    reference = ArchiveReference(CONN, request=request, job=job)
    waiting = replace(job, state=JobState.RUNNING)
    return [
        vendor.check,
        lambda: vendor.submit(request),
        lambda: vendor.poll([waiting]),
        lambda: vendor.expand(items),
        lambda: vendor.select({}, window),
        lambda: vendor.link(reference, ArchiveFile("a", "a")),
    ]


def errors_of(run) -> list[AssetsError]:
    """What *run* raises, or returns as the errors of single jobs."""
    try:
        answer = run()
    except AssetsError as error:
        return [error]
    return (
        [one for one in answer if isinstance(one, AssetsError)] if isinstance(answer, list) else []
    )


def on_a_loop(connection, number, arguments):
    async def run():
        client = AsyncClient(connection)
        try:
            return await client.run(flows_of(client.vendor, arguments)[number]())
        finally:
            await client.close()

    return asyncio.run(run())


@by_vendor
def test_a_vendor_that_repeats_what_it_was_told_is_not_quoted(
    database, vendor, canaries, printed, figure, monkeypatch
):
    monkeypatch.setattr(retries, "_BACKOFF", tenacity.wait_none())
    hook = AssetArchiveHook.for_conn(CONN)
    errors = []
    with telling() as server:
        extra = {**hook.connection.extra, "base_url": f"{server.url}/v1"}
        if hook.connection.conn_type == "huawei_roma":
            extra["iam_url"] = server.url
            if extra.get("auth_type") != "token":
                extra["security_token"] = "canary-of-a-session"
                canaries.add("security token", extra["security_token"])
        hook.connection = replace(hook.connection, extra=extra)
        flows = flows_of(hook.vendor, vendor)
        for server.status in STATUSES:
            for number, flow in enumerate(flows):
                errors += errors_of(lambda flow=flow: hook.run(flow()))
                errors += errors_of(
                    lambda number=number: on_a_loop(hook.connection, number, vendor)
                )
    hook.transport.close()
    assert len(errors) > 2 * len(STATUSES)
    assert "***" in told(errors), "the server has repeated nothing"
    texts = [told(errors), json.dumps([to_dict(one) for one in errors]), printed()]
    assert canaries.found_in("\n".join(texts).encode()) == []
    figure(f"{canaries.searched:,} bytes searched for {len(canaries.secrets)} secrets")


@pytest.mark.parametrize("code", [400, 403, 404, 500])
def test_a_download_host_that_repeats_the_link_is_not_quoted(canaries, printed, tmp_path, code):
    with telling() as server:
        server.status = code
        url = f"{server.url}/a.zip?Signature={'signed+canary/' * 3}&X-Amz-Security-Token={'t0ken' * 9}"
        canaries.add_link(url)
        canaries.add("header of a link", "canary-of-a-header")
        link = Link(url, headers=(("X-Auth-Token", "canary-of-a-header"),))
        options = LandingOptions(attempts=2, jitter=lambda: 0.0)
        source = Source(ArchiveFile("a.zip", "a.zip"), lambda: link)
        errors = errors_of(lambda: engine.land([source], LocalStore(tmp_path), options=options))
    assert errors
    assert canaries.found_in(f"{told(errors)} {printed()}".encode()) == []
