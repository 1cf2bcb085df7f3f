"""Reads what one task hands to another, which may run on another release: each mapping has a version."""

from __future__ import annotations

from collections.abc import Mapping

from airflow_provider_assets.sansio.arguments import shown
from airflow_provider_assets.sansio.errors import InvalidRequestError
from airflow_provider_assets.sansio.stored import Fits, check_fields, check_storable
from airflow_provider_assets.sansio.strict_json import JSON

VERSION = 1
# Of a request without its items: a release that does not know such requests must refuse it.
PLANNED_VERSION = 2
# Names in what an earlier release stored -> ours; everything else in it is as it was.
_FORMER_NAMES = {"query": "query_id", "run": "run_date", "facts": "details"}
MAP_OVER = (
    "; map over the list with .expand(archive=...). If the archive task is itself mapped, flatten its "
    "output first"
)


def read_versioned(
    data: Mapping[str, JSON],
    what: str,
    fields: Mapping[str, Fits],
    *,
    version: int = VERSION,
    is_part: bool = False,
) -> dict[str, JSON]:
    """*data* with the present names and without its version, which has to be *version*.

    :param what: with its article, for the error.
    :param fields: what its fields have to be.
    :param is_part: whether *data* is a part of what has been read: that can be stored, so *data* can, too.
    :raises InvalidRequestError: if it is not such a mapping, or has another version.
    """
    if not isinstance(data, Mapping):
        hint = MAP_OVER if isinstance(data, (list, tuple)) else ""
        raise InvalidRequestError(
            f"not {what}: expected a mapping, got {type(data).__name__}{hint}"
        )
    given = data.get("version")
    if given != version:
        raise InvalidRequestError(
            f"not {what}: version {shown(given)} is not {version}; run both tasks on one release"
        )
    known = {_FORMER_NAMES.get(key, key): value for key, value in data.items() if key != "version"}
    if not is_part:
        check_storable(known, what)
    check_fields(known, fields, what)
    return known
