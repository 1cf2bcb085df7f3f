"""``layout="files"`` from a package that can be downloaded only once.

The package is staged in the store until its files have landed, because unpacking can be repeated and the
download cannot.
"""

from __future__ import annotations

from dataclasses import replace

from airflow_provider_assets.landing.call import ANYTHING, LandingCall
from airflow_provider_assets.landing.entries import Files
from airflow_provider_assets.landing.layouts.archive import land_object
from airflow_provider_assets.landing.layouts.unzip import unpack_stored
from airflow_provider_assets.landing.manifest import Manifest
from airflow_provider_assets.landing.markers import STAGING_FOLDER
from airflow_provider_assets.landing.options import Source
from airflow_provider_assets.landing.ownership import commit
from airflow_provider_assets.landing.previous import landed_before
from airflow_provider_assets.landing.stores.base import best_effort
from airflow_provider_assets.landing.stores.object_options import ObjectOptions
from airflow_provider_assets.sansio.errors import IntegrityError


def land_staged(call: LandingCall, source: Source) -> tuple[Manifest, Files]:
    """Land the files of the package that an earlier attempt has staged, or that *source* downloads.

    :raises AssetsError: if the landing failed. A staged package stays for the next attempt, unless it is
        damaged.
    """
    package = _stage(call, source)
    # The manifest names the vendor's job that made these bytes, even if another one is landed now.
    unpacking = replace(call, facts=package.facts)
    try:
        return unpack_stored(unpacking, _at(call).key, package.bytes, source.own_name)
    except IntegrityError:
        clear_stage(call)  # so that the next attempt does not find the damaged package
        raise


def clear_stage(call: LandingCall) -> None:
    """Remove the package if one is staged; a failure is logged."""
    stage = _at(call)

    def clear() -> None:
        if call.store.head(stage.manifest_key):
            call.store.delete(stage.key)
            call.store.delete(stage.manifest_key)

    best_effort(clear)


def _stage(call: LandingCall, source: Source) -> Manifest:
    stage = _at(call)
    before = landed_before(stage)
    if before and before.is_whole(stage) and not before.is_due_again(call):
        call.meter.keep(before.record.bytes)
        return before.record
    stage.store.sweep([stage.key])
    record, entries = land_object(stage, source)
    commit(stage, record, entries)
    return record


def _at(call: LandingCall) -> LandingCall:
    """The landing of the package itself, below the staging folder.

    Of the options of its objects only the key is its own: it is read again soon, and then removed.
    """
    return replace(
        call,
        prefix=f"{call.prefix}{STAGING_FOLDER}",
        layout="archive",
        replacing=ANYTHING,  # its files are counted when they are unpacked
        object_options=ObjectOptions(kms_key=call.object_options.kms_key),
    )
