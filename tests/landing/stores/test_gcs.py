"""Google Cloud Storage: busy moments, and what dead landings left."""

from __future__ import annotations

import io

import pytest
from landing_kit import FACTS, contents, linked
from requests import Response
from requests.adapters import HTTPAdapter
from store_contract import ResumingStoreContract, archive, put

from airflow_provider_assets.landing import GcsStore, land
from airflow_provider_assets.landing.stores.base import StoredObject
from airflow_provider_assets.sansio.errors import InvalidRequestError, TransferInterruptedError


class TestGcsStore(ResumingStoreContract):
    @pytest.fixture
    def store(self, gcs):
        return gcs


class _Busy(HTTPAdapter):
    """Lets the first request to each *action* fail."""

    def __init__(self, *actions: str) -> None:
        super().__init__()
        self.left = set(actions)

    def send(self, request, *args, **kwargs):
        for action in [action for action in self.left if action in request.url]:
            self.left.discard(action)
            answer = Response()
            answer.status_code, answer.request, answer.raw = 503, request, io.BytesIO()
            return answer
        return super().send(request, *args, **kwargs)


@pytest.mark.parametrize("overwrite", [False, True])
def test_a_busy_moment_of_google_does_not_fail_a_landing(gcs, origin, quick, overwrite):
    busy = _Busy("/compose", "/rewriteTo/")
    gcs.bucket.client._http.mount("http://", busy)
    land([linked(origin, archive())], gcs, options=quick, overwrite=overwrite)
    assert contents(gcs, "export.zip") == archive()
    assert not busy.left


def test_the_parts_of_many_files_are_swept_by_one_listing(gcs):
    class Counted(GcsStore):
        def listing(self, prefix):
            listings.append(prefix)
            return super().listing(prefix)

    listings: list[str] = []
    for name in ("out/7.png.landing/dead/000001", "out/other.png.landing/dead/000001"):
        gcs.put(name, b"part", crc32=0, overwrite=True)
    assert Counted(gcs.bucket).sweep([f"out/{number}.png" for number in range(500)]) == 1
    assert len(listings) == 1
    assert set(dict(gcs.listing(""))) == {"out/other.png.landing/dead/000001"}


def test_a_folder_of_many_is_swept_by_few_requests(gcs):
    put(gcs, "nightly/0.png", b"contents")
    asked, http = [], gcs.bucket.client._http
    send = http.request

    def request(method, url, *args, **kwargs):
        asked.append(url)
        return send(method, url, *args, **kwargs)

    http.request = request
    gcs.sweep([f"nightly/{number}.png" for number in range(100)])
    assert len(asked) == 1


class _Down(HTTPAdapter):
    """Answers all requests of some methods with 503."""

    def __init__(self, *methods: str) -> None:
        super().__init__()
        self.methods = methods

    def send(self, request, *args, **kwargs):
        if request.method not in self.methods:
            return super().send(request, *args, **kwargs)
        answer = Response()
        answer.status_code, answer.request, answer.raw = 503, request, io.BytesIO()
        return answer


@pytest.fixture
def impatient(monkeypatch):
    """Gives up repeating a request at once, as the SDK does after two minutes."""
    from google.cloud.storage.retry import DEFAULT_RETRY

    monkeypatch.setattr(DEFAULT_RETRY, "_timeout", 0.01)


ACTIONS = {
    "head": lambda store: store.head("thing"),
    "get": lambda store: store.get("thing"),
    "put": lambda store: put(store, "thing", b"contents"),
    "delete": lambda store: store.delete("thing"),
    "listing": lambda store: [*store.listing("")],
    "sweep": lambda store: store.sweep(["thing"]),
}


@pytest.mark.parametrize("action", ACTIONS)
def test_a_long_outage_of_google_is_a_passing_failure(gcs, impatient, action):
    gcs.bucket.client._http.mount("http://", _Down("GET", "POST", "PUT", "DELETE"))
    with pytest.raises(TransferInterruptedError, match=r"cannot .*: RetryError"):
        ACTIONS[action](gcs)


def test_parts_that_cannot_be_deleted_do_not_fail_a_landing(gcs, impatient, origin, quick, caplog):
    gcs.bucket.client._http.mount("http://", _Down("DELETE"))
    source = linked(origin, archive(), single_use=True)
    land([source], gcs, options=quick, facts=FACTS)
    assert contents(gcs, "export.zip") == archive()
    assert gcs.get("export.zip.manifest.json")
    assert "Cleanup failed" in caplog.text


class _Damaging(HTTPAdapter):
    """Names another checksum than that of what arrives."""

    def send(self, request, *args, **kwargs):
        answer = super().send(request, *args, **kwargs)
        answer.headers["X-Goog-Hash"] = "crc32c=AAAAAA=="
        return answer


def test_an_object_that_is_damaged_on_its_way_is_a_passing_failure(gcs):
    put(gcs, "thing", b"contents")
    gcs.bucket.client._http.mount("http://", _Damaging())
    with pytest.raises(TransferInterruptedError, match=r"cannot read .*: DataCorruption"):
        gcs.get("thing")


@pytest.mark.parametrize("crc32", ["yZRlqg==", "0x0badcafe", "-1"])
def test_a_checksum_of_another_writer_in_another_form_is_none(gcs, crc32):
    blob = gcs.bucket.blob("thing")
    blob.metadata = {"crc32": crc32}
    blob.upload_from_string(b"by hand")
    assert gcs.head("thing") == StoredObject(7)
    with pytest.raises(InvalidRequestError, match="already exists with other contents"):
        put(gcs, "thing", b"of ours")
