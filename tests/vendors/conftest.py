from __future__ import annotations

import pytest
from vendor_contract import MOMENT, VENDORS, Contract

from airflow_provider_assets.sandbox import running


@pytest.fixture(params=sorted(VENDORS))
def parts(request):
    return VENDORS[request.param]


@pytest.fixture
def spec(parts):
    return parts[0].spec


@pytest.fixture(params=[False, True], ids=["run", "arun"])
def contract(request, parts):
    cls, wire = parts
    return Contract(cls, wire(MOMENT), request.param)


@pytest.fixture(scope="session")
def sandbox():
    with running("--items", "250", "--job-seconds", "0.3", "--seed", "7") as started:
        yield started


@pytest.fixture(params=[False, True], ids=["requests", "aiohttp"])
def asynchronous(request):
    return request.param
