"""Starts the two listeners, prints where they are, and stops on a signal."""

from __future__ import annotations

import asyncio
import contextlib
import errno
import json
import os
import shlex
import signal
import socket
import ssl
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path

from aiohttp import web

from airflow_provider_assets.sandbox.admin import Admin
from airflow_provider_assets.sandbox.middleware import Middleware
from airflow_provider_assets.sandbox.options import Options
from airflow_provider_assets.sandbox.roma.api import RomaApi
from airflow_provider_assets.sandbox.scenario.api import ScenarioApi
from airflow_provider_assets.sandbox.topaz.api import TopazApi
from airflow_provider_assets.sandbox.vendor import Json, Route, Vendor
from airflow_provider_assets.sandbox.world import World

_MAX_BODY = 600 * 1024 * 1024  # Topaz takes uploads of up to 500 MB

_VENDORS: dict[str, Callable[[World], Vendor]] = {
    "scenario": ScenarioApi,
    "topaz": TopazApi,
    "roma": RomaApi,
}


async def serve(options: Options) -> None:
    """Serve until SIGTERM, SIGINT or, with ``follow_stdin``, the end of standard input."""
    with contextlib.ExitStack() as stack:
        folder = options.state_dir or Path(stack.enter_context(tempfile.TemporaryDirectory()))
        folder.mkdir(parents=True, exist_ok=True)
        world = World(options, folder)
        vendors = [_VENDORS[name](world) for name in options.vendors]
        stop = _stopper(options)
        runners: list[web.AppRunner] = []
        try:
            tls = _tls(options)
            origin = await _listen(_api(world, vendors), options.port, runners, tls)
            store = await _listen(_store(world, vendors), 0, runners, tls)
            world.storage.origin = store.replace("127.0.0.1", "localhost")
            ready = _ready(vendors, origin)
            print(json.dumps(ready) if options.json else _commands(ready), flush=True)
            await stop.wait()
        finally:
            for runner in runners:
                await runner.cleanup()


def _ready(vendors: list[Vendor], origin: str) -> Json:
    line: Json = {vendor.name: vendor.describe(origin) for vendor in vendors}
    line["stats_url"] = f"{origin}/_sandbox/stats"
    line["admin_url"] = f"{origin}/_sandbox"
    line["page_url"] = f"{origin}/"
    return line


def _commands(ready: Json) -> str:
    """The ready line for people: commands that give a shell the connections, and the addresses."""
    connections = [part["connection"] for part in ready.values() if isinstance(part, dict)]
    return "\n".join(
        [
            *(
                f"export AIRFLOW_CONN_{connection['conn_type'].upper()}_DEFAULT="
                f"{shlex.quote(json.dumps(connection))}"
                for connection in connections
            ),
            f"# page: {ready['page_url']}",
            f"# admin routes: {ready['admin_url']}",
        ]
    )


def _api(world: World, vendors: list[Vendor]) -> web.Application:
    app = web.Application(client_max_size=_MAX_BODY)
    for vendor in vendors:
        middleware = Middleware(world, vendor)
        for route in vendor.routes():
            app.router.add_route(route.method, route.path, middleware.wrap(route))
    Admin(world, vendors).mount(app)
    return app


def _store(world: World, vendors: list[Vendor]) -> web.Application:
    app = web.Application()
    for vendor in vendors:
        middleware = Middleware(world, vendor)
        path = f"/{vendor.name}/{{key:.+}}"
        for method, group in (("GET", "download"), ("HEAD", "head")):
            route = Route(method, path, f"{vendor.name}.{group}", group, world.storage.serve)
            app.router.add_route(method, path, middleware.wrap(route))
    return app


def _tls(options: Options) -> ssl.SSLContext | None:
    if options.tls_chain is None:
        return None
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(options.tls_chain, options.tls_key)
    return context


async def _listen(
    app: web.Application, port: int, runners: list[web.AppRunner], tls: ssl.SSLContext | None
) -> str:
    """Listen on the IPv4 loopback and, where there is one, on IPv6; return the origin."""
    runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.5)
    await runner.setup()
    runners.append(runner)
    endpoint = socket.create_server(("127.0.0.1", port), backlog=1024)
    await web.SockSite(runner, endpoint, ssl_context=tls).start()
    number = endpoint.getsockname()[1]
    # "localhost" may mean ::1 first; a client must not depend on falling back.
    with contextlib.suppress(OSError):
        twin = socket.create_server(("::1", number), family=socket.AF_INET6, backlog=1024)
        await web.SockSite(runner, twin, ssl_context=tls).start()
    return f"{'https' if tls else 'http'}://127.0.0.1:{number}"


def _stopper(options: Options) -> asyncio.Event:
    loop, stop = asyncio.get_running_loop(), asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    if options.follow_stdin:
        try:
            loop.add_reader(sys.stdin.fileno(), _read_stdin, loop, stop)
        except PermissionError:  # a file or /dev/null: at its end already
            stop.set()
    return stop


def _read_stdin(loop: asyncio.AbstractEventLoop, stop: asyncio.Event) -> None:
    try:
        if os.read(sys.stdin.fileno(), 4096):
            return
    except OSError as error:
        if error.errno == errno.EAGAIN:
            return
    loop.remove_reader(sys.stdin.fileno())
    stop.set()
