"""S3, on a server that keeps checksums, on moto, and on one that ignores checksums and conditions."""

from __future__ import annotations

import pytest
from s3_quirks import CHECKSUMS, Quirks, quirky_s3
from store_contract import ResumingStoreContract

from airflow_provider_assets.landing import S3Store


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
