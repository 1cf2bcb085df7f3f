"""Google Cloud Storage: busy moments, and what dead landings left."""

from __future__ import annotations

import io

import pytest
from landing_kit import contents, linked
from requests import Response
from requests.adapters import HTTPAdapter
from store_contract import ResumingStoreContract, archive, put

from airflow_provider_assets.landing import GcsStore, land


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
        def blobs(self, prefix):
            listings.append(prefix)
            return super().blobs(prefix)

    listings: list[str] = []
    for name in ("out/7.png.landing/dead/000001", "out/other.png.landing/dead/000001"):
        gcs.put(name, b"part", crc32=0, overwrite=True)
    assert Counted(gcs.bucket).sweep([f"out/{number}.png" for number in range(500)]) == 1
    assert len(listings) == 1
    assert set(gcs.sizes("")) == {"out/other.png.landing/dead/000001"}


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
