"""The generations of ROMA Connect's export API: the request's body and the job's JSON in each.

Sources: ``sdk``: the models of the Python SDK and the 2023 documents; ``docs2025``: the documents
of October 2025 (both lists mandatory, ``reason``, mixed case); ``old2022``: the documents of the
ae-ad-1 region (apps is one name, times are numbers, ``Finished`` after the download); ``nested``:
as ``old2022`` but with ``entities.archive_id``, as the page of the download itself says.
"""

from __future__ import annotations

from dataclasses import dataclass

from airflow_provider_assets.sandbox.roma.state import DONE, FAILED, Export, Inventory
from airflow_provider_assets.sandbox.roma.views import error, iso_seconds
from airflow_provider_assets.sandbox.vendor import Json, Refused

_LIMIT = 100


@dataclass(frozen=True, slots=True, kw_only=True)
class Dialect:
    """One generation.

    :param running: the word for that state; likewise ``success``, ``failed`` and ``consumed`` (after
        the download; empty if the state remains ``success``).
    :param forgets: ``archive_id`` is absent after the download.
    :param reasons: the name of the field with the reasons of a failure.
    :param numbers: times are epoch milliseconds, not text.
    :param nested: ``archive_id`` is in ``entities``.
    :param old_body: the request has one application by its name, and tasks by ``task_id``.
    :param tasks_mandatory: the request must have ``tasks``.
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
    life = export.life
    answer: Json = {
        "id": export.id,
        "type": "exportAsset",
        "status": state_of(export, dialect),
        "progress_percent": life.progress,
        "begin_time": _time(life.begun, dialect),
    }
    if life.over:
        answer["end_time"] = _time(life.updated, dialect)
    if export.reasons:
        answer[dialect.reasons] = export.reasons
    if life.status == DONE and not (export.consumed and dialect.forgets):
        archive: Json = {"archive_id": export.archive_id}
        answer.update({"entities": archive} if dialect.nested else archive)
    return answer


def state_of(export: Export, dialect: Dialect) -> str:
    """The word for the state of an export."""
    if export.life.status == FAILED:
        return dialect.failed
    if export.life.status != DONE:
        return dialect.running
    return (export.consumed and dialect.consumed) or dialect.success


def wanted_ids(body: object, dialect: Dialect, inventory: Inventory) -> list[str]:
    """The ids of the items that a body asks for.

    :raises Refused: for a body that this generation does not accept.
    """
    if not isinstance(body, dict):
        raise Refused(error(400, details="the body is not an object"))
    apps = _old_apps(body, inventory) if dialect.old_body else _ids(body, "apps", "id")
    key = "task_id" if dialect.old_body else "id"
    if "tasks" not in body and dialect.tasks_mandatory:
        raise Refused(error(400, details="tasks is mandatory"))
    tasks = _ids(body, "tasks", key) if "tasks" in body else []
    if not 1 <= len(apps) + len(tasks) <= _LIMIT:
        raise Refused(
            error(400, details=f"1 to {_LIMIT} applications and tasks can be exported at once")
        )
    return [*apps, *tasks]


def _old_apps(body: Json, inventory: Inventory) -> list[str]:
    name = body.get("apps")
    if not isinstance(name, str):
        raise Refused(error(400, details="apps must be the name of an application"))
    item = inventory.by_name(name)
    return [item.id if item else name]


def _ids(body: Json, name: str, key: str) -> list[str]:
    given = body.get(name)
    if not isinstance(given, list):
        raise Refused(error(400, details=f"{name} must be an array"))
    found = [one.get(key) for one in given if isinstance(one, dict)]
    texts = [one for one in found if isinstance(one, str)]
    if len(texts) != len(given):
        raise Refused(error(400, details=f"each of {name} must have {key}"))
    return texts


def _time(epoch: float, dialect: Dialect) -> object:
    return int(epoch * 1000) if dialect.numbers else iso_seconds(epoch)
