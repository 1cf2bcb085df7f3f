"""Canaries: what may not be seen is looked for wherever a run leaves something."""

from __future__ import annotations

import base64
import json
import os
import re
import traceback
from pathlib import Path

import airflow.sdk.definitions.dag as dag_runner
import pytest
from airflow.sdk import Asset, AssetAlias
from airflow_runs import connect
from exported import CONN, archive, arm, export
from servers import S3Server

from airflow_provider_assets.exports import asset_export
from airflow_provider_assets.hooks.base import AssetArchiveHook
from airflow_provider_assets.landing import LandingOptions
from airflow_provider_assets.sandbox import running
from airflow_provider_assets.sansio.jobs import ArchiveReference

pytestmark = pytest.mark.airflow
# The sandbox signs its links as CloudFront does; the query is the secret.
SIGNED = re.compile(rb"(?:Signature|Policy)=(?!\*)[\w~-]{8,}")


@pytest.fixture
def triggers(monkeypatch):
    """Rows and events of the triggers that run."""
    seen = []
    inner = dag_runner._run_inline_trigger

    def run(trigger, ti):
        event = inner(trigger, ti)
        seen.append(json.dumps([trigger.serialize(), event and event.payload], default=repr))
        return event

    monkeypatch.setattr(dag_runner, "_run_inline_trigger", run)
    return seen


@pytest.fixture
def secrets(sandbox, s3_server: S3Server):
    connection = sandbox.scenario["connection"]
    pair = f"{connection['login']}:{connection['password']}"
    return [
        connection["login"],
        connection["password"],
        base64.b64encode(pair.encode()).decode(),
        s3_server.secret_key,
    ]


def home() -> bytes:
    """Database and logs, as they are on the disk."""
    files = [path for path in Path(os.environ["AIRFLOW_HOME"]).rglob("*") if path.is_file()]
    return b"".join(path.read_bytes() for path in files if path.name != "airflow.cfg")


def leaks(haystack: bytes, secrets) -> list[str]:
    found = [secret for secret in secrets if secret.encode() in haystack]
    return found + [match.decode() for match in SIGNED.findall(haystack)]


def signed_link(reference) -> str:
    hook = AssetArchiveHook.for_conn(CONN)
    typed = ArchiveReference.from_dict(reference)
    return hook.link(typed, hook.files(typed)[0]).url


def told(run) -> str:
    """Every exception of a run as it would be printed, causes and all."""
    return "\n".join("".join(traceback.format_exception(one.error)) for one in run.tries)


@pytest.fixture
def printed(capfd, caplog):
    """What was logged, at every level, and printed since the last call."""
    caplog.set_level("DEBUG")

    def take() -> str:
        # Amazon's library tells its own signatures when it debugs; they are none of ours.
        logged = [r.getMessage() for r in caplog.records if not r.name.startswith("botocore")]
        caplog.clear()
        return "\n".join([*logged, *capfd.readouterr()])

    return take


def test_a_run_that_goes_well_leaves_no_secret(airflow, s3, secrets, triggers, printed):
    outlets = [Asset("https://exports.test/canary"), AssetAlias("canaries")]
    run = airflow(
        export("s3://s3_test@exports/canary/", deferrable=True, landing_args={"outlets": outlets})
    )
    assert run.state == "success", run.tries
    (reference,) = run.result("export.archive")
    job_id = reference["job"]["job_id"]
    assert leaks(signed_link(reference).encode(), []), "the pattern knows a signed link"
    for name, haystack in {
        "log": printed().encode(),
        "database and files": home(),
        "triggers": "".join(triggers).encode(),
        "manifests": b"".join(data for key, data in s3().items() if key.endswith(".json")),
        "events": json.dumps(run.events()).encode(),
    }.items():
        assert job_id.encode() in haystack, f"{name}: nothing of this run is here to be found"
        assert leaks(haystack, secrets) == [], name


FAULTS = [
    "poll:401,after=1",
    "poll:500html,after=1",
    "poll:reset,after=1",
    "submit:429,retry_after=99",
    "submit:redirect",
    "scenario.poll_download:500html",
    "scenario.poll_download:redirect",
    "download:expired",
    "download:redirect",
    "download:500html",
    "download:reset@0",
    "download:corrupt@900",
]


@pytest.fixture
def failing(airflow, sandbox, folder, monkeypatch):
    """A failed run, by fault."""
    monkeypatch.setitem(LandingOptions.__init__.__kwdefaults__, "attempts", 2)
    dag = airflow.dag(export(folder.as_uri(), deferrable=True))

    def run(fault):
        sandbox.reset()
        arm(sandbox, fault)
        return airflow.run(dag)

    return run


@pytest.mark.long
def test_no_failure_tells_a_secret(failing, secrets, triggers, printed):
    for fault in FAULTS:
        run = failing(fault)
        assert run.state == "failed", fault
        haystack = told(run) + "".join(triggers) + printed()
        assert type(run.error).__name__ in haystack
        assert leaks(haystack.encode(), secrets) == [], fault
    assert leaks(home(), secrets) == []


# --- the other vendors ---

TOKEN = re.compile(rb"MII[\w-]{200,}")  # a token of the sandbox's IAM


@pytest.fixture(scope="module")
def others():
    with running("--items", "12", "--job-seconds", "0.2") as sandbox:
        yield sandbox


@pytest.fixture(params=["topaz", "roma", "roma by token"])
def other(request, others, monkeypatch):
    """An export's arguments, and the secrets of its connection."""
    others.reset()
    name, _, token = request.param.partition(" by ")
    part = getattr(others, name)
    connection = part["token_connection" if token else "connection"]
    connect(monkeypatch, "other_canary", connection)
    listed = others.items("topaz")
    kept = [one["id"] for one in listed if one["kept"] and one["status"] == "Completed"]
    items = {"process_ids": kept[:3]} if name == "topaz" else {"apps": part["apps"][:3]}
    return {"conn_id": "other_canary", "items": items}, [connection["password"]]


def other_export(folder, arguments, **more):
    where = {"destination": folder.as_uri(), "deferrable": True, "poll_interval": 0.1}
    return lambda: asset_export("export", **arguments, **more, **where)


def test_a_run_of_any_vendor_leaves_no_secret(airflow, other, folder, triggers, printed):
    arguments, secrets = other
    run = airflow(other_export(folder, arguments))
    assert run.state == "success", run.tries
    reference = ArchiveReference.from_dict(run.result("export.archive")[0])
    hook = AssetArchiveHook.for_conn("other_canary")
    if hook.conn_type == "topaz":
        assert leaks(hook.link(reference, hook.files(reference)[0]).url.encode(), [])
    for name, haystack in {
        "log": printed().encode(),
        "database and files": home(),
        "triggers": "".join(triggers or [reference.job.job_id]).encode(),  # Topaz had ended already
        "manifests": b"".join(path.read_bytes() for path in folder.rglob("*.json")),
    }.items():
        assert reference.job.job_id.encode() in haystack, f"{name}: nothing of this run is here"
        assert leaks(haystack, secrets) + TOKEN.findall(haystack) == [], name


DOWNLOAD_FAULTS = ["download:500html", "download:redirect", "download:reset@0"]
OTHER_FAULTS = {
    "topaz": ["bulk_poll:redirect", "link:403", *DOWNLOAD_FAULTS],
    "roma": ["poll:401,after=1", "roma.download:403", *DOWNLOAD_FAULTS],
}
OTHER_FAULTS["roma by token"] = ["auth:403", *OTHER_FAULTS["roma"]]


@pytest.mark.long
def test_no_failure_of_any_vendor_tells_a_secret(
    airflow, request, other, others, folder, triggers, printed, monkeypatch
):
    monkeypatch.setitem(LandingOptions.__init__.__kwdefaults__, "attempts", 2)
    arguments, secrets = other
    faults = OTHER_FAULTS[request.node.callspec.params["other"]]
    dag = airflow.dag(other_export(folder, arguments, landing_args={"max_reexports": 0}))
    for number, fault in enumerate(faults, 1):
        others.reset()
        arm(others, fault)
        run = airflow.run(dag, f"2026-01-{number:02}")
        assert run.state == "failed", fault
        haystack = (told(run) + "".join(triggers) + printed()).encode()
        assert b"export.archive" in haystack, "nothing of this run is here to be found"
        assert leaks(haystack, secrets) + TOKEN.findall(haystack) == [], fault
    at_last = home()
    assert dag.dag_id.encode() in at_last, "nothing of these runs is here to be found"
    assert leaks(at_last, secrets) + TOKEN.findall(at_last) == []


def test_a_connection_is_never_shown_whole(airflow, sandbox, secrets):
    operator = archive()
    vendor = operator.hook.vendor
    seen = repr([operator, operator.hook, vendor, vendor.connection, vars(operator.hook)])
    assert leaks(seen.encode(), secrets) == []
