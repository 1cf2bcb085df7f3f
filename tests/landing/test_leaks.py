"""The check for leaks that every test of landings has."""

from __future__ import annotations

import threading
from http.client import HTTPConnection

import leaks
import pytest
from origin import http_origin


@pytest.fixture(autouse=True)
def impatient(monkeypatch):
    monkeypatch.setattr(leaks, "_GRACE", 0.05)


def test_a_thread_that_is_left_is_found(tmp_path):
    done = threading.Event()
    thread = threading.Thread(target=done.wait, args=(10,))
    with pytest.raises(AssertionError, match="left behind"), leaks.nothing_leaks(tmp_path, set()):
        thread.start()
    done.set()
    thread.join()


def test_a_file_that_is_left_open_is_found(tmp_path):
    opened = []
    with pytest.raises(AssertionError, match="part"), leaks.nothing_leaks(tmp_path, set()):
        opened.append((tmp_path / "part").open("wb"))
    opened[0].close()


def test_a_connection_that_is_left_open_is_found(tmp_path):
    with http_origin() as origin:
        address = origin.url.removeprefix("http://")
        connection = HTTPConnection(address)
        check = leaks.nothing_leaks(tmp_path, {int(address.partition(":")[2])})
        with pytest.raises(AssertionError, match="connection"), check:
            connection.request("GET", "/nothing")
        connection.getresponse().close()
        connection.close()


def test_what_was_closed_is_no_leak(tmp_path):
    with leaks.nothing_leaks(tmp_path, set()):
        thread = threading.Thread(target=lambda: (tmp_path / "part").write_bytes(b""))
        thread.start()
        thread.join()
