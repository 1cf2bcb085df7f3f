"""The command: its ready line, and that it stops."""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import signal
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime, timedelta, timezone
from pathlib import Path

import requests
from sandbox_calls import submit

from airflow_provider_assets import sandbox as package
from airflow_provider_assets.sandbox import running

COMMAND = [sys.executable, "-m", "airflow_provider_assets.sandbox", "--vendor", "scenario"]


@contextlib.contextmanager
def launched(*arguments, **how):
    """A sandbox and its ready line; it is killed if the test leaves it running."""
    with subprocess.Popen(
        [*COMMAND, "--json", *arguments], stdout=subprocess.PIPE, text=True, **how
    ) as process:
        try:
            yield process, json.loads(process.stdout.readline())
        finally:
            if process.poll() is None:
                process.kill()


def test_the_ready_line_says_where_everything_is():
    with launched() as (process, ready):
        connection = ready["scenario"]["connection"]
        assert connection["extra"]["base_url"] == ready["scenario"]["base_url"]
        login = (connection["login"], connection["password"])
        assert requests.get(ready["scenario"]["base_url"] + "/assets", auth=login, timeout=5).ok
        assert requests.get(ready["stats_url"], timeout=5).json()["totals"]["listings"] == 1
        assert "Sandbox" in requests.get(ready["page_url"], timeout=5).text
        process.terminate()
        assert process.wait(10) == 0


def test_it_prints_commands_that_give_a_shell_its_connections():
    command = [*COMMAND, "--vendor", "all", "--follow-stdin"]
    with subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as process:
        lines = [process.stdout.readline() for _ in range(5)]
        found = subprocess.run(
            ["sh", "-c", "".join(lines) + "env"], capture_output=True, text=True, check=True
        )
        given = dict(line.split("=", 1) for line in found.stdout.splitlines() if "=" in line)
        for kind in ("scenario", "topaz", "huawei_roma"):
            connection = json.loads(given[f"AIRFLOW_CONN_{kind.upper()}_DEFAULT"])
            assert connection["conn_type"] == kind
            assert connection["extra"]["base_url"].startswith("http://127.0.0.1:")
        assert requests.get(lines[3].removeprefix("# page: ").strip(), timeout=5).ok
        process.stdin.close()
        assert process.wait(10) == 0


def test_one_process_serves_all_vendors():
    with running("--items", "4") as sandbox:
        kinds = [
            part["connection"]["conn_type"]
            for part in (sandbox.scenario, sandbox.topaz, sandbox.roma)
        ]
        assert kinds == ["scenario", "topaz", "huawei_roma"]
        assert len(sandbox.roma["apps"] + sandbox.roma["tasks"]) == 4


def test_with_a_certificate_everything_is_served_over_https(trusted, monkeypatch):
    monkeypatch.setenv("SSL_CERT_FILE", str(trusted.authority))  # for the admin client
    files = ("--tls-chain", str(trusted.chain), "--tls-key", str(trusted.key))
    yesterday = (datetime.now(timezone.utc) - timedelta(days=1)).date()
    with running("--vendor", "topaz", *files, "--items", "0", "--day", f"{yesterday}=1") as sandbox:
        base = sandbox.topaz["base_url"]
        assert str(base).startswith("https://")
        [item] = sandbox.items("topaz")
        headers = {"X-API-Key": sandbox.topaz["connection"]["password"]}
        link = requests.get(f"{base}/download/{item['id']}", headers=headers, timeout=5).json()
        assert link["download_url"].startswith("https://localhost:")
        assert requests.get(link["download_url"], timeout=5).ok


def test_it_stops_when_its_standard_input_closes():
    with launched("--follow-stdin", stdin=subprocess.PIPE) as (process, _):
        process.stdin.close()
        assert process.wait(10) == 0


def test_it_stops_on_an_interrupt_even_with_a_request_in_flight():
    with launched("--fault", "list:hang") as (process, ready):
        connection = ready["scenario"]["connection"]
        login = (connection["login"], connection["password"])
        url = ready["scenario"]["base_url"] + "/assets"
        with ThreadPoolExecutor(1) as pool:
            asked = pool.submit(requests.get, url, auth=login, timeout=30)
            while not requests.get(ready["stats_url"], timeout=5).json()["totals"]["listings"]:
                time.sleep(0.02)
            process.send_signal(signal.SIGINT)
            assert process.wait(10) == 0
            assert isinstance(asked.exception(), requests.ConnectionError)


def test_archives_stay_in_the_given_folder(tmp_path):
    with running("--vendor", "scenario", "--state-dir", str(tmp_path / "kept")) as sandbox:
        job = submit(sandbox, [sandbox.items("scenario")[0]["id"]]).json()["jobId"]
        archive = sandbox.archive(job)
    (kept,) = (path for path in tmp_path.rglob("*") if path.is_file())
    assert kept.is_relative_to(tmp_path / "kept")
    assert kept.stat().st_size == archive["bytes"]


def test_it_runs_without_the_rest_of_the_provider(tmp_path):
    alone = tmp_path / "airflow_provider_assets"
    shutil.copytree(Path(package.__file__).parent, alone / "sandbox")
    (alone / "__init__.py").touch()
    environment = os.environ | {"PYTHONPATH": str(tmp_path)}
    with launched("--vendor", "all", cwd=tmp_path, env=environment) as (process, ready):
        process.terminate()
        assert process.wait(10) == 0
    assert {"scenario", "topaz", "roma"} <= set(ready)


def test_nonsense_on_the_command_line_is_refused():
    done = subprocess.run([*COMMAND, "--fault", "x"], capture_output=True, text=True, check=False)
    assert done.returncode == 2
    assert "fault" in done.stderr
