"""The clients of all stores take the proxy that the environment names."""

from __future__ import annotations

import pytest
from proxy import http_proxy
from store_contract import put

from airflow_provider_assets.landing import S3Store


@pytest.mark.parametrize("name", ["azure", "gcs", "s3"])
def test_a_proxy_of_the_environment_is_used(name, request, monkeypatch):
    store = request.getfixturevalue(name)
    put(store, "thing", b"contents")
    for variable in ("NO_PROXY", "no_proxy"):
        monkeypatch.delenv(variable, raising=False)
    with http_proxy() as proxy:
        monkeypatch.setenv("HTTP_PROXY", f"http://{proxy.address}")
        if name == "s3":  # whose client looks at the environment once
            server = request.getfixturevalue("s3_server")
            store = S3Store(server.client(), "landing")
        assert store.get("thing") == b"contents"
        assert [method for method, _ in proxy.seen] == ["GET"]
