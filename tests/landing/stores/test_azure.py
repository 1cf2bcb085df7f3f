"""Azure Blob Storage."""

from __future__ import annotations

import pytest
from store_contract import ResumingStoreContract


class TestAzureStore(ResumingStoreContract):
    @pytest.fixture
    def store(self, azure):
        return azure
