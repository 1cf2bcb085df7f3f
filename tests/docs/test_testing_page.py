"""The page "Test your DAGs" lists exactly the faults, the methods of the client, and the admin routes."""

from __future__ import annotations

import re

from aiohttp import web
from doc_pages import TEXTS

from airflow_provider_assets.sandbox import Sandbox
from airflow_provider_assets.sandbox.admin import Admin
from airflow_provider_assets.sandbox.faults import (
    AFTERWARDS,
    ANSWER_KINDS,
    BODY_KINDS,
    JOB_KINDS,
    REPLY_KINDS,
    parse_fault,
)
from airflow_provider_assets.sandbox.stats import TALLY_KEYS

PAGE = TEXTS["docs/testing.md"]
FAULTS = PAGE.partition("## Faults")[2].partition("\n## ")[0]
ROWS = re.findall(r"^\| (.+?) \| .+ \| `(.+)` \|$", FAULTS, re.MULTILINE)


def test_every_kind_has_a_row_and_every_row_an_example_of_its_kind():
    listed = [kind.strip("`") for kind, _ in ROWS if kind.startswith("`")]
    known = {*ANSWER_KINDS, *BODY_KINDS, *JOB_KINDS, *REPLY_KINDS, f"{AFTERWARDS}…"}
    assert sorted(listed) == sorted(known)
    for kind, example in ROWS:
        fault = parse_fault(example)
        if kind.startswith("`"):
            assert fault.kind.startswith(kind.strip("`…")), example
        else:
            assert fault.status, example


def test_every_group_of_requests_can_be_read_on_the_page():
    first, _, _ = FAULTS.partition("| kind |")
    assert {*TALLY_KEYS, "job"} <= set(re.findall(r"`(\w+)`", first))


def test_every_method_of_the_client_is_on_the_page():
    table = PAGE.partition("| method | does |")[2].partition("## ")[0]
    public = {name for name in vars(Sandbox) if not name.startswith("_")}
    parts = {"ready", "process", "scenario", "topaz", "roma", "ask"}
    assert set(re.findall(r"`(\w+)\(", table)) == public - parts


def test_every_admin_route_is_on_the_page():
    section = PAGE.partition("## Admin routes")[2].partition("\n## ")[0]
    listed = re.findall(r"`((?:GET|POST|DELETE) [\w/]+)`", section)
    app = web.Application()
    Admin(None, []).mount(app)
    routes = {
        f"{route.method} {route.resource.canonical.removeprefix('/_sandbox/')}"
        for route in app.router.routes()
        if route.method != "HEAD" and route.resource.canonical != "/"
    }
    known = {re.sub(r"\{(\w+)\}", lambda name: name[1].upper(), route) for route in routes}
    assert sorted(listed) == sorted(known)
