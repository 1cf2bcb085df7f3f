"""Gaps as ``items`` of an export: the ids themselves, or objects that list them if they are many."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, cast

from airflow_provider_assets.airflow_compat import max_map_length
from airflow_provider_assets.sansio.errors import InvalidRequestError
from airflow_provider_assets.sansio.jobs import Data

if TYPE_CHECKING:
    from airflow.sdk import ObjectStoragePath

    from airflow_provider_assets.destinations import Destination
    from airflow_provider_assets.sansio.strict_json import JSON

# Beyond this many ids, a few kilobytes, XCom names an object for each batch.
MAX_INLINE = 100
_KEYS = frozenset({"uri", "sha256"})


def keep_gaps(
    gaps: Sequence[Mapping[str, Sequence[str]]], destination: str | ObjectStoragePath
) -> list[Data]:
    """*gaps* in a form of bounded size for ``.expand(items=...)``.

    There are no more than Airflow maps over; the next comparison finds the others.

    :param destination: Airflow object storage URL, beside which many ids are stored.
    """
    if sum(len(ids) for one in gaps for ids in one.values()) <= MAX_INLINE:
        return [{kind: list(ids) for kind, ids in one.items()} for one in gaps]
    from airflow_provider_assets.destinations import folder_in, open_destination
    from airflow_provider_assets.landing.markers import REPORTS_FOLDER

    folder = folder_in(destination, REPORTS_FOLDER)
    target = open_destination(folder)
    return [_keep(one, folder, target) for one in gaps[: max_map_length()]]


def _keep(items: Mapping[str, Sequence[str]], folder: str, target: Destination) -> Data:
    from airflow_provider_assets.landing.stores.base import put_document

    document = json.dumps({kind: list(ids) for kind, ids in items.items()}).encode()
    digest = hashlib.sha256(document).hexdigest()
    name = f"gaps-{digest[:16]}.json"
    put_document(target.store, target.prefix + name, document)
    return {"uri": folder + name, "sha256": digest}


def load_gaps(items: Mapping[str, JSON] | None) -> Mapping[str, JSON] | None:
    """*items*, read from the object that they name if they do.

    :raises InvalidRequestError: if the object is gone or has changed.
    """
    if not isinstance(items, Mapping) or set(items) != _KEYS:
        return items
    from airflow_provider_assets.destinations import open_destination

    uri = str(items["uri"])
    folder, _, name = uri.rpartition("/")
    target = open_destination(f"{folder}/")
    document = target.store.get(target.prefix + name)
    if document is None or hashlib.sha256(document).hexdigest() != items["sha256"]:
        raise InvalidRequestError(
            f"items: {uri} is gone or has been changed since it was written; rerun the task that "
            "returned it"
        )
    return cast("dict[str, JSON]", json.loads(document))
