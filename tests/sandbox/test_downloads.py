"""The download host: signed links, ranges, and bodies that go wrong where they are told to."""

from __future__ import annotations

import contextlib
import hashlib
import http.client
import struct
import zipfile
import zlib
from urllib.parse import urlsplit

import pytest
import requests
from sandbox_calls import call, submit

from airflow_provider_assets.sandbox import running


@pytest.fixture(scope="module")
def scenario():
    with running("--vendor", "scenario", "--items", "40", "--advance", "poll") as sandbox:
        yield sandbox


def archive_of(sandbox, count=10):
    ids = [one["id"] for one in sandbox.items("scenario") if one["exportable"]][:count]
    job_id = submit(sandbox, ids).json()["jobId"]
    sandbox.job(job_id, "finish")
    return job_id, link_to(sandbox, job_id)


def link_to(sandbox, job_id):
    return call(sandbox, "GET", f"/assets/download/{job_id}").json()["downloadUrl"]


def get(url, **how):
    return requests.get(url, timeout=10, **how)


def test_what_is_served_is_what_the_tester_is_told(scenario):
    job_id, url = archive_of(scenario)
    body, truth = get(url).content, scenario.archive(job_id)
    assert (len(body), hashlib.sha256(body).hexdigest()) == (truth["bytes"], truth["sha256"])
    tally = scenario.stats()["jobs"][job_id]
    assert (tally["downloads"], tally["bytes"]) == (1, len(body))


def test_equal_archives_are_the_same_bytes_under_their_own_names(scenario):
    (one, first), (two, second) = archive_of(scenario), archive_of(scenario)
    assert scenario.archive(one)["sha256"] == scenario.archive(two)["sha256"]
    assert first != second
    assert get(first).content == get(second).content


def test_downloads_have_a_host_and_port_of_their_own(scenario):
    _, url = archive_of(scenario)
    there, here = urlsplit(url), urlsplit(scenario.scenario["base_url"])
    assert (there.hostname, here.hostname) == ("localhost", "127.0.0.1")
    assert there.port != here.port


def test_a_link_is_good_byte_for_byte_for_get_only(scenario):
    _, url = archive_of(scenario)
    assert requests.head(url, timeout=10).status_code == 403
    assert get(url + "&x=1").status_code == 403
    assert get(url.replace("Policy=", "policy=")).status_code == 403
    path, _, query = url.partition("?")
    assert get(f"{path}?{'&'.join(reversed(query.split('&')))}").status_code == 403
    assert get(path).status_code == 403
    assert get(url).status_code == 200


def test_any_authorization_header_is_refused(scenario):
    _, url = archive_of(scenario)
    reply = get(url, auth=("sandbox-key", "sandbox-secret"))
    assert reply.status_code == 400
    assert "Only one auth mechanism allowed" in reply.text


def test_a_link_expires_and_a_new_one_does_not(start):
    sandbox = start("--vendor", "scenario", "--items", "20", "--url-seconds", "60")
    job_id, url = archive_of(sandbox)
    sandbox.advance(61)
    assert get(url).status_code == 403
    assert get(link_to(sandbox, job_id)).status_code == 200


def test_an_expired_archive_is_gone(scenario):
    job_id, url = archive_of(scenario)
    scenario.job(job_id, "expire")
    assert get(url).status_code == 404


def test_a_range_is_answered_with_just_that(scenario):
    _, url = archive_of(scenario)
    whole = get(url)
    part = get(url, headers={"Range": "bytes=100-199"})
    assert (part.status_code, part.content) == (206, whole.content[100:200])
    assert part.headers["Content-Range"] == f"bytes 100-199/{len(whole.content)}"
    assert get(url, headers={"Range": "bytes=-7"}).content == whole.content[-7:]
    assert get(url, headers={"Range": "bytes=5-"}).content == whole.content[5:]
    assert get(url, headers={"Range": f"bytes={len(whole.content)}-"}).status_code == 416
    held = {"Range": "bytes=0-9", "If-Range": whole.headers["ETag"]}
    assert get(url, headers=held).status_code == 206
    changed = {"Range": "bytes=0-9", "If-Range": '"another"'}
    assert get(url, headers=changed).status_code == 200


def test_every_fault_of_a_body_shows_as_it_would_in_the_wild(scenario):
    _, url = archive_of(scenario)
    whole = get(url).content
    for kind in ("reset", "truncate"):
        scenario.fault(f"download:{kind}@1000:1")
        with pytest.raises((requests.exceptions.ChunkedEncodingError, requests.ConnectionError)):
            get(url)
    scenario.fault("download:short@1000:1")
    assert get(url).content == whole[:1000]
    scenario.fault("download:corrupt@1000:1")
    spoilt = get(url).content
    assert [n for n in range(len(whole)) if whole[n] != spoilt[n]] == [1000]
    scenario.fault("download:expired:1")
    assert get(url).status_code == 403
    scenario.fault("download:no-range:1")
    assert get(url, headers={"Range": "bytes=1-2"}).status_code == 200
    scenario.fault("download:no-length:1")
    reply = get(url)
    assert "Content-Length" not in reply.headers
    assert reply.content == whole
    scenario.fault("download:new-etag:1")
    assert get(url).headers["ETag"] != get(url).headers["ETag"]


def test_a_truncated_body_delivers_exactly_the_bytes_before_the_cut(scenario):
    _, url = archive_of(scenario)
    scenario.fault("download:truncate@1234:1")
    place = urlsplit(url)
    connection = http.client.HTTPConnection(place.hostname, place.port, timeout=10)
    with contextlib.closing(connection):
        connection.request("GET", f"{place.path}?{place.query}")
        with (
            connection.getresponse() as response,
            pytest.raises(http.client.IncompleteRead) as caught,
        ):
            response.read()
    assert len(caught.value.partial) == 1234


def test_a_slow_body_arrives_whole(scenario):
    _, url = archive_of(scenario, count=2)
    scenario.fault("download:slow=200000:1")
    assert get(url).content == get(url).content


def test_images_are_real_and_of_the_announced_size(scenario):
    for asset in call(scenario, "GET", "/assets").json()["assets"][:20]:
        body = get(asset["url"]).content
        assert len(body) == asset["properties"]["size"]
        assert pixels_of(body) == (asset["properties"]["width"], asset["properties"]["height"])


def test_items_can_be_padded_and_are_the_same_for_the_same_seed(start):
    one, two = (
        start("--vendor", "scenario", "--items", "8", "--item-bytes", "300000", "--seed", "5")
        for _ in range(2)
    )
    first, second = (archive_of(sandbox, count=8) for sandbox in (one, two))
    truth = one.archive(first[0])
    assert truth["sha256"] == two.archive(second[0])["sha256"]
    assert all(100_000 < entry["bytes"] < 500_000 for entry in truth["entries"])
    assert pixels_of(get(call(one, "GET", "/assets").json()["assets"][0]["url"]).content)


@pytest.mark.parametrize("style", ["stored", "deflated", "streamed"])
def test_archives_can_be_written_in_every_style(scenario, style, tmp_path):
    scenario.configure(zip_style=style)
    _, url = archive_of(scenario)
    (tmp_path / "a.zip").write_bytes(get(url).content)
    with zipfile.ZipFile(tmp_path / "a.zip") as archive:
        assert archive.testzip() is None
        assert {bool(info.flag_bits & 8) for info in archive.infolist()} == {style == "streamed"}


def pixels_of(body):
    """Check every chunk of a PNG and return its width and height."""
    assert body[:8] == b"\x89PNG\r\n\x1a\n"
    position, data, size = 8, b"", None
    while position < len(body):
        length, kind = struct.unpack(">I4s", body[position : position + 8])
        content = body[position + 8 : position + 8 + length]
        crc = struct.unpack(">I", body[position + 8 + length : position + 12 + length])[0]
        assert zlib.crc32(kind + content) == crc
        if kind == b"IHDR":
            size = struct.unpack(">II", content[:8])
        data += content if kind == b"IDAT" else b""
        position += 12 + length
    assert len(zlib.decompress(data)) == (1 + 3 * size[0]) * size[1]
    return size


def test_a_stalled_body_stops_without_ending(scenario):
    _, url = archive_of(scenario)
    scenario.fault("download:stall@500:1")
    with requests.get(url, stream=True, timeout=2) as reply:
        assert len(reply.raw.read(500)) == 500
        with pytest.raises(requests.ConnectionError, match="timed out"):
            _ = reply.content
