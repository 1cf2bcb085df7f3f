"""S3, on a server that keeps checksums, on moto, and on one that ignores checksums and conditions."""

from __future__ import annotations

import pytest
from s3_quirks import CHECKSUMS, Quirks, quirky_s3
from store_contract import ResumingStoreContract

from airflow_provider_assets.landing import S3Store
from airflow_provider_assets.landing.stores.base import put_document


class TestS3Store(ResumingStoreContract):
    @pytest.fixture
    def store(self, s3):
        return s3


class TestMoto(ResumingStoreContract):
    @pytest.fixture
    def store(self, moto):
        return moto

    @staticmethod
    def confirms_checksums(store) -> bool:
        # It computes one for objects of many parts only, and so it is not relied on elsewhere.
        return True


class TestS3ThatIgnoresChecksumsAndConditions(ResumingStoreContract):
    @pytest.fixture
    def store(self, s3_server, s3):
        with quirky_s3(s3_server, Quirks(ignores=f"{CHECKSUMS}|if-none-match")) as server:
            yield S3Store(server.client(), s3.bucket)


def test_a_listing_of_many_pages_has_every_object_once(moto):
    def shorten(params, **_):
        params["MaxKeys"] = 2

    moto.client.meta.events.register("provide-client-params.s3.ListObjectsV2", shorten)
    for number in range(5):
        put_document(moto, f"pages/{number}", b"x" * number)
    assert list(moto.listing("pages/")) == [(f"pages/{n}", n) for n in range(5)]


def test_one_page_is_listed_without_the_paginators_of_botocore(moto, monkeypatch):
    put_document(moto, "page/one", b"1")
    monkeypatch.setattr(moto.client, "get_paginator", None)
    assert dict(moto.listing("page/")) == {"page/one": 1}
    assert moto.sweep(["page/one"]) == 0
