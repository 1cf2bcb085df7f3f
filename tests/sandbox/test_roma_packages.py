"""Packages of ROMA Connect, each of which can be had once."""

from __future__ import annotations

import gzip
import hashlib
import io
import json
import socket
import tarfile
import zipfile
from urllib.parse import urlsplit

import pytest
import requests
from roma_client import Caller, ready

from airflow_provider_assets.sandbox import running


@pytest.fixture(scope="module")
def roma():
    with running("--vendor", "roma", "--items", "240", "--advance", "poll") as sandbox:
        yield sandbox


def test_a_package_is_gone_after_one_download_and_a_new_export_has_another(roma):
    caller = Caller(roma)
    job_id, archive_id = ready(roma)
    body = caller.download(archive_id).content
    assert hashlib.sha256(body).hexdigest() == roma.archive(job_id)["sha256"]
    second = caller.download(archive_id)
    assert (second.status_code, second.json()["error_details"]) == (403, "already downloaded")
    assert roma.stats()["archives"][archive_id] == {"gets": 2, "bytes": len(body)}
    _, another = ready(roma)
    assert another != archive_id
    assert caller.download(another).content == body


def test_a_head_consumes_the_package_as_well(roma):
    _, archive_id = ready(roma)
    assert Caller(roma).download(archive_id, method="HEAD").status_code == 200
    assert Caller(roma).download(archive_id).status_code == 403


def test_nobody_else_can_have_it_and_an_expired_one_is_gone(roma):
    job_id, archive_id = ready(roma)
    other = Caller(roma, access_key="SANDBOXAK2", secret_key="sandbox-sk-2")
    assert other.download(archive_id).status_code == 403
    roma.job(job_id, "expire")
    assert Caller(roma).download(archive_id).status_code == 403


@pytest.mark.parametrize("kind", ["503", "429,retry_after=1", "401", "502html"])
def test_what_fails_before_the_body_leaves_the_package_alone(roma, kind):
    _, archive_id = ready(roma)
    roma.fault(f"download:{kind.replace(',', ':1,', 1) if ',' in kind else kind + ':1'}")
    assert Caller(roma).download(archive_id).status_code >= 400
    assert Caller(roma).download(archive_id).status_code == 200


def test_a_connection_can_drop_before_or_after_the_package_is_spent(roma):
    _, spared = ready(roma)
    roma.fault("download:drop:1")
    with pytest.raises(requests.ConnectionError):
        Caller(roma).download(spared)
    assert Caller(roma).download(spared).status_code == 200
    _, spent = ready(roma)
    roma.fault("download:accept-then-reset:1")
    with pytest.raises(requests.ConnectionError):
        Caller(roma).download(spent)
    assert Caller(roma).download(spent).status_code == 403


@pytest.mark.parametrize("fault", ["reset@100", "truncate@100"])
@pytest.mark.parametrize("framing", ["length", "chunked"])
def test_a_body_that_breaks_is_noticed_and_the_package_is_spent(roma, framing, fault):
    roma.configure(roma_framing=framing)
    _, archive_id = ready(roma)
    roma.fault(f"download:{fault}:1")
    with pytest.raises((requests.ConnectionError, requests.exceptions.ChunkedEncodingError)):
        Caller(roma).download(archive_id)
    assert Caller(roma).download(archive_id).status_code == 403


def test_framings_differ_as_they_should(roma):
    for framing in ("length", "chunked", "close"):
        roma.configure(roma_framing=framing)
        job_id, archive_id = ready(roma)
        reply = Caller(roma).download(archive_id)
        assert hashlib.sha256(reply.content).hexdigest() == roma.archive(job_id)["sha256"]
        assert ("Content-Length" in reply.headers) is (framing == "length")
        assert (reply.headers.get("Transfer-Encoding") == "chunked") is (framing == "chunked")
    assert roma.stats()["routes"]["roma.download"]["statuses"] == {"200": 3}


def test_a_truncated_body_without_a_length_looks_complete(roma):
    roma.configure(roma_framing="close")
    _, archive_id = ready(roma)
    roma.fault("download:truncate@77:1")
    assert len(Caller(roma).download(archive_id).content) == 77


def test_a_client_that_dies_has_spent_the_package(roma):
    roma.configure(item_bytes=3_000_000)
    _, archive_id = ready(roma)
    caller = Caller(roma)
    url = f"{roma.roma['base_url']}{caller.base}/assets/archives/{archive_id}"
    headers = caller.signed("GET", url)
    place = urlsplit(url)
    with socket.create_connection((place.hostname, place.port)) as wire:
        lines = [f"GET {place.path} HTTP/1.1", *(f"{k}: {v}" for k, v in headers.items()), "", ""]
        wire.sendall("\r\n".join(lines).encode())
        assert wire.recv(100).startswith(b"HTTP/1.1 200")
    assert caller.download(archive_id).status_code == 403
    assert roma.stats()["archives"][archive_id]["gets"] == 2


FORMATS = {"tar": "r:", "targz": "r:gz"}


@pytest.mark.parametrize("container", ["zip", "tar", "targz", "gzip", "opaque"])
def test_containers_hold_what_they_are_told_to(roma, container):
    roma.configure(roma_container=container)
    job_id, archive_id = ready(roma)
    body, truth = Caller(roma).download(archive_id).content, roma.archive(job_id)
    names = {one["name"] for one in truth["entries"]}
    if container == "zip":
        assert set(zipfile.ZipFile(io.BytesIO(body)).namelist()) == names
    elif container in FORMATS:
        with tarfile.open(fileobj=io.BytesIO(body), mode=FORMATS[container]) as archive:
            assert set(archive.getnames()) == names
    elif container == "gzip":
        assert gzip.decompress(body).startswith(b"{")
    else:
        assert body[:2] not in (b"PK", b"\x1f\x8b")


@pytest.mark.parametrize(("package", "files"), [("one", 1), ("per-item", 3), ("two-per-item", 6)])
def test_a_package_has_one_file_for_all_items_or_one_or_two_for_each(roma, package, files):
    roma.configure(roma_package=package)
    _, archive_id = ready(roma, count=3)
    packed = zipfile.ZipFile(io.BytesIO(Caller(roma).download(archive_id).content))
    assert len(packed.namelist()) == files
    definitions = [json.loads(packed.read(n)) for n in packed.namelist() if n.endswith(".json")]
    flat = definitions[0] if package == "one" else definitions
    assert {one["id"] for one in flat} == set(roma.roma["apps"][:3])


def test_a_day_holds_exactly_what_it_was_given(start):
    sandbox = start("--vendor", "roma", "--items", "30", "--day", "2025-12-24=11")
    found = sandbox.items("roma", start="2025-12-24", end="2025-12-25")
    assert sorted(one["kind"] for one in found) == ["app"] * 6 + ["task"] * 5
