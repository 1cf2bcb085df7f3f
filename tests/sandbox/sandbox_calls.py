"""Plain HTTP calls to a sandbox, as short as the tests want them."""

from __future__ import annotations

import requests

OPTIONS = {"fileNameTemplate": "<id>", "flat": True}


def call(sandbox, method, path, **how):
    how.setdefault("auth", ("sandbox-key", "sandbox-secret"))
    return requests.request(method, sandbox.scenario["base_url"] + path, timeout=10, **how)


def every(sandbox, **query):
    found, query = [], {"pageSize": "100", **query}
    while True:
        reply = call(sandbox, "GET", "/assets", params=query)
        assert reply.status_code == 200, reply.text
        found += reply.json()["assets"]
        if "nextPaginationToken" not in reply.json():
            return found
        query["paginationToken"] = reply.json()["nextPaginationToken"]


def submit(sandbox, ids, **body):
    body = {
        "query": {"assetIds": ids, "inferenceIds": [], "modelIds": []},
        "options": OPTIONS,
    } | body
    return call(sandbox, "POST", "/assets/download", json=body)
