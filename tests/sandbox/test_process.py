"""The command: its ready line, and that it stops."""

from __future__ import annotations

import json
import signal
import subprocess
import sys

import requests

from airflow_provider_assets.sandbox import running

COMMAND = [sys.executable, "-m", "airflow_provider_assets.sandbox", "--vendor", "scenario"]


def launched(*arguments, **how):
    process = subprocess.Popen([*COMMAND, *arguments], stdout=subprocess.PIPE, text=True, **how)
    return process, json.loads(process.stdout.readline())


def test_the_ready_line_says_where_everything_is():
    process, ready = launched()
    try:
        connection = ready["scenario"]["connection"]
        assert connection["extra"]["base_url"] == ready["scenario"]["base_url"]
        login = (connection["login"], connection["password"])
        assert requests.get(ready["scenario"]["base_url"] + "/assets", auth=login, timeout=5).ok
        assert requests.get(ready["stats_url"], timeout=5).json()["totals"]["listings"] == 1
        assert "Sandbox" in requests.get(ready["admin_url"].rsplit("/", 1)[0], timeout=5).text
    finally:
        process.terminate()
        assert process.wait(10) == 0


def test_all_vendors_are_served_side_by_side():
    with running("--items", "4") as sandbox:
        kinds = [
            part["connection"]["conn_type"]
            for part in (sandbox.scenario, sandbox.topaz, sandbox.roma)
        ]
        assert kinds == ["scenario", "topaz", "huawei_roma"]
        assert len(sandbox.roma["apps"] + sandbox.roma["tasks"]) == 4


def test_it_stops_when_its_standard_input_closes():
    process, _ = launched("--follow-stdin", stdin=subprocess.PIPE)
    process.stdin.close()
    assert process.wait(10) == 0


def test_it_stops_on_an_interrupt_even_with_a_request_in_flight():
    process, ready = launched("--fault", "list:hang")
    url = ready["scenario"]["base_url"] + "/assets"
    with subprocess.Popen(
        [sys.executable, "-c", f"import urllib.request; urllib.request.urlopen({url!r})"],
        stderr=subprocess.DEVNULL,
    ):
        process.send_signal(signal.SIGINT)
        assert process.wait(10) == 0


def test_archives_stay_in_the_given_folder_and_nowhere_else(tmp_path):
    process, _ = launched("--state-dir", str(tmp_path / "kept"))
    process.terminate()
    process.wait(10)
    assert (tmp_path / "kept").is_dir()


def test_nonsense_on_the_command_line_is_refused():
    done = subprocess.run([*COMMAND, "--fault", "x"], capture_output=True, text=True, check=False)
    assert done.returncode == 2
    assert "fault" in done.stderr
