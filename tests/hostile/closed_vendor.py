"""A vendor that refuses everybody and counts who asked, and the least that an operator needs to run."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime, timezone
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import SimpleNamespace
from typing import Any

MOMENT = datetime(2026, 1, 10, tzinfo=timezone.utc)


@dataclass
class ClosedVendor:
    """Answers every request with a 401; ``asked`` are their paths."""

    address: str
    asked: list[str] = field(default_factory=list)

    def connections(self) -> dict[str, dict[str, Any]]:
        """Vendor -> its Airflow connection, by which this one is asked."""
        roma = {"instance_id": "i1", "project_id": "p0", "region": "cn-north-4"}
        common = {"login": "k", "password": "s", "host": self.address}
        return {
            "scenario": {"conn_type": "scenario", **common},
            "topaz": {"conn_type": "topaz", **common},
            "huawei_roma": {"conn_type": "huawei_roma", **common, "extra": roma},
        }


@contextmanager
def closed_vendor() -> Iterator[ClosedVendor]:
    """One on localhost."""
    asked: list[str] = []

    class Refusal(BaseHTTPRequestHandler):
        def do_GET(self) -> None:  # the name that http.server calls
            asked.append(self.path)
            self.send_response(401)
            self.send_header("Content-Length", "0")
            self.end_headers()

        do_POST = do_DELETE = do_HEAD = do_GET  # noqa: N815  # likewise

        def log_message(self, *args: object) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Refusal) as server:
        thread = threading.Thread(target=server.serve_forever, daemon=True)
        thread.start()
        yield ClosedVendor(f"http://127.0.0.1:{server.server_port}", asked)
        server.shutdown()
        thread.join()


def context_of(task: Any) -> dict[str, Any]:
    """The context of the first attempt of *task*, in a run of the day before :data:`MOMENT`."""
    ti = SimpleNamespace(
        dag_id="d",
        task_id="t",
        run_id="r",
        map_index=-1,
        max_tries=0,
        try_number=1,
        start_date=datetime.now(timezone.utc),
        xcom_push=lambda **given: None,
    )
    run = SimpleNamespace(
        clear_number=0, start_date=MOMENT, logical_date=MOMENT, run_after=MOMENT, run_type="manual"
    )
    return {"ti": ti, "task_instance": ti, "dag_run": run, "task": task}
