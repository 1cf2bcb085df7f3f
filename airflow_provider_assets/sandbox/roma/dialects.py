"""The generations of ROMA Connect's export: which body it takes, how a job's state is spelled.

Sources: ``sdk``: the models of the Python SDK and the 2023 documents; ``docs2025``: the documents
of October 2025 (both lists mandatory, ``reason``, mixed case); ``old2022``: the documents of the
ae-ad-1 region (apps is one name, times are numbers, ``Finished`` after the download); ``nested``:
as ``old2022`` but with ``entities.archive_id``, as the page of the download itself says.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from airflow_provider_assets.sandbox.world import Json

    from .items import Inventory
    from .state import Export

LIMIT = 100
STAGES = ("accepted", "collecting", "packing", "done")
FAILED = "failed"


class BadBody(Exception):
    """The body is not what this generation takes."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Dialect:
    """One generation.

    :param consumed: the state after the package was downloaded; empty: it stays successful.
    :param forgets: whether ``archive_id`` is no longer told after the download.
    """

    running: str
    success: str
    failed: str
    consumed: str = ""
    forgets: bool = True
    reasons: str = "reasons"
    numbers: bool = False
    nested: bool = False
    old_body: bool = False
    tasks_mandatory: bool = False


DIALECTS = {
    "sdk": Dialect(running="RUNNING", success="SUCCEEDED", failed="FAILED", forgets=False),
    "docs2025": Dialect(
        running="Running", success="SUCCEEDED", failed="Failed", reasons="reason",
        tasks_mandatory=True,
    ),
    "old2022": Dialect(
        running="Running", success="Success", failed="Failed", consumed="Finished",
        numbers=True, old_body=True,
    ),
    "nested": Dialect(
        running="Running", success="Success", failed="Failed", consumed="Finished",
        numbers=True, nested=True,
    ),
}  # fmt: skip


def job_json(export: Export, dialect: Dialect) -> Json:
    """One job as ``GET .../assets/jobs/{job_id}`` shows it in this generation."""
    life, time = export.life, _time_of(dialect)
    answer: Json = {
        "id": export.id,
        "type": "exportAsset",
        "status": state_of(export, dialect),
        "progress_percent": life.progress,
        "begin_time": time(life.begun),
    }
    if life.over:
        answer["end_time"] = time(life.updated)
    if export.reasons:
        answer[dialect.reasons] = export.reasons
    told = export.archive_id if life.status == STAGES[-1] else ""
    if told and not (export.consumed and dialect.forgets):
        answer.update(
            {"entities": {"archive_id": told}} if dialect.nested else {"archive_id": told}
        )
    return answer


def state_of(export: Export, dialect: Dialect) -> str:
    """The word for the job's state."""
    if export.life.status == FAILED:
        return dialect.failed
    if export.life.status != STAGES[-1]:
        return dialect.running
    return (export.consumed and dialect.consumed) or dialect.success


def wanted_ids(body: object, dialect: Dialect, inventory: Inventory) -> list[str]:
    """The ids of the items a body asks for; raises BadBody."""
    if not isinstance(body, dict):
        raise BadBody("the body is not an object")
    apps = _old_apps(body, inventory) if dialect.old_body else _ids(body, "apps", "id")
    key = "task_id" if dialect.old_body else "id"
    if "tasks" not in body and dialect.tasks_mandatory:
        raise BadBody("tasks is mandatory")
    tasks = _ids(body, "tasks", key) if "tasks" in body else []
    if not 1 <= len(apps) + len(tasks) <= LIMIT:
        raise BadBody(f"1 to {LIMIT} applications and tasks can be exported at once")
    return [*apps, *tasks]


def _old_apps(body: Json, inventory: Inventory) -> list[str]:
    name = body.get("apps")
    if not isinstance(name, str):
        raise BadBody("apps must be the name of an application")
    item = inventory.by_name(name)
    return [item.id if item else name]


def _ids(body: Json, name: str, key: str) -> list[str]:
    given = body.get(name)
    if not isinstance(given, list):
        raise BadBody(f"{name} must be an array")
    found = [one.get(key) for one in given if isinstance(one, dict)]
    texts = [one for one in found if isinstance(one, str)]
    if len(texts) != len(given):
        raise BadBody(f"each of {name} must have {key}")
    return texts


def _time_of(dialect: Dialect) -> Callable[[float], object]:
    if dialect.numbers:
        return lambda epoch: int(epoch * 1000)
    return lambda epoch: dt.datetime.fromtimestamp(epoch, tz=dt.timezone.utc).strftime(
        "%Y-%m-%dT%H:%M:%SZ"
    )
