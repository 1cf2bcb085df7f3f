"""The commands, as ``python -m airflow_provider_assets`` and as ``airflow asset-archives``."""

from __future__ import annotations

import json
import os
import sqlite3
import subprocess
import sys
from contextlib import closing

import pytest
from airflow.cli.cli_parser import get_parser
from airflow_runs import connect
from exported import CONN, export
from installation import needs_installation

from airflow_provider_assets.airflow_compat import VERSION
from airflow_provider_assets.cli import COMMANDS, airflow_commands, main
from airflow_provider_assets.listing import estimate
from airflow_provider_assets.sandbox import running

pytestmark = pytest.mark.airflow
needs_commands_of_providers = pytest.mark.skipif(
    VERSION < (3, 2), reason="Airflow takes commands of providers from 3.2 on"
)
WINDOW = ["--window", "2026-01-04", "2026-01-06"]


@pytest.fixture(autouse=True)
def _process(monkeypatch):
    monkeypatch.setenv("_AIRFLOW_PROCESS_CONTEXT", "server")


@pytest.fixture
def vendor(monkeypatch):
    days = ("--day", "2026-01-04=1003", "--day", "2026-01-05=4")
    flags = ("--items", "0", "--job-seconds", "0.1", "--item-bytes", "200")
    with running("--vendor", "scenario", *flags, *days) as sandbox:
        connect(monkeypatch, CONN, sandbox.scenario["connection"])
        yield sandbox


@pytest.fixture
def landed(airflow, vendor, tmp_path):
    """The folder into which the second day has landed."""
    folder = tmp_path / "landed"
    run = airflow(export(folder.as_uri()), run={"logical_date": "2026-01-06"})
    assert run.state == "success", run.tries
    return folder


def out(capsys, *words):
    """Exit code and standard output of a command."""
    code = main(words)
    return code, capsys.readouterr().out


def test_a_plan_counts_and_submits_nothing(vendor, capsys):
    code, text = out(capsys, "plan", "--conn-id", CONN, *WINDOW)
    assert code == 0
    lines = [line.split() for line in text.splitlines()]
    assert lines[0] == ["period", "items", "pending", "batches", "bytes"]
    assert [line[:4] for line in lines[1:3]] == [
        ["2026-01-04", "1003", "0", "2"],
        ["2026-01-05", "4", "0", "1"],
    ]
    assert lines[3][:5] == ["at", "once", "1007", "0", "2"]
    sizes = [int(line[-1]) for line in lines[1:]]
    assert sizes[0] + sizes[1] == sizes[2]
    served = vendor.stats()["totals"]
    assert served["submits"] == 0


def test_json_is_all_that_is_printed(vendor, tmp_path):
    """A process of its own, since Airflow logs where it likes."""
    options = ["--conn-id", CONN, "--select", '{"types": ["upscale"]}', "--json"]
    command = [sys.executable, "-m", "airflow_provider_assets", "plan", *options]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    data = json.loads(done.stdout)
    assert (data["vendor"], data["window"]) == ("scenario", None)
    assert 0 < data["totals"]["items"] < 1007


def test_json_is_all_that_is_printed_where_hooks_of_other_providers_log(s3_server, database):
    s3_server.client_of("checked").put_object(Bucket="checked", Key="a.manifest.json", Body=b"[]")
    extra = {"endpoint_url": s3_server.endpoint, "region_name": "us-east-1"}
    keys = {"login": s3_server.access_key, "password": s3_server.secret_key}
    connection = json.dumps({"conn_type": "aws", **keys, "extra": extra})
    words = ["verify", "--destination", "s3://store@checked/", "--json"]
    done = subprocess.run(
        [sys.executable, "-m", "airflow_provider_assets", *words],
        capture_output=True,
        text=True,
        check=False,
        env={
            **os.environ,
            "AIRFLOW_CONN_STORE": connection,
            "AIRFLOW__LOGGING__LOGGING_LEVEL": "INFO",
        },
    )
    assert "AWS Connection" in done.stderr, done.stderr
    assert len(json.loads(done.stdout)["problems"]) == 1


@pytest.mark.parametrize("command", ["verify", "report"])
def test_a_destination_below_which_nothing_has_landed_is_an_error(
    database, tmp_path, capsys, command
):
    assert main([command, "--destination", (tmp_path / "typo").as_uri()]) == 2
    assert "nothing has landed below" in capsys.readouterr().err


def test_a_bound_may_be_left_open(vendor, capsys):
    def plan(*window):
        options = ["--conn-id", CONN, "--json", "--period", "year", "--window", *window]
        code, text = out(capsys, "plan", *options)
        assert code == 0
        found = json.loads(text)
        return {name: row["items"] for name, row in found["periods"].items() if row["items"]}

    assert plan("-", "2026-01-05") == {"all": 1003}
    assert plan("2026-01-05", "-") == {"2026": 4}
    assert plan("-", "-") == {"all": 1007}


def test_json_has_every_period_and_every_problem(vendor, capsys, tmp_path):
    for number in range(12):
        (tmp_path / f"{number}.manifest.json").write_text("[]")
    options = ["--conn-id", CONN, "--window", "2025-11-01", "2026-02-01", "--json"]
    code, text = out(capsys, "plan", *options)
    assert (code, len(json.loads(text)["periods"])) == (0, 92)
    code, text = out(capsys, "reconcile", *options, "--destination", tmp_path.as_uri())
    found = json.loads(text)
    assert (code, len(found["periods"]), len(found["problems"])) == (1, 92, 12)


def test_reconciling_verifying_and_reporting(landed, capsys, tmp_path):
    where = ["--destination", landed.as_uri()]
    day = ["--window", "2026-01-05", "2026-01-06T01:00:00+01:00"]
    full = tmp_path / "report.json"
    options = ["--conn-id", CONN, *where, "--report", str(full)]
    code, text = out(capsys, "reconcile", *options, *WINDOW, "--period", "month")
    assert code == 1
    assert text.splitlines()[1].split() == ["2026-01", "1007", "4", "1003", "0", "0", "0"]
    assert len(json.loads(full.read_text())["missing_ids"]["2026-01"]) == 1003
    code, text = out(capsys, "reconcile", *options, *day, "--verify", "bytes", "--json")
    assert (code, json.loads(text)["complete"]) == (0, True)

    assert out(capsys, "verify", *where, "--verify", "bytes")[0] == 0
    code, text = out(capsys, "report", *where)
    assert code == 0
    assert text.splitlines()[1].split()[:5] == ["scenario", "2026-01-05", "1", "4", "4"]

    (archive,) = landed.glob("*.zip")
    archive.write_bytes(archive.read_bytes()[:-1])
    code, text = out(capsys, "verify", *where)
    assert code == 1
    assert "bytes instead of" in text.splitlines()[-1]
    assert out(capsys, "report", *where)[0] == 0
    code, text = out(capsys, "verify", *where, "--json")
    assert (code, json.loads(text)["intact"]) == (1, False)
    code, text = out(capsys, "reconcile", *options, *day, "--verify", "sizes")
    assert code == 1
    assert text.splitlines()[1].split() == ["2026-01-05", "4", "0", "0", "0", "4", "0"]


def test_named_items_and_unreadable_manifests_are_in_the_report(landed, capsys):
    (manifest,) = landed.glob("*.manifest.json")
    data = json.loads(manifest.read_text())
    data["facts"]["window"] = None
    manifest.write_text(json.dumps(data))
    (landed / "other.manifest.json").write_text("[]")
    code, text = out(capsys, "report", "--destination", landed.as_uri())
    assert code == 1
    assert "scenario without a window" in text
    assert "other.manifest.json: the manifest cannot be read" in text


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--conn-id", "nobody"], "AirflowNotFoundException"),
        (["--conn-id", CONN, "--select", "{"], "--select is not JSON"),
        (["--conn-id", CONN, "--select", "[1]"], "select: expected a mapping"),
        (["--conn-id", CONN, "--window", "2026-01-01", "now"], "'now' is not an ISO 8601 date"),
        (["--conn-id", CONN, "--window", "2026-01-02", "2026-01-01"], "start must be before end"),
    ],
)
def test_an_error_is_one_line_and_the_exit_code_2(database, vendor, capsys, words, said):
    assert main(["plan", *words]) == 2
    (line,) = [one for one in capsys.readouterr().err.splitlines() if said in one]
    assert line


def test_an_unexpected_error_is_not_taken_for_gaps(database, capsys, caplog, monkeypatch):
    def broken(*_: object) -> None:
        raise ZeroDivisionError("by a bug")

    monkeypatch.setattr("airflow_provider_assets.destinations.open_destination", broken)
    caplog.set_level("DEBUG", "airflow_provider_assets.cli")
    assert main(["verify", "--destination", "file:///a"]) == 2
    assert capsys.readouterr().err.splitlines()[-1] == "ZeroDivisionError: by a bug"
    (logged,) = (one for one in caplog.records if one.exc_info)
    assert logged.exc_info[0] is ZeroDivisionError


def test_a_report_that_cannot_be_written_leaves_the_result_on_the_terminal(
    database, vendor, tmp_path, capsys, monkeypatch
):
    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("pathlib.Path.write_bytes", full)
    options = ["--conn-id", CONN, "--destination", tmp_path.as_uri(), *WINDOW]
    assert main(["reconcile", *options, "--report", str(tmp_path / "r.json")]) == 2
    printed = capsys.readouterr()
    assert printed.out.splitlines()[-1].split()[:2] == ["total", "1007"]
    assert "No space left" in printed.err.splitlines()[-1]


def test_airflow_is_told_of_every_command():
    (group,) = airflow_commands()
    assert [one.name for one in group.subcommands] == [one.name for one in COMMANDS]
    assert all(one.help.endswith(".") for one in group.subcommands)


@needs_installation
@needs_commands_of_providers
def test_airflow_parses_the_commands(vendor, capsys):
    words = ["asset-archives", "plan", "--conn-id", CONN, *WINDOW, "--period", "year"]
    arguments = get_parser().parse_args(words)
    assert arguments.func(arguments) is None
    assert capsys.readouterr().out.splitlines()[1].split()[:2] == ["2026", "1007"]
    words[-1:] = ["day", "--select", "{"]
    arguments = get_parser().parse_args(words)
    with pytest.raises(SystemExit) as ended:
        arguments.func(arguments)
    assert ended.value.code == 2


@needs_installation
@needs_commands_of_providers
@pytest.mark.slow
@pytest.mark.long
def test_the_airflow_command_lists_the_commands_and_reads_connections_of_its_database(
    database, vendor, tmp_path
):
    # A copy of the database, since other tests look through the shared one for secrets.
    shared, own = os.environ["AIRFLOW_HOME"] + "/airflow.db", tmp_path / "airflow.db"
    with closing(sqlite3.connect(shared)) as source, closing(sqlite3.connect(own)) as target:
        source.backup(target)
    environment = {**os.environ, "AIRFLOW__DATABASE__SQL_ALCHEMY_CONN": f"sqlite:///{own}"}

    def run(*words):
        command = [sys.executable, "-m", "airflow", *words]
        return subprocess.run(command, capture_output=True, text=True, check=False, env=environment)

    done = run("asset-archives", "--help")
    assert all(f"    {one.name}" in done.stdout for one in COMMANDS)
    connection = json.dumps(vendor.scenario["connection"])
    assert run("connections", "add", "in_the_database", "--conn-json", connection).returncode == 0
    done = run("asset-archives", "plan", "--conn-id", "in_the_database", *WINDOW, "--json")
    assert json.loads(done.stdout)["totals"]["items"] == 1007


def test_a_dry_run_logs_a_plan_and_lands_nothing(airflow, vendor, tmp_path, capfd):
    folder = tmp_path / "landed"
    run = airflow(export(folder.as_uri(), dry_run=True), run={"logical_date": "2026-01-05"})
    assert run.state == "success", run.tries
    assert run.states == {"export.archive": "success", "export.land": "skipped"}
    assert run.result("export.archive") == []
    archive = next(ti for ti in run.instances() if ti.task_id == "export.archive")
    plan = archive.xcom_pull(task_ids="export.archive", key="plan")
    assert plan["totals"]["batches"] == 2
    assert plan["periods"]["2026-01-04"]["items"] == 1003
    assert plan["totals"]["bytes"] > 0
    assert "Dry run: nothing is submitted" in capfd.readouterr().out
    assert vendor.stats()["totals"]["submits"] == 0
    assert not folder.exists()


def test_a_plan_in_xcom_stays_small(airflow, vendor, tmp_path, monkeypatch):
    monkeypatch.setattr(estimate, "MAX_ROWS", 1)
    window = ("2025-12-31T00:00:00Z", "2026-01-06T00:00:00Z")
    run = airflow(export(tmp_path.as_uri(), dry_run=True, window=window))
    (archive, _) = run.instances()
    plan = archive.xcom_pull(task_ids="export.archive", key="plan")
    assert [*plan["periods"]] == ["2025"]
    assert plan["totals"]["items"] == 1007


def test_a_dry_run_of_named_items_counts_them(airflow, vendor, tmp_path):
    ids = [one["id"] for one in vendor.items("scenario", start="2026-01-05", end="2026-01-05~")]
    arguments = {"dry_run": True, "items": {"asset_ids": ids}}
    run = airflow(export(tmp_path.as_uri(), **arguments))
    (archive, _) = run.instances()
    plan = archive.xcom_pull(task_ids="export.archive", key="plan")
    assert plan["periods"] == {"all": {"items": 4, "pending": 0, "batches": 1, "bytes": None}}
